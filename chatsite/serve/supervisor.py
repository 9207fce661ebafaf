"""Starts, watches and ends, in order, all that makes a site on one machine."""

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

from django.conf import settings
from django.core.management import call_command
from django.db import Error as DatabaseError
from django.db import connections

from chatsite.env import from_process
from chatsite.serve import preflight, processes
from chatsite.serve.embedded_valkey import EmbeddedValkey
from chatsite.serve.first_admin import ensure_admin
from chatsite.serve.preflight import StartupError
from chatsite.serve.signals import Signals, Stopped

_START_SECONDS = 60.0
# Added to DRAIN_SECONDS for the last requests, for saving what still runs, and for ending.
_DRAIN_MARGIN_SECONDS = 25.0
_OWNER_ALONE = 0o077
_READABLE_TO_ALL = 0o022
_LOOPBACK = "127.0.0.1"
# Addresses to ask, where the server listens on all.
_EVERYWHERE = {"0.0.0.0": _LOOPBACK, "::": "::1"}  # noqa: S104


class DemoModel:
    """Runs the demo model as a child, on a free port of loopback."""

    name = "demo model"

    def __init__(self, pause: Callable[[float], None]) -> None:
        self._pause = pause
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def base_url(self) -> str:
        return f"http://{_LOOPBACK}:{self._port}/v1"

    def start(self) -> None:
        options = {"host": _LOOPBACK, "port": self._port, "models": [settings.OPENAI_MODEL]}
        command = [sys.executable, "-P", "-m", "chatsite.demo.server", json.dumps(options)]
        self._process = processes.start(command, env=_with_our_modules(os.environ))

    def wait_until_ready(self) -> None:
        """Returns when it answers; raises StartupError when it does not."""
        assert self._process is not None
        _wait_for_http(
            self._process, _LOOPBACK, self._port, "/v1/models", "The demo model", self._pause
        )

    def revive(self) -> bool:
        """Starts it again if it has ended; returns whether it had."""
        if self._process is None or self._process.poll() is None:
            return False
        self.start()
        return True

    def stop(self) -> None:
        if self._process is not None:
            processes.end(self._process, 5)


