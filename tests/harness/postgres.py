"""A real PostgreSQL on loopback, for the tests that are run a second time on it."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from time import monotonic, sleep

import psycopg

from tests.harness.site import free_port

_START_SECONDS = 30
# PostgreSQL does not run as root; Debian's package makes this account.
_ACCOUNT = "postgres"


class Postgres:
    """Runs an empty cluster in a folder of its own, which is gone when it is stopped.

    Every user of this machine may connect.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"postgres://{_ACCOUNT}@127.0.0.1:{self.port}/postgres"
        self._folder = Path(tempfile.mkdtemp(prefix="chatsite-postgres-"))
        self._account = _ACCOUNT if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers; AssertionError when it does not within 30 s."""
        if self._account:
            shutil.chown(self._folder, self._account)
        data = self._folder / "data"
        initdb = [
            _program("initdb"),
            "-D",
            str(data),
            "-U",
            _ACCOUNT,
            "-A",
            "trust",
            "--encoding=UTF8",
            "--no-sync",
        ]
        subprocess.run(
            initdb, check=True, stdout=subprocess.DEVNULL, user=self._account, cwd=self._folder
        )
        self.run()

    def run(self) -> None:
        """Starts the server on what is in the folder: again, after `shut_down`.

        Returns when it answers.
        """
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self._folder,
            "fsync": "off",
        }
        data = str(self._folder / "data")
        command = [
            _program("postgres"),
            "-D",
            data,
            *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                user=self._account,
                cwd=self._folder,
                start_new_session=True,
            )
        deadline = monotonic() + _START_SECONDS
        while not self._answers():
            ended = self._process.poll() is not None or monotonic() > deadline
            assert not ended, (self._folder / "log").read_text()
            sleep(0.1)

    def shut_down(self) -> None:
        """Ends it at once, with every connection to it; its data stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(20)
            self._process = None

    def stop(self) -> None:
        """Ends it and removes its folder."""
        self.shut_down()
        shutil.rmtree(self._folder)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def _program(name: str) -> str:
    """The newest one installed; Debian keeps them out of PATH."""
    found = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4])
    )
    program = str(found[-1]) if found else shutil.which(name)
    assert program, f"PostgreSQL's {name} is not installed (on Debian: apt-get install postgresql)"
    return program
