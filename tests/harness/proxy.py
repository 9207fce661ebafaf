"""A proxy on loopback that leads every request to one server, and a listener that records."""

import contextlib
import socket
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.harness.certificates import self_signed

_READ_BYTES = 65536


class Listener:
    """Takes connections at `port`, answers nothing, and keeps what came in `received`.

    Use it as `with Listener() as listener`.
    """

    def __init__(self) -> None:
        self.received = b""
        self.connections = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in self._open:
            _shut(connection)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it was closed
            while True:
                connection, _ = self._server.accept()
                self.connections += 1
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self._handle(connection)

    def _handle(self, connection: socket.socket) -> None:
        while data := connection.recv(_READ_BYTES):
            self.received += data


class Proxy(Listener):
    """An HTTP proxy; `heads` are what it was asked, a request line and headers each.

    Whatever host it is asked for, it leads to `target`, a port of loopback. In a
    tunnel it speaks TLS with `certificate` and its key. `refusing`: 407 for all.
    """

    def __init__(
        self, target: int, certificate: Path | None = None, *, refusing: bool = False
    ) -> None:
        super().__init__()
        self.heads: list[str] = []
        self._target = target
        self._certificate = certificate
        self._refusing = refusing

    def _handle(self, connection: socket.socket) -> None:
        asked = b""
        while b"\r\n\r\n" not in asked:
            if not (data := connection.recv(_READ_BYTES)):
                return
            asked += data
        self.heads.append(asked.partition(b"\r\n\r\n")[0].decode("latin-1"))
        if self._refusing:
            connection.sendall(
                b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
            )
        elif asked.startswith(b"CONNECT "):
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(str(self._certificate))
            with context.wrap_socket(connection, server_side=True) as tunnel:
                self._relay(tunnel, b"")
        else:
            method, url, rest = asked.split(b" ", 2)
            path = b"/" + url.split(b"/", 3)[3]
            self._relay(connection, b" ".join((method, path, rest)))

    def _relay(self, connection: socket.socket, first: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self._target)) as server:
            server.sendall(first)
            threading.Thread(target=_pump, args=(connection, server), daemon=True).start()
            _pump(server, connection)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_READ_BYTES):
            sink.sendall(data)
    _shut(sink)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def certificate_for(host: str, folder: Path) -> Path:
    """Makes a self-signed certificate; returns the one file that holds it and its key."""
    certificate, key = self_signed(folder, host, f"DNS:{host}")
    path = folder / f"{host}.pem"
    path.write_text(key.read_text() + certificate.read_text())
    return path