class Supervisor:
    """Runs the site until it is told to stop; `say` prints a line for the operator."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._signals = Signals()
        self._helpers: list[EmbeddedValkey | DemoModel] = []
        self._demo: DemoModel | None = None

    def run(self) -> int:
        """Runs the site; returns 0 after a stop that was asked for, else uvicorn's exit code.

        Raises StartupError and Forced.
        """
        with self._signals, ExitStack() as running:
            try:
                server = self._start(running)
                return self._watch(server)
            except Stopped:
                self._say(
                    f"Stopping: answers in progress may take up to {settings.DRAIN_SECONDS} s."
                    " Ctrl-C once more ends them now."
                )
                return 0

    def _start(self, running: ExitStack) -> subprocess.Popen[bytes]:
        # The files made from now on hold conversations.
        os.umask(_OWNER_ALONE)
        preflight.check_data_dir(settings.DATA_DIR)
        preflight.check_port(settings.HOST, settings.PORT)
        self._start_redis(running)
        if not settings.OPENAI_API_KEY and not settings.OPENAI_BASE_URL:
            self._demo = DemoModel(self._signals.wait)
            self._help(self._demo, running)
        link = self._prepare_database()
        self._signals.wait(0)
        if not settings.DEBUG:
            _collect_static()
        self._signals.wait(0)
        server = processes.start(self._web_server(), env=self._environment())
        running.callback(processes.end, server, settings.DRAIN_SECONDS + _DRAIN_MARGIN_SECONDS)
        host = _EVERYWHERE.get(settings.HOST, settings.HOST)
        _wait_for_http(server, host, settings.PORT, "/healthz", "The site", self._signals.wait)
        if self._demo:
            self._demo.wait_until_ready()
        self._welcome(link)
        return server

    def _start_redis(self, running: ExitStack) -> None:
        if settings.REDIS_IS_EMBEDDED:
            self._help(
                EmbeddedValkey(
                    settings.DATA_DIR / "valkey", settings.VALKEY_SOCKET, self._signals.wait
                ),
                running,
            )
        elif not settings.REDIS_IN_PROCESS:
            preflight.check_redis(settings.REDIS_URL)

    def _help(self, helper: EmbeddedValkey | DemoModel, running: ExitStack) -> None:
        # A helper that is only half started must be ended, too.
        running.callback(helper.stop)
        helper.start()
        self._helpers.append(helper)

    def _prepare_database(self) -> str | None:
        """Migrates and makes the first admin; returns the set-up link where one is needed."""
        try:
            call_command("migrate", interactive=False, verbosity=0)
            return ensure_admin(from_process(settings.BASE_DIR))
        except DatabaseError as error:
            raise StartupError(
                f"The database cannot be used: {' '.join(str(error).split())}"
            ) from None
        finally:
            connections.close_all()

    def _environment(self) -> dict[str, str]:
        """Returns the environment of the workers.

        It is that of this process without the password of the first admin, and with the address of
        the demo model if it runs.
        """
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("DJANGO_SUPERUSER_")
        }
        environment = _with_our_modules(environment)
        return environment | {"OPENAI_BASE_URL": self._demo.base_url} if self._demo else environment

    def _web_server(self) -> list[str]:
        options = {
            "host": settings.HOST,
            "port": settings.PORT,
            "workers": settings.WORKERS,
            # `auto` hides a failure at the start.
            "lifespan": "on",
            "ws": "none",
            # The site decides itself who the client is.
            "proxy_headers": False,
            "server_header": False,
            # uvicorn's access log would hold query strings, with search words and tokens.
            "access_log": False,
            "log_level": "warning",
            "log_config": str(Path(__file__).with_name("uvicorn_logging.json")),
            "http": "chatsite.serve.drain_protocol:Protocol",
            "timeout_graceful_shutdown": max(1, settings.DRAIN_SECONDS),
        }
        return [sys.executable, "-P", "-m", "chatsite.serve.web_server", json.dumps(options)]

    def _welcome(self, link: str | None) -> None:
        self._say(f"Chatsite is ready at {settings.SITE_URL}")
        if self._demo:
            self._say(
                "No OPENAI_API_KEY is set, so the built-in demo model answers. Set one"
                " (docs/settings.md) and start again."
            )
        if link:
            self._say(f"No one has an account yet. Make the first admin, within a day, at {link}")

    def _watch(self, server: subprocess.Popen[bytes]) -> int:
        """Restarts helpers that end; returns the exit code when uvicorn ends by itself.

        Raises Stopped.
        """
        while server.poll() is None:
            self._signals.wait()
            for helper in self._helpers:
                if helper.revive():
                    self._say(f"The {helper.name} had ended; it was started again.")
                    # A helper that ends at once must not keep this process busy.
                    self._signals.wait(1)
        code = processes.exit_code(server)
        self._say(f"The site ended by itself (exit code {code}); see its messages above.")
        return code or 1


def _with_our_modules(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment for a child that imports our modules, from any folder."""
    path = os.pathsep.join(filter(None, (str(settings.BASE_DIR), environment.get("PYTHONPATH"))))
    return {**environment, "PYTHONPATH": path}


def _collect_static() -> None:
    """Collects the static files, readable to a proxy, which runs as another user."""
    os.umask(_READABLE_TO_ALL)
    try:
        call_command("collectstatic", interactive=False, verbosity=0)
    finally:
        os.umask(_OWNER_ALONE)


def _wait_for_http(
    process: subprocess.Popen[bytes],
    host: str,
    port: int,
    path: str,
    what: str,
    pause: Callable[[float], None],
) -> None:
    """Returns when `process` answers HTTP at that address, with any status.

    Raises StartupError when it ends, or does not answer for a minute.
    """
    deadline = monotonic() + _START_SECONDS
    while not _speaks_http(host, port, path):
        if process.poll() is not None:
            raise StartupError(
                f"{what} ended at its start (exit code {processes.exit_code(process)}); see its"
                " messages above."
            )
        if monotonic() > deadline:
            raise StartupError(
                f"{what} did not answer at {host} port {port} within {_START_SECONDS:.0f} s."
            )
        pause(0.05)


def _speaks_http(host: str, port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", path, headers={"Host": "localhost", "Connection": "close"})
        connection.getresponse().read()
        return True
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        return int(probe.getsockname()[1])
