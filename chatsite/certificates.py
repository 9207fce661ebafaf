"""The certificates of the environment, checked before the first connection needs them."""

import os
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from chatsite.env import Env

# How OpenSSL finds a certificate in a folder: by the hash of its subject (openssl-rehash(1)).
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")


def use_certificates(env: Env) -> None:
    """Checks SSL_CERT_FILE, SSL_CERT_DIR and SSLKEYLOGFILE and hands them to OpenSSL.

    They are put into the environment of this process, as a `.env` file may have set them. Raises
    ImproperlyConfigured for one that would break every connection with TLS.
    """
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        if value := env.text(name):
            os.environ[name] = value
    file, folders = env.text("SSL_CERT_FILE"), env.text("SSL_CERT_DIR")
    if file:
        # With a file the client uses no folder.
        _check_file(file)
    elif folders and not any(_HASHED.fullmatch(entry) for entry in _entries(folders)):
        raise ImproperlyConfigured(
            f"SSL_CERT_DIR={folders} holds no certificate that OpenSSL can find: run openssl rehash"
            " on it, or unset SSL_CERT_DIR."
        )
    if log := env.text("SSLKEYLOGFILE"):
        _check_key_log(log)


def _check_file(file: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=file)
        reason = "" if context.cert_store_stats()["x509"] else "it holds no certificate"
    except ssl.SSLError:
        reason = "it holds no certificate"
    except OSError as error:
        reason = str(error.strerror)
    if reason:
        raise ImproperlyConfigured(
            f"SSL_CERT_FILE={file} cannot be used: {reason}. Set it to a file of certificates in"
            " PEM format, or unset it."
        )


def _check_key_log(file: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).keylog_filename = file
    except OSError as error:
        raise ImproperlyConfigured(
            f"SSLKEYLOGFILE={file} cannot be written: {error.strerror}. Unset it."
        ) from None


def _entries(folders: str) -> Iterator[str]:
    """Returns the names in all folders of a list as OpenSSL takes it.

    A folder that cannot be read counts as empty.
    """
    for folder in folders.split(os.pathsep):
        try:
            yield from (path.name for path in Path(folder).iterdir())
        except OSError:
            continue
