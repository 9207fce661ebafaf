"""Bounds how much of an upstream's response is read, compressed or not.

`bound` is a hook of the HTTP client. It is called when the headers have come, and replaces the
response's stream by a bounded one.
"""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import aiohttp
import httpx2

# No error needs more; the rest is not read, and the connection is closed.
ERROR_BYTES = 64 * 1024
# Seconds that the body of an error may take; its status is known already.
ERROR_SECONDS = 5.0
# The longest lists of models, from gateways, have half of it.
LIST_BYTES = 4 * 1024 * 1024
_PIECE_BYTES = 64 * 1024
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": zlib.MAX_WBITS}
_READ_ERRORS = (httpx2.RequestError, httpx2.StreamError, aiohttp.ClientError, zlib.error)


async def bound(response: httpx2.Response) -> None:
    """Bounds the body of a response.

    An error and a list are bounded as a whole, a stream by what one read can decompress to.
    """
    raw = response.stream
    if not isinstance(raw, httpx2.AsyncByteStream):
        return
    _end_with_connection(raw)
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding == "identity":
        coding = ""
    if not response.is_success:
        # A redirect is not followed: its body is of no use.
        limit = 0 if response.is_redirect else ERROR_BYTES
        response.stream = _ErrorBody(raw, _decoded(raw, coding), limit)
    elif response.request.method == "GET":
        response.stream = _ListBody(raw, _decoded(raw, coding))
    elif coding:
        response.stream = _Body(raw, _decoded(raw, coding))
    if response.stream is not raw:
        response.headers.pop("content-encoding", None)


class _Body(httpx2.AsyncByteStream):
    """Streams the decoded `pieces` of a `raw` stream, and closes both."""

    def __init__(self, raw: httpx2.AsyncByteStream, pieces: AsyncGenerator[bytes, None]) -> None:
        self._raw = raw
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._pieces:
            yield piece

    async def aclose(self) -> None:
        await self._pieces.aclose()
        await self._raw.aclose()


class _ListBody(_Body):
    """Streams a body that is of use only as a whole.

    Raises httpx2.ReadError where it is larger than LIST_BYTES.
    """

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._pieces:
            size += len(piece)
            if size > LIST_BYTES:
                raise httpx2.ReadError("the body is too large")
            yield piece


class _ErrorBody(_Body):
    """Streams the first `limit` bytes of a body.

    An error of the connection only ends it: the status and the headers are enough.
    """

    def __init__(
        self, raw: httpx2.AsyncByteStream, pieces: AsyncGenerator[bytes, None], limit: int
    ) -> None:
        super().__init__(raw, pieces)
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left, deadline = self._limit, asyncio.get_running_loop().time() + ERROR_SECONDS
        while left > 0:
            try:
                async with asyncio.timeout_at(deadline):
                    piece = await anext(self._pieces, None)
            except (TimeoutError, *_READ_ERRORS):
                return
            if piece is None:
                return
            yield piece[:left]
            left -= len(piece)

    async def aclose(self) -> None:
        with contextlib.suppress(*_READ_ERRORS):
            await super().aclose()


async def _decoded(raw: httpx2.AsyncByteStream, coding: str) -> AsyncGenerator[bytes, None]:
    """Yields the body decompressed, in pieces.

    Raises httpx2.DecodingError for broken or unknown compression, or several layers of it. We ask
    for none, but some servers compress all the same. Other tasks of the loop get their turn between
    two pieces.
    """
    decoder: Any = None
    async for data in raw:
        if not coding:
            yield data
            continue
        if decoder is None:
            decoder = _decoder(coding, data)
        while data:
            try:
                piece = decoder.decompress(data, _PIECE_BYTES)
            except zlib.error as error:
                raise httpx2.DecodingError("the compression is broken") from error
            data = decoder.unconsumed_tail
            if piece:
                yield piece
            await asyncio.sleep(0)
            if decoder.eof:
                return


def _decoder(coding: str, data: bytes) -> Any:
    if coding not in _WINDOWS:
        raise httpx2.DecodingError("an encoding that was not asked for")
    return zlib.decompressobj(_window(coding, data))


def _window(coding: str, data: bytes) -> int:
    """Returns the window bits for zlib.

    Some send `deflate` without its header (RFC 9110, section 8.4.1.2); with it, CM is 8.
    """
    return -zlib.MAX_WBITS if coding == "deflate" and data[0] & 0x0F != 8 else _WINDOWS[coding]


def _end_with_connection(stream: Any) -> None:
    """Ends the body when its connection ends.

    aiohttp's C parser closes the connection for bad chunk framing, but does not tell the reader of
    the body, which would wait for its timeout. (aiohttp 3.14: `data_received` sets the error on the
    protocol alone.)
    """
    # No public attribute leads from httpx2's response to aiohttp's.
    response = getattr(getattr(stream, "_stream", stream), "_aiohttp_response", None)
    connection = getattr(response, "connection", None)
    protocol = connection.protocol if connection is not None else None
    if response is None or protocol is None:
        return
    body = response.content

    def ended(_: Any) -> None:
        if body.exception() is None and not body.is_eof():
            body.set_exception(
                aiohttp.ClientPayloadError("the connection ended in the middle of the body")
            )

    if (closed := protocol.closed) is not None:
        closed.remove_done_callback(_seen)
        closed.add_done_callback(_seen)
        closed.add_done_callback(ended)
        # A kept connection serves thousands of requests, and would collect as many callbacks.
        body.on_eof(lambda: closed.remove_done_callback(ended))


def _seen(closed: "asyncio.Future[None]") -> None:
    """Marks an error as seen: asyncio would log a reset connection, which is no fault of ours."""
    if not closed.cancelled():
        closed.exception()
