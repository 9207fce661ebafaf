"""Reads one streamed completion to its end: from the response's bytes to the sink.

An answer is whole when the upstream has said so in one of its ways: [DONE], a finish reason, or
token counts with nothing after them but the end of the body.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx2
from django.conf import settings

from chat.errors import AnswerError
from chat.upstream import failures, finish_reasons, usage_figures
from chat.upstream.attempt import Attempt, CompletionSink
from chat.upstream.decoder import Batch, ChunkDecoder
from chat.upstream.event_stream import BrokenStream, EventDecoder
from chat.upstream.failures import Retriable

_DRAIN_SECONDS = 0.5
# After a finish reason come token counts and [DONE], from most servers in the same packet.
_TAIL_SECONDS = 5.0
_TAIL_SECONDS_WITH_USAGE = 1.0
# How many times UPSTREAM_FIRST_TOKEN_SECONDS a server may take for its first word, as long as it
# shows that it is at work.
_STARTS = 10
# A delta can be less than a token, and many characters can be one token. So an answer is beyond its
# limit for certain only when it has more deltas than that, and more characters a token than any
# text has on average; or more characters than so many tokens can have.
_MAX_MEAN_CHARS_PER_TOKEN = 16
_MAX_CHARS_PER_TOKEN = 512
# The layers in between pass some errors of aiohttp on, for example for too long a header.
CONNECTION_ERRORS = (httpx2.RequestError, httpx2.StreamError, aiohttp.ClientError)


async def read(
    response: Any, attempt: Attempt, sink: CompletionSink, timer: asyncio.Timeout
) -> None:
    """Reads the stream to its end into `sink`; `attempt` is filled as it goes.

    `timer` ends a silence. Raises AnswerError or Retriable when the upstream reports an error or
    the answer is not whole, and CONNECTION_ERRORS when the connection breaks before.
    """
    reading = _Reading(response, attempt, sink, timer)
    await reading.read_answer()
    if not reading.ended:
        timer.reschedule(None)
        await reading.read_tail()
    reading.conclude()


class _Reading:
    def __init__(
        self, response: Any, attempt: Attempt, sink: CompletionSink, timer: asyncio.Timeout
    ) -> None:
        self.ended = False
        self._attempt = attempt
        self._sink = sink
        self._reads = _reads(response)
        self._events, self._chunks = EventDecoder(), ChunkDecoder()
        self._idle = _IdleTimer(timer)
        self._done = False
        self._ends_in_usage = False
        self._is_event_stream = False

    async def read_answer(self) -> None:
        """Reads up to the first sign that the answer is whole, or the end of the body."""
        try:
            async for data in self._reads:
                batch = self._feed(data)
                self._refuse_bad(batch)
                if self._done:
                    await self._drain()
                if self.ended or self._is_whole:
                    return
            self._refuse_bad(self._take(self._events.end()))
        except CONNECTION_ERRORS:
            if not self._ends_in_usage:
                raise
        self.ended = True

    async def read_tail(self) -> None:
        """Reads what comes after that sign.

        However that ends, an answer that is whole stays whole.
        """
        now = asyncio.get_running_loop().time
        with contextlib.suppress(TimeoutError, BrokenStream, *CONNECTION_ERRORS):
            async with asyncio.timeout(self._tail_seconds) as timer:
                async for data in self._reads:
                    batch = self._feed(data)
                    self._refuse_bad(batch)
                    if self.ended or batch.error or batch.broken:
                        return
                    if batch.text:
                        # Some servers send `stop`, or token counts, with every chunk.
                        timer.reschedule(now() + settings.UPSTREAM_IDLE_SECONDS)
                    elif batch.ends_in_usage or batch.finish_reason:
                        timer.reschedule(now() + self._tail_seconds)
                self._take(self._events.end())

    @property
    def _tail_seconds(self) -> float:
        attempt = self._attempt
        said_all = attempt.finish_reason is not None and attempt.completion_tokens is not None
        return _TAIL_SECONDS_WITH_USAGE if said_all else _TAIL_SECONDS

    def conclude(self) -> None:
        """Settles how the answer ended.

        Raises AnswerError or Retriable where it is not whole.
        """
        attempt = self._attempt
        self._raise_unframed()
        whole = self._is_whole
        if rest := self._chunks.rest(complete=whole and attempt.finish_reason != "length"):
            self._emit(rest, 1)
        if attempt.finish_reason == finish_reasons.ERROR:
            raise _failure("upstream_unavailable", attempt)
        # No text came, and no reason for that.
        silent = attempt.finish_reason is None and not (attempt.deltas or attempt.reasoning_deltas)
        if silent or not whole:
            raise _failure("upstream_cut", attempt)

    # --- one read ---------------------------------------------------------------

    def _feed(self, data: bytes) -> Batch:
        batch = self._take(self._events.feed(data))
        attempt = self._attempt
        if batch.deltas or batch.reasoning_deltas or (attempt.deltas and self._events.in_line):
            # Comments and empty chunks count as silence: they may go on for ever.
            self._idle.put_off()
        elif not (attempt.deltas or attempt.reasoning_deltas):
            # Before the first word they may mean that a model is being loaded, or that others wait
            # before us.
            self._idle.put_off_start()
        if _is_beyond_limit(attempt):
            # The upstream does not keep to the limit that it was given, and the reservation relies
            # on that.
            attempt.finish_reason = "length"
            self.ended = True
        return batch

    def _take(self, events: list[bytes]) -> Batch:
        batch = self._chunks.batch(events)
        self._is_event_stream = self._is_event_stream or bool(events)
        self._note(batch)
        if batch.text:
            self._emit(batch.text, batch.deltas)
        return batch

    def _emit(self, text: str, deltas: int) -> None:
        self._attempt.deltas += deltas
        self._attempt.chars += len(text)
        self._sink.on_text(text)

    def _note(self, batch: Batch) -> None:
        attempt = self._attempt
        attempt.reasoning_deltas += batch.reasoning_deltas
        attempt.reasoning_chars += batch.reasoning_chars
        attempt.chars += batch.reasoning_chars
        if batch.finish_reason:
            attempt.finish_reason = finish_reasons.later(
                attempt.finish_reason, finish_reasons.meaning(batch.finish_reason)
            )
        attempt.prompt_tokens = usage_figures.later(attempt.prompt_tokens, batch.prompt_tokens)
        attempt.completion_tokens = usage_figures.later(
            attempt.completion_tokens, batch.completion_tokens
        )
        if batch.deltas or batch.reasoning_deltas or batch.ends_in_usage:
            self._ends_in_usage = batch.ends_in_usage and bool(attempt.deltas or batch.deltas)
        if batch.done:
            self._done = self.ended = True

    @property
    def _is_whole(self) -> bool:
        return self._done or self._ends_in_usage or self._attempt.finish_reason is not None

    # --- what went wrong ----------------------------------------------------------

    def _refuse_bad(self, batch: Batch) -> None:
        """Raises what an error of the upstream means, unless the answer is whole already."""
        if self._is_whole and self._attempt.finish_reason != finish_reasons.ERROR:
            return
        if batch.error:
            self._refuse(batch.error)
        if batch.broken:
            raise AnswerError("upstream_cut")

    def _refuse(self, error: Any) -> None:
        attempt = self._attempt
        failure, may_cost = failures.in_stream(error)
        if isinstance(failure, Retriable) and attempt.deltas:
            raise failure.error
        if not (attempt.deltas or attempt.reasoning_deltas):
            attempt.reached = may_cost
        raise failure

    def _raise_unframed(self) -> None:
        """Raises what a body means that is no event stream.

        It is a page of HTML, or a sentence of a proxy or gateway.
        """
        if not self._is_event_stream and (text := self._events.unframed.strip()):
            self._refuse(text)

    async def _drain(self) -> None:
        """Reads the end of the body after [DONE], for at most _DRAIN_SECONDS.

        The connection can be used again then. The answer is whole already, so errors do not matter.
        """
        with contextlib.suppress(TimeoutError, BrokenStream, *CONNECTION_ERRORS):
            async with asyncio.timeout(_DRAIN_SECONDS):
                async for data in self._reads:
                    self._note(self._chunks.figures(self._events.feed(data)))
                self._note(self._chunks.figures(self._events.end()))


def _is_beyond_limit(attempt: Attempt) -> bool:
    limit = attempt.target.max_output_tokens
    if (
        attempt.deltas + attempt.reasoning_deltas > limit
        and attempt.chars > limit * _MAX_MEAN_CHARS_PER_TOKEN
    ):
        return True
    return attempt.chars > limit * _MAX_CHARS_PER_TOKEN


def _failure(code: str, attempt: Attempt) -> AnswerError | Retriable:
    error = AnswerError(code)
    return error if attempt.deltas else Retriable(error)


def _reads(response: Any) -> AsyncIterator[bytes]:
    """Yields what the socket holds, read by read, without the layers of the SDK.

    chat.upstream.bodies has decompressed it.
    """
    http: httpx2.Response = response.http_response
    if not isinstance(http.stream, httpx2.AsyncByteStream):
        return aiter(response.iter_bytes())
    return aiter(http.stream)


class _IdleTimer:
    """Puts a timeout off for as long as something comes.

    Moving a timer costs a tenth of a delta, so it is moved once a second.
    """

    def __init__(self, timer: asyncio.Timeout) -> None:
        self._timer = timer
        self._now = asyncio.get_running_loop().time
        self._moved = 0.0
        self._latest_start = self._now() + _STARTS * settings.UPSTREAM_FIRST_TOKEN_SECONDS

    def put_off_start(self) -> None:
        """Puts the timeout off before the first word, at most until `_latest_start`."""
        self._timer.reschedule(
            min(self._now() + settings.UPSTREAM_FIRST_TOKEN_SECONDS, self._latest_start)
        )

    def put_off(self) -> None:
        now = self._now()
        if now - self._moved >= 1:
            self._moved = now
            self._timer.reschedule(now + settings.UPSTREAM_IDLE_SECONDS + 1)
