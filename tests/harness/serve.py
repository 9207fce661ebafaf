"""`manage.py serve` as a real process with a data folder of its own."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from queue import Queue
from threading import Thread
from time import monotonic

import httpx2
import redis

from tests.harness.processes import descendants
from tests.harness.site import free_port

ROOT = Path(__file__).resolve().parents[2]


START_SECONDS = 40


END_SECONDS = 30


PASSWORD = "correct horse battery staple"


def clean_environment(data_dir: Path, **settings: str) -> dict[str, str]:
    """No setting of the developer's shell or `.env` file, but those given; a port that is free."""
    names = re.findall(
        r'\benv\.\w+\(\s*"([A-Z_]+)"', (ROOT / "chatsite" / "settings.py").read_text()
    )
    unset = {variant: "" for name in names for variant in (name, f"{name}_FILE")}
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")
    }
    return (
        inherited
        | unset
        | {"DATA_DIR": str(data_dir), "PORT": str(free_port()), "DRAIN_SECONDS": "20"}
        | settings
    )


class Serve:
    """A command that runs the site, in a session of its own, its output read line by line."""

    def __init__(self, data_dir: Path, *command: str, cwd: Path = ROOT, **settings: str) -> None:
        env = clean_environment(data_dir, **settings)
        self.port = int(env["PORT"])
        self.url = f"http://127.0.0.1:{self.port}"
        self.data_dir = data_dir
        self.lines: list[str] = []
        self._arrived: Queue[str | None] = Queue()
        self.process = subprocess.Popen(
            command or (sys.executable, "manage.py", "serve"),
            cwd=cwd,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._arrived.put(line.rstrip("\n"))
        self._arrived.put(None)
        self.process.stdout.close()

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for_line(self, text: str, seconds: float = START_SECONDS) -> str:
        """The first line from now on that contains `text`."""
        deadline = monotonic() + seconds
        while (line := self._arrived.get(timeout=max(0.0, deadline - monotonic()))) is not None:
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"it ended without saying {text!r}:\n{self.output}")

    def wait_until_ready(self) -> "Serve":
        self.wait_for_line("Chatsite is ready at")
        return self

    def interrupt(self) -> None:
        """Ctrl-C: the terminal sends SIGINT to the whole group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self, seconds: float = END_SECONDS) -> int:
        """Its exit code, after all of its output."""
        code = self.process.wait(seconds)
        while (line := self._arrived.get(timeout=seconds)) is not None:
            self.lines.append(line)
        return code

    def sweep(self) -> None:
        """Leaves nothing behind, whatever a test has found."""
        remaining = descendants(self.process.pid) | (
            {self.process.pid} if self.process.poll() is None else set()
        )
        for pid in remaining:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def valkey(self) -> "redis.Redis":
        return redis.Redis(unix_socket_path=str(self.data_dir / "valkey.sock"))


class Serves:
    """Starts them and sweeps up."""

    def __init__(self) -> None:
        self._started: list[Serve] = []

    def __call__(self, data_dir: Path, *command: str, cwd: Path = ROOT, **settings: str) -> Serve:
        self._started.append(Serve(data_dir, *command, cwd=cwd, **settings))
        return self._started[-1]

    def sweep(self) -> None:
        for serve in self._started:
            serve.sweep()


def visit(site: Serve) -> httpx2.Client:
    """A browser of few features; close it."""
    return httpx2.Client(base_url=site.url, trust_env=False, timeout=20)


def ask(site: Serve, path: str) -> int:
    return httpx2.get(f"{site.url}{path}", trust_env=False, timeout=20).status_code
