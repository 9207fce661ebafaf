"""A network that can be cut: a relay in front of a site that passes every byte until then."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

_READ_BYTES = 65536


class CuttableNetwork:
    """`with CuttableNetwork(site.port) as network`: browse `network.url` instead of the site's."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_cut = False
        self._silenced: set[socket.socket] = set()
        self._limits: list[int] = []
        self.cuts = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="cuttable network", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def cut(self) -> None:
        """Breaks every connection, and each that is made from now on."""
        with self._lock:
            self._is_cut = True
            for end in self._open:
                _break(end)

    def mend(self) -> None:
        with self._lock:
            self._is_cut = False

    def silence(self) -> None:
        """Lets nothing more through the connections there are, and closes none until it is used.

        That is what a network does which has forgotten them.
        """
        with self._lock:
            self._silenced = set(self._open)

    def cut_after(self, *counts: int) -> None:
        """Breaks the next connections after that many more bytes from the site, one each.

        Those after them are not broken.
        """
        self._limits = list(counts)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # it was closed
                return
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        with (
            client,
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self._port)) as server,
        ):
            with self._lock:
                if self._is_cut:
                    return
                self._open |= {client, server}
            upward = threading.Thread(target=self._pump_up, args=(client, server), daemon=True)
            upward.start()
            self._pump_down(server, client)
            _break(client)
            _break(server)
            upward.join()
            with self._lock:
                self._open -= {client, server}

    def _pump_up(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(_READ_BYTES):
                if client in self._silenced:
                    break
                server.sendall(data)
        _break(server)

    def _pump_down(self, server: socket.socket, client: socket.socket) -> None:
        left: int | None = None
        with contextlib.suppress(OSError):
            while data := server.recv(_READ_BYTES):
                with self._lock:
                    if left is None and self._limits:
                        left = self._limits.pop(0)
                if client in self._silenced:
                    continue
                client.sendall(data[:left])
                if left is not None and len(data) > left:
                    self.cuts += 1
                    return
                left = None if left is None else left - len(data)


def _break(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
