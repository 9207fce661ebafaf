"""A real nginx on loopback in front of a site, by deploy/nginx.conf or by a test's directives."""

import re
import subprocess
from pathlib import Path
from time import monotonic, sleep

import httpx2

from tests.harness.certificates import self_signed
from tests.harness.site import ROOT, free_port

_START_SECONDS = 10
_TEMP_PATHS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class Nginx:
    """`folder` holds its configuration, certificate and logs. One process, which `stop` ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.certificate = folder / "certificate.pem"
        self._process: subprocess.Popen[bytes] | None = None

    def start_deployed(self, site_ports: list[int], static: Path) -> None:
        """Serves deploy/nginx.conf with https on `port`, with as many instances behind it.

        Only names, ports and paths are exchanged.
        """
        self.certificate, key = self_signed(self.folder)
        config = (ROOT / "deploy" / "nginx.conf").read_text()
        for pattern, value in {
            r"server 127\.0\.0\.1:8000( max_fails=0);": " ".join(
                f"server 127.0.0.1:{port}\\1;" for port in site_ports
            ),
            r"listen 80;": f"listen 127.0.0.1:{free_port()};",
            r"listen 443 ssl http2;": f"listen 127.0.0.1:{self.port} ssl http2;",
            r"listen \[::\]:\S+( ssl http2)?;": "",
            r"ssl_certificate\s+\S+;": f"ssl_certificate {self.certificate};",
            r"ssl_certificate_key\s+\S+;": f"ssl_certificate_key {key};",
            r"access_log /\S+": f"access_log {self.folder}/access.log",
            r"alias \S+;": f"alias {static}/;",
        }.items():
            config, found = re.subn(pattern, value, config)
            assert found, f"deploy/nginx.conf has no {pattern} any more"
        self._start(config)

    def start_with(self, site_port: int, directives: str) -> None:
        """Serves http on `port`, passing everything on to the site under these directives."""
        self._start(
            f"server {{ listen 127.0.0.1:{self.port}; {directives} location / {{ proxy_pass"
            f" http://127.0.0.1:{site_port}; }} }}"
        )

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def _start(self, servers: str) -> None:
        temp = "".join(f"{name}_temp_path {self.folder}/{name};" for name in _TEMP_PATHS)
        config = self.folder / "nginx.conf"
        # Without a master process it keeps the rights of whoever runs the tests, and one signal
        # ends all of it.
        config.write_text(
            f"daemon off; master_process off; pid {self.folder}/pid; error_log"
            f" {self.folder}/error.log; events {{}}\nhttp {{ include /etc/nginx/mime.types;"
            f" access_log off; {temp}\n{servers}\n}}\n"
        )
        logged = self.folder / "error.log"
        command = ["/usr/sbin/nginx", "-c", str(config), "-p", str(self.folder), "-e", str(logged)]
        self._process = subprocess.Popen(command, start_new_session=True)
        deadline = monotonic() + _START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, logged.read_text()
            assert monotonic() < deadline, "nginx did not answer"
            sleep(0.05)

    def _answers(self) -> bool:
        scheme = "https" if self.certificate.exists() else "http"
        try:
            httpx2.get(
                f"{scheme}://127.0.0.1:{self.port}/", timeout=5, verify=False, trust_env=False
            )
        except httpx2.TransportError:
            return False
        return True
