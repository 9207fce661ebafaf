"""A server that speaks OpenAI's chat completions over loopback and misbehaves as it is told.

It runs on a loop of its own in a thread of the test process. Each request is
matched to a script by a key that its last user message contains, so tests that
run at once do not disturb each other; without a script it answers DEFAULT_TEXT.
"""

import asyncio
import contextlib
import itertools
import json
import socket
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from types import TracebackType
from typing import Any, Self

from tests.harness import wire

DEFAULT_PIECES = ("Hello", " from", " the", " fake", " model", ".")
DEFAULT_TEXT = "".join(DEFAULT_PIECES)
_REASONS = {
    200: "OK",
    302: "Found",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


@dataclass(eq=False)
class Request:
    """One request as it arrived. Times are of the monotonic clock, in seconds."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    received_at: float
    closed_at: float | None = None
    bytes_sent: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def prompt(self) -> str:
        """The text of the last user message; empty when there is none."""
        messages = self.body.get("messages", []) if isinstance(self.body, dict) else []
        return next(
            (
                str(message.get("content", ""))
                for message in reversed(messages)
                if message.get("role") == "user"
            ),
            "",
        )


class _Closed(Exception):
    """The script closed the connection."""


class Upstream:
    """Runs from `with Upstream() as upstream`; any thread may call its methods."""

    def __init__(self) -> None:
        self.port = 0
        self.connections_made = 0
        self.models = wire.Http(
            200,
            {
                "object": "list",
                "data": [{"id": wire.MODEL, "object": "model", "created": 0, "owned_by": "fake"}],
            },
        )
        self._changed = threading.Condition()
        self._requests: list[Request] = []
        self._scripts: dict[str, list[wire.Script]] = {}
        self._open: set[_Connection] = set()
        self._keys = itertools.count(1)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="fake upstream", daemon=True)
        self._started = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(10), "the fake upstream did not start"

    def stop(self) -> None:
        """Closes every connection and ends the thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)
        assert not self._thread.is_alive(), "the fake upstream did not stop"

    @property
    def url(self) -> str:
        """What OPENAI_BASE_URL takes."""
        return f"http://127.0.0.1:{self.port}/v1"

    # --- scripting ----------------------------------------------------------

    def key(self) -> str:
        """A word that no other prompt contains."""
        return f"key-{next(self._keys):05d}"

    def script(self, *answers: Sequence[wire.Step], key: str | None = None) -> str:
        """Sets the answers for prompts that contain the key, in order; the last one repeats.

        Returns the key.
        """
        key = key or self.key()
        with self._changed:
            self._scripts[key] = [list(answer) for answer in answers]
        return key

    def script_for(self, request: Request) -> wire.Script:
        with self._changed:
            keys = [key for key in self._scripts if key in request.prompt]
            if not keys:
                return wire.answer(*DEFAULT_PIECES)
            # A prompt that got no answer stands before the next one in the same message: the last
            # key is what is asked.
            answers = self._scripts[
                max(keys, key=lambda key: (request.prompt.rfind(key), len(key)))
            ]
            return answers.pop(0) if len(answers) > 1 else answers[0]

    # --- watching -----------------------------------------------------------

    def requests(self, key: str = "") -> list[Request]:
        """The chat requests so far whose prompt contains the key, oldest first."""
        with self._changed:
            return [request for request in self._requests if key in request.prompt]

    def wait_for_request(self, key: str = "", count: int = 1, timeout: float = 10) -> Request:
        """Returns the request number `count` with that key as soon as it has arrived.

        AssertionError after `timeout` seconds.
        """
        with self._changed:
            arrived = self._changed.wait_for(lambda: len(self.requests(key)) >= count, timeout)
        assert arrived, (
            f"{len(self.requests(key))} of {count} requests reached the upstream within {timeout} s"
        )
        return self.requests(key)[count - 1]

    def wait_for_close(self, request: Request, timeout: float = 10) -> float:
        """When the client closed the connection in the middle of this answer (monotonic seconds).

        AssertionError when it has not within `timeout` seconds, or when the answer was sent to its
        end.
        """
        assert request.over.wait(timeout), (
            f"the client has not closed the connection within {timeout} s"
        )
        assert request.closed_at is not None, (
            "the answer was sent to its end: the client closed nothing"
        )
        return request.closed_at

    @property
    def open_connections(self) -> int:
        """Connections open now, idle ones of a client's pool included."""
        with self._changed:
            return len(self._open)

    def running(self, key: str = "") -> int:
        """Answers being sent now."""
        return sum(not request.over.is_set() for request in self.requests(key))

    # --- called by the connections, on the loop's thread ----------------------

    def opened(self, connection: "_Connection") -> None:
        with self._changed:
            self.connections_made += 1
            self._open.add(connection)

    def closed(self, connection: "_Connection") -> None:
        with self._changed:
            self._open.discard(connection)

    def arrived(self, request: Request) -> None:
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stopping.wait()
        server.close()
        tasks = [connection.task for connection in self._open]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Connection(self, reader, writer).run()


