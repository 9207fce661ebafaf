"""Reads one streamed completion to its end: from the response's bytes to the sink, within the time that a silence may last."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx2
from django.conf import settings

from chat.errors import AnswerError
from chat.upstream import failures
from chat.upstream.attempt import Attempt, Sink
from chat.upstream.decoder import Batch, ChunkDecoder, EventDecoder

_REASON_CHARS = 40
_DRAIN_SECONDS = 0.5
# The layers between pass some of aiohttp's own errors on: for a header that is too long, for one.
CONNECTION_ERRORS = (httpx2.RequestError, httpx2.StreamError, aiohttp.ClientError)


async def read(response: Any, attempt: Attempt, sink: Sink, timer: asyncio.Timeout) -> None:
    """Reads the stream to its end. Raises AnswerError when it ends without having said that it is whole."""
    if response.headers.get("content-type", "").startswith(("text/html", "application/json")):
        raise AnswerError("upstream_unavailable")
    events, chunks = EventDecoder(), ChunkDecoder()
    idle = _IdleTimer(timer)
    reads = _reads(response)
    async for data in reads:
        batch = chunks.batch(events.feed(data))
        _note(batch, attempt)
        if batch.text:
            sink.text(batch.text)
        if batch.deltas or batch.thoughts or (attempt.deltas and events.in_line):
            # Comments, and chunks that say nothing, are silence too: they may go on for ever.
            idle.put_off()
        _refuse_bad(batch, attempt)
        if batch.done:
            await _drain(reads)
            break
        if attempt.deltas + attempt.thoughts > attempt.target.max_output_tokens:
            # A delta is at least a token: the upstream does not keep to the limit it was given, and the reservation counts on it.
            attempt.finish_reason = "length"
            break
    if rest := chunks.rest():
        sink.text(rest)
    if attempt.finish_reason is None:
        raise AnswerError("upstream_cut")


def _reads(response: Any) -> AsyncIterator[bytes]:
    """What the socket holds, read by read; without the client's layers of decoders where there is nothing to decode."""
    http: httpx2.Response = response.http_response
    if "content-encoding" in http.headers or not isinstance(http.stream, httpx2.AsyncByteStream):
        return aiter(response.iter_bytes())
    return aiter(http.stream)


class _IdleTimer:
    """Puts a timeout off for as long as something comes. Moving a timer costs a tenth of a delta, so it is moved once a second."""

    def __init__(self, timer: asyncio.Timeout) -> None:
        self._timer = timer
        self._now = asyncio.get_running_loop().time
        self._moved = 0.0

    def put_off(self) -> None:
        now = self._now()
        if now - self._moved >= 1:
            self._moved = now
            self._timer.reschedule(now + settings.UPSTREAM_IDLE_SECONDS + 1)


def _note(batch: Batch, attempt: Attempt) -> None:
    attempt.deltas += batch.deltas
    attempt.thoughts += batch.thoughts
    if batch.finish_reason:
        # A word in OpenAI's protocol; a server of another make must not keep the row from being saved.
        # NUL and lone surrogates are what a database refuses.
        attempt.finish_reason = "".join(filter(str.isprintable, batch.finish_reason))[:_REASON_CHARS]
    if batch.prompt_tokens is not None:
        attempt.prompt_tokens = batch.prompt_tokens
    if batch.completion_tokens is not None:
        attempt.completion_tokens = batch.completion_tokens


def _refuse_bad(batch: Batch, attempt: Attempt) -> None:
    if batch.error:
        if attempt.deltas:
            raise AnswerError("upstream_cut")
        failure, attempt.reached = failures.in_stream(batch.error)
        raise failure
    if batch.broken:
        raise AnswerError("upstream_cut")


async def _drain(reads: AsyncIterator[bytes]) -> None:
    """Reads the end of the body behind [DONE], so that the connection can be used again; not for longer than a moment.

    The answer is whole already: how the connection ends is nothing to it.
    """
    with contextlib.suppress(TimeoutError, *CONNECTION_ERRORS):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in reads:
                pass
