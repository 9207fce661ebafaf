"""A shutdown waits for a response that can be read nowhere else, for others some seconds only."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from chat.asgi_scope import MUST_FINISH
from chatsite.serve import drain_protocol

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx"
# More than all buffers between the two ends hold.
LONG = b"x" * 64 * 1024 * 1024
END_SECONDS = 10


class Server:
    """Runs uvicorn in a thread, which sends what `say` is given, `awaited` or not."""

    def __init__(self, *, awaited: bool) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._awaited = awaited
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop
        options: dict[str, Any] = {
            "http": drain_protocol.Protocol,
            "interface": "asgi3",
            "lifespan": "off",
            "log_level": "critical",
        }
        config = uvicorn.Config(self._answer, timeout_graceful_shutdown=60, **options)
        self._uvicorn = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._uvicorn.run, args=([self._listener],))
        self._thread.start()

    async def _answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self._loop = asyncio.get_running_loop()
        scope[MUST_FINISH] = self._awaited
        sending = asyncio.create_task(self._send(send))
        while (await receive())["type"] != "http.disconnect":
            pass
        sending.cancel()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while piece := await self._pieces.get():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def connect(self) -> socket.socket:
        return socket.create_connection(self._listener.getsockname(), timeout=END_SECONDS)

    def say(self, piece: bytes) -> None:
        """Sends the next piece of the response that is under way; an empty one ends it."""
        self._loop.call_soon_threadsafe(self._pieces.put_nowait, piece)

    def stop(self) -> None:
        """Tells it to stop, as a signal does."""
        self._uvicorn.should_exit = True

    def has_ended(self, seconds: float) -> bool:
        """Returns whether it ends within the time."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def kill(self) -> None:
        self._uvicorn.force_exit = self._uvicorn.should_exit = True
        self._thread.join()


@contextmanager
def serving(*, awaited: bool) -> Iterator[Server]:
    server = Server(awaited=awaited)
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain_protocol, "LAST_REQUEST_SECONDS", 0.3)
    monkeypatch.setattr(drain_protocol, "LOOK_SECONDS", 0.1)


def read_until(connection: socket.socket, end: bytes) -> None:
    received = b""
    while not received.endswith(end):
        more = connection.recv(65536)
        assert more, f"closed after {received[-100:]!r}"
        received += more


def test_awaited_response_is_read_to_its_end() -> None:
    with serving(awaited=True) as server, server.connect() as connection:
        connection.sendall(GET)
        read_until(connection, b"\r\n\r\n")
        server.stop()
        assert not server.has_ended(1)
        server.say(b"more")
        read_until(connection, b"more\r\n")
        server.say(b"")
        read_until(connection, b"0\r\n\r\n")
        assert server.has_ended(END_SECONDS)


def test_other_response_is_cut() -> None:
    with serving(awaited=False) as server, server.connect() as connection:
        connection.sendall(GET)
        read_until(connection, b"\r\n\r\n")
        server.stop()
        assert server.has_ended(END_SECONDS)


def test_reader_who_does_not_read_is_not_waited_for() -> None:
    with serving(awaited=True) as server, server.connect() as connection:
        connection.sendall(GET)
        read_until(connection, b"\r\n\r\n")
        server.say(LONG)
        assert connection.recv(1)
        server.stop()
        assert server.has_ended(END_SECONDS)


@pytest.mark.parametrize("sent", [b"", GET[:9], POST])
def test_client_that_never_sends_the_rest_of_its_request_is_not_waited_for(sent: bytes) -> None:
    with serving(awaited=False) as server, server.connect() as connection:
        connection.sendall(sent)
        server.stop()
        assert server.has_ended(END_SECONDS)
