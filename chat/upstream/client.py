"""One call of the upstream, and the only importer of openai: messages in, pieces of text out, then usage.

What is tried again, after how long and on which model, is decided in
chat.upstream.retry: the SDK's own retries are off.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
import httpx2
import openai
from django.conf import settings

from chat.errors import AnswerError
from chat.upstream import failures
from chat.upstream.decoder import Batch, BrokenStream, ChunkDecoder, EventDecoder
from chat.upstream.failures import Retriable

_CONNECT_SECONDS = 5.0
_REASON_CHARS = 40
_DRAIN_SECONDS = 0.5
# The layers between pass some of aiohttp's own errors on: for a header that is too long, for one.
_BROKEN = (openai.APIConnectionError, httpx2.RequestError, httpx2.StreamError, aiohttp.ClientError)


@dataclass(frozen=True)
class Target:
    """A model as the upstream is asked for it; `max_output_tokens` is sent with the request, `context_tokens` is what it can hold."""

    slug: str
    max_output_tokens: int
    context_tokens: int
    legacy_max_tokens: bool = False


@dataclass(slots=True)
class Attempt:
    """One request, and how far it came. `reached`: the upstream may have taken it, and want to be paid."""

    target: Target
    messages: list[dict[str, str]]
    reached: bool = False
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    deltas: int = 0
    thoughts: int = 0


class Sink(Protocol):
    """Where a completion goes, called on the event loop as it comes."""

    def text(self, text: str) -> None:
        """A piece of text, never empty, with no NUL and no surrogate in it."""

    def status(self, data: dict[str, Any]) -> None:
        """The payload of a `status` event."""


Client = openai.AsyncOpenAI


def make_client() -> Client:
    """A client for the running event loop; the caller closes it.

    The aiohttp transport takes a quarter of the default one's time per delta.
    """
    timeout = openai.Timeout(None, connect=_CONNECT_SECONDS)
    limits = httpx2.Limits(max_connections=100_000, max_keepalive_connections=None, keepalive_expiry=30)
    return Client(
        api_key=settings.OPENAI_API_KEY or "none",
        base_url=settings.OPENAI_BASE_URL or None,
        max_retries=0,
        timeout=timeout,
        # A redirect would take prompts, or the key, to where the operator has not sent them.
        http_client=openai.DefaultAioHttpClient(timeout=timeout, limits=limits, follow_redirects=False),
    )


class NotListed(Exception):
    """The upstream gave no list of models. `status` is the HTTP status of its refusal; None when it did not answer as an upstream does."""

    def __init__(self, status: int | None) -> None:
        super().__init__(status)
        self.status = status


async def offered_models(client: Client) -> list[str]:
    """The slugs that the upstream offers to our key, in no order. Raises NotListed; costs no token."""
    try:
        return [model.id async for model in client.models.list()]
    except openai.APIStatusError as error:
        raise NotListed(error.status_code) from None
    except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, ValueError, TypeError, AttributeError):
        # The last three: a page of HTML, or JSON that is no list, breaks in the client's own code.
        raise NotListed(None) from None


async def run(client: Client, attempt: Attempt, sink: Sink) -> None:
    """Runs one attempt into `sink`; it is filled as it goes.

    Raises AnswerError with a code of the contract, or Retriable. Cancelling it
    closes the upstream connection.
    """
    opened = False
    # From here on it may be paid for, unless it is refused or no connection is made.
    attempt.reached = True
    try:
        async with asyncio.timeout(settings.UPSTREAM_FIRST_TOKEN_SECONDS) as timer, _open(client, attempt) as response:
            opened = True
            await _read(response, attempt, sink, timer)
    except openai.APIStatusError as error:
        attempt.reached = False
        raise failures.of_status(error.status_code, error.body, error.response.headers) from None
    except _BROKEN as error:
        attempt.reached = opened or not _never_sent(error)
        raise _connection_failure(opened, attempt) from None
    except TimeoutError:
        raise AnswerError("upstream_timeout") from None
    except BrokenStream:
        raise AnswerError("upstream_cut") from None


def _never_sent(error: BaseException | None) -> bool:
    """Whether no connection was made at all. The layers between say ConnectTimeout for a server that hangs up on a request, too."""
    while error is not None:
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return True
        error = error.__cause__
    return False


def _connection_failure(opened: bool, attempt: Attempt) -> Exception:
    error = AnswerError("upstream_cut" if opened else "upstream_unavailable")
    return error if attempt.deltas else Retriable(error)


def _open(client: Client, attempt: Attempt) -> Any:
    target = attempt.target
    limit: dict[str, Any] = {("max_tokens" if target.legacy_max_tokens else "max_completion_tokens"): target.max_output_tokens}
    # The SDK's types want one class a role; ours are plain dictionaries that the request's parser has checked.
    create: Any = client.chat.completions.with_streaming_response.create
    return create(
        model=target.slug,
        messages=attempt.messages,
        stream=True,
        stream_options={"include_usage": True},
        extra_headers={"Accept-Encoding": "identity"},
        **limit,
    )


async def _read(response: Any, attempt: Attempt, sink: Sink, timer: asyncio.Timeout) -> None:
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
    with contextlib.suppress(TimeoutError, *_BROKEN):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in reads:
                pass
