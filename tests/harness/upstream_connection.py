"""One TCP connection of a fake upstream: reads its requests and plays their scripts."""

import asyncio
import contextlib
import json
import socket
import struct
from time import monotonic
from typing import Protocol

from tests.harness import wire
from tests.harness.upstream_requests import Request

_REASONS = {
    200: "OK",
    302: "Found",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    429: "Too Many Requests",
    503: "Service Unavailable",
}


class Server(Protocol):
    """Tells a connection what to answer, and is told what happens on it."""

    models: wire.Http

    def script_for(self, request: Request) -> wire.Script: ...

    def opened(self, connection: "Connection") -> None: ...

    def closed(self, connection: "Connection") -> None: ...

    def arrived(self, request: Request) -> None: ...


class _Closed(Exception):
    """The script closed the connection."""


class Connection:
    """One TCP connection: requests one after the other, each answered by its script."""

    def __init__(
        self, upstream: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
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
        # One write is one packet: asyncio sets TCP_NODELAY, and the loop's turn parts the writes.
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
