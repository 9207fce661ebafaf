"""The site as it is run: uvicorn processes on a loopback port, their output in a file."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from time import monotonic, sleep

import httpx2

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30
STOP_SECONDS = 20


def free_port() -> int:
    """A loopback TCP port that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Site:
    """One running site. `env` is its whole environment; `log` is the file its output goes to."""

    def __init__(self, env: Mapping[str, str], log: Path, *, workers: int = 1) -> None:
        self.workers = workers
        self.log_path = log
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        own = {
            "SITE_URL": env.get("SITE_URL") or self.url,
            "PORT": str(self.port),
            "WORKERS": str(workers),
        }
        self._env = {**env, **own}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when /healthz answers.

        AssertionError with the log when the process ends or is not up in START_SECONDS.
        """
        options = f"--host 127.0.0.1 --port {self.port} --workers {self.workers} --lifespan on"
        options += " --no-proxy-headers --no-access-log"
        command = [sys.executable, "-m", "uvicorn", "chatsite.asgi:application", *options.split()]
        with self.log_path.open("ab") as log:
            # In a session of its own, Ctrl-C does not reach it, and kill9 reaches all of it.
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._env,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_healthy(monotonic() + START_SECONDS)
        except BaseException:
            self.kill9()
            raise

    def _wait_until_healthy(self, deadline: float) -> None:
        while monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(
                    f"the site ended with {self.process.returncode} at its start:\n{self.log()}"
                )
            if self._is_healthy() and len(self.worker_pids()) == self.workers:
                return
            sleep(0.05)
        raise AssertionError(f"the site did not answer within {START_SECONDS} s:\n{self.log()}")

    def _is_healthy(self) -> bool:
        try:
            return (
                httpx2.get(
                    f"{self.url}/healthz", timeout=5, verify=False, trust_env=False
                ).status_code
                == 200
            )
        except httpx2.TransportError:
            return False

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the site was not started"
        return self._process

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        """Everything that the processes have printed."""
        return self.log_path.read_text(errors="replace")

    def worker_pids(self) -> list[int]:
        """The processes that serve requests: the one, or uvicorn's children."""
        if self.workers == 1:
            return [self.process.pid]
        children = (
            Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        )
        return [int(pid) for pid in children if b"spawn_main" in _command_line(pid)]

    def wait_for_workers(self, without: int) -> None:
        """Returns when all workers serve again and none of them has that pid."""
        deadline = monotonic() + START_SECONDS
        while (
            without in (pids := self.worker_pids())
            or len(pids) < self.workers
            or not self._is_healthy()
        ):
            assert monotonic() < deadline, (
                f"the workers were not replaced within {START_SECONDS} s:\n{self.log()}"
            )
            sleep(0.05)

    def terminate(self) -> None:
        """SIGTERM, as a rolling restart sends it, without waiting for the end."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self, timeout: float = STOP_SECONDS) -> None:
        """SIGTERM, and a clean end within `timeout` seconds; AssertionError otherwise."""
        self.terminate()
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise AssertionError(
                f"the site did not end within {timeout} s of SIGTERM:\n{self.log()}"
            ) from None
        # A single uvicorn raises the signal again when it has shut down.
        assert code in (0, -signal.SIGTERM), f"the site ended with {code}:\n{self.log()}"

    def kill9(self, pid: int | None = None) -> None:
        """SIGKILL for one worker, or for the whole site; returns when a whole site is gone."""
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        elif self.running:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)


def _command_line(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended meanwhile
        return b""