class _Connection:
    """One TCP connection: requests one after the other, each answered by its script."""

    def __init__(
        self, upstream: Upstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._upstream = upstream
        self._reader = reader
        self._writer = writer
        # What the client sends is read all the time, so that its leaving is seen at once; requests
        # are parsed from this copy.
        self._inbox = asyncio.StreamReader()
        self._left_at: float | None = None
        self._answering: asyncio.Task[None] | None = None
        task = asyncio.current_task()
        assert task is not None
        self.task = task

    async def run(self) -> None:
        self._upstream.opened(self)
        pump = asyncio.create_task(self._pump())
        try:
            while request := await self._next_request():
                if not await self._answer(request):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            pump.cancel()
            self._upstream.closed(self)
            self._writer.close()
            with contextlib.suppress(ConnectionError):
                await self._writer.wait_closed()

    async def _pump(self) -> None:
        try:
            while data := await self._reader.read(65536):
                self._inbox.feed_data(data)
        except ConnectionError:
            pass
        self._left_at = monotonic()
        self._inbox.feed_eof()
        if self._answering is not None:
            self._answering.cancel()

    async def _next_request(self) -> Request | None:
        try:
            head = (await self._inbox.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.rstrip().split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        body = await self._inbox.readexactly(int(headers.get("content-length", 0)))
        return Request(method, path, headers, json.loads(body) if body else None, monotonic())

    async def _answer(self, request: Request) -> bool:
        """Answers one request; False when the connection is over."""
        script = self._script(request)
        if request.path.endswith("/chat/completions"):
            self._upstream.arrived(request)
        self._answering = answering = asyncio.create_task(self._play(request, script))
        if self._left_at is not None:
            answering.cancel()
        try:
            await asyncio.wait({answering})
            fault = asyncio.CancelledError() if answering.cancelled() else answering.exception()
            if isinstance(fault, asyncio.CancelledError | ConnectionError):
                request.closed_at = self._left_at or monotonic()
            return fault is None
        finally:
            answering.cancel()
            self._answering = None
            request.over.set()

    def _script(self, request: Request) -> wire.Script:
        if request.method == "GET" and request.path.endswith("/models"):
            return [self._upstream.models]
        if request.method != "POST" or not request.path.endswith("/chat/completions"):
            return [
                wire.Http(
                    404,
                    wire.error(f"Unknown address {request.path}.", kind="invalid_request_error"),
                )
            ]
        return self._upstream.script_for(request)

    async def _play(self, request: Request, script: wire.Script) -> None:
        head, raw = _STREAM_HEAD, False
        for position, step in enumerate(script, 1):
            if isinstance(step, wire.Http):
                await self._send(request, _response(step))
                return
            if isinstance(step, wire.Raw):
                for _ in range(step.times):
                    await self._send(request, step.data)
                raw = True
                continue
            if isinstance(step, bytes):
                # A client leaves when it has read [DONE]: the end of the body goes out with it.
                end = _STREAM_END if position == len(script) else b""
                await self._send(request, head + _http_chunk(step) + end)
                head = b""
                if end:
                    return
            else:
                await self._misbehave(step)
        if raw:
            raise _Closed
        await self._send(request, head + _STREAM_END)

    async def _send(self, request: Request, data: bytes) -> None:
        # One write, one packet: asyncio sets TCP_NODELAY, and the turn of the loop keeps writes
        # apart.
        self._writer.write(data)
        request.bytes_sent += len(data)
        await self._writer.drain()
        await asyncio.sleep(0)

    async def _misbehave(
        self, step: wire.Gate | wire.Reset | wire.Cut | wire.Stall | wire.Pause
    ) -> None:
        if isinstance(step, wire.Gate):
            step.reached.set()
            await asyncio.shield(asyncio.wrap_future(step.opened))
        elif isinstance(step, wire.Pause):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, wire.Stall):
            await asyncio.get_running_loop().create_future()
        elif isinstance(step, wire.Reset):
            # Lingering for no time makes close() send a reset.
            raw: socket.socket = self._writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()
            raise _Closed
        else:
            raise _Closed


_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id:"
    b" req_fake\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
_STREAM_END = b"0\r\n\r\n"


def _http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data) if data else b""


def _response(step: wire.Http) -> bytes:
    body = step.body if isinstance(step.body, bytes) else json.dumps(step.body).encode()
    headers = {"content-type": "application/json", **step.headers, "content-length": str(len(body))}
    lines = [
        f"HTTP/1.1 {step.status} {_REASONS.get(step.status, 'Status')}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
