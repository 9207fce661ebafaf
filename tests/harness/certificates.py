"""Certificates that no authority has signed, made by openssl."""

import subprocess
from pathlib import Path

_MAKE = [
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-days",
    "2",
]


def self_signed(
    folder: Path, host: str = "localhost", names: str = "IP:127.0.0.1,DNS:localhost"
) -> tuple[Path, Path]:
    """Makes a certificate for these alternative names; returns the files of it and of its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", f"/CN={host}", "-addext", f"subjectAltName={names}"]
    subprocess.run(
        [*_MAKE, *subject, "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    return certificate, key
