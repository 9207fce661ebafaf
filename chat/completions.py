"""The upstream call, and the only importer of openai: messages in, pieces of text out, then usage.

One retry loop, ours: the SDK's is off. A call is tried again only before the
first piece of text and only when that can succeed; it is never tried before
the upstream's Retry-After has passed, and within a bounded time.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import count
from math import isfinite
from time import monotonic, time
from typing import Any, Protocol

import httpx2
import openai
from django.conf import settings

from chat.errors import AnswerError
from chat.upstream_stream import Batch, BrokenStream, ChunkDecoder, EventDecoder

_RETRIABLE = frozenset({408, 409, 429})
_BACKOFF_SECONDS = 0.5
_MAX_BACKOFF_SECONDS = 8.0
# The longest that all attempts and waits before the first piece of text may take.
RETRY_BUDGET_SECONDS = 90.0
_CONNECT_SECONDS = 5.0
_REASON_CHARS = 40
_NO_ANSWER = "The model's server sent something that is no answer."
_DRAIN_SECONDS = 0.5


@dataclass(frozen=True)
class Target:
    """A model as the upstream is asked for it; `max_output_tokens` is sent with the request."""

    slug: str
    max_output_tokens: int
    legacy_max_tokens: bool = False


@dataclass(slots=True)
class Completion:
    """How a call ended, or how far it came. `reached`: the upstream may have taken a request, and want to be paid."""

    model: str
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    deltas: int = 0
    reached: bool = False


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
        http_client=openai.DefaultAioHttpClient(timeout=timeout, limits=limits),
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


async def complete(client: Client, targets: Sequence[Target], messages: list[dict[str, str]], sink: Sink, completion: Completion) -> None:
    """Runs one completion into `sink`, on the first of `targets` that can; `completion` is filled as it goes.

    Raises AnswerError with a code of the contract. Cancelling it closes the
    upstream connection.
    """
    deadline = monotonic() + RETRY_BUDGET_SECONDS
    for position, target in enumerate(targets):
        try:
            await _with_retries(client, target, messages, sink, completion, deadline)
            return
        except AnswerError as error:
            following = targets[position + 1 : position + 2]
            if completion.deltas or not following or error.code == "upstream_rejected":
                raise
            sink.status({"state": "fallback", "attempt": 1, "retry_in": 0, "reason": error.code, "model": following[0].slug})
            completion.model = following[0].slug


async def _with_retries(
    client: Client, target: Target, messages: list[dict[str, str]], sink: Sink, completion: Completion, deadline: float
) -> None:
    for attempt in count(1):
        try:
            await _attempt(client, target, messages, sink, completion)
            return
        except _Retriable as caught:
            failure = caught
        wait = max(_backoff(attempt), failure.retry_after or 0)
        if completion.deltas or attempt > settings.UPSTREAM_RETRIES or monotonic() + wait > deadline:
            raise failure.error
        sink.status(
            {"state": "retrying", "attempt": attempt + 1, "retry_in": round(wait, 1), "reason": failure.error.code, "model": target.slug}
        )
        await asyncio.sleep(wait)


def _backoff(attempt: int) -> float:
    """Seconds before the next attempt: exponential with equal jitter, half fixed and half random.

    Source: Marc Brooker, "Exponential Backoff and Jitter", 2015.
    """
    ceiling: float = min(_MAX_BACKOFF_SECONDS, _BACKOFF_SECONDS * 2**attempt)
    return ceiling / 2 + random.uniform(0, ceiling / 2)  # noqa: S311 (not a secret)


class _Retriable(Exception):
    """An attempt that failed before any text in a way that another may not."""

    def __init__(self, error: AnswerError, retry_after: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.retry_after = retry_after


async def _attempt(client: Client, target: Target, messages: list[dict[str, str]], sink: Sink, completion: Completion) -> None:
    reached_before, opened = completion.reached, False
    # From here on it may be paid for, unless it is refused or no connection is made.
    completion.reached = True
    try:
        async with asyncio.timeout(settings.UPSTREAM_FIRST_TOKEN_SECONDS) as timer, _open(client, target, messages) as response:
            opened = True
            await _read(response, target, sink, completion, timer)
    except openai.APIStatusError as error:
        completion.reached = reached_before
        raise _status_failure(error) from None
    except (openai.APIConnectionError, httpx2.RequestError, httpx2.StreamError):
        if opened:
            raise AnswerError("upstream_cut", "The connection to the model broke off.") from None
        completion.reached = reached_before
        raise _Retriable(AnswerError("upstream_unavailable", "The model's server cannot be reached.")) from None
    except TimeoutError:
        raise AnswerError("upstream_timeout", "The model was silent for too long.") from None
    except BrokenStream:
        raise AnswerError("upstream_cut", _NO_ANSWER) from None


def _open(client: Client, target: Target, messages: list[dict[str, str]]) -> Any:
    limit: dict[str, Any] = {("max_tokens" if target.legacy_max_tokens else "max_completion_tokens"): target.max_output_tokens}
    # The SDK's types want one class a role; ours are plain dictionaries that the request's parser has checked.
    create: Any = client.chat.completions.with_streaming_response.create
    return create(
        model=target.slug,
        messages=messages,
        stream=True,
        stream_options={"include_usage": True},
        extra_headers={"Accept-Encoding": "identity"},
        **limit,
    )


async def _read(response: Any, target: Target, sink: Sink, completion: Completion, timer: asyncio.Timeout) -> None:
    """Reads the stream to its end. Raises AnswerError when it ends without having said that it is whole."""
    if response.headers.get("content-type", "").startswith(("text/html", "application/json")):
        raise AnswerError("upstream_unavailable", "The model's server answered with something that is no answer.")
    events, chunks = EventDecoder(), ChunkDecoder()
    idle = _IdleTimer(timer)
    reads = _reads(response)
    async for data in reads:
        batch = chunks.batch(events.feed(data))
        _note(batch, completion)
        if batch.text:
            sink.text(batch.text)
        if completion.deltas:
            idle.put_off()
        _refuse_bad(batch, completion)
        if batch.done:
            await _drain(reads)
            break
        if completion.deltas > target.max_output_tokens:
            # A delta is at least a token: the upstream does not keep to the limit it was given, and the reservation counts on it.
            completion.finish_reason = "length"
            break
    if rest := chunks.rest():
        sink.text(rest)
    if completion.finish_reason is None:
        raise AnswerError("upstream_cut", "The model broke off in the middle of its answer.")


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


def _note(batch: Batch, completion: Completion) -> None:
    completion.deltas += batch.deltas
    if batch.finish_reason:
        # A word in OpenAI's protocol; a server of another make must not keep the row from being saved.
        # NUL and lone surrogates are what a database refuses.
        completion.finish_reason = "".join(filter(str.isprintable, batch.finish_reason))[:_REASON_CHARS]
    if batch.prompt_tokens is not None:
        completion.prompt_tokens, completion.completion_tokens = batch.prompt_tokens, batch.completion_tokens or 0


def _refuse_bad(batch: Batch, completion: Completion) -> None:
    if batch.error:
        raise _stream_failure(batch.error, completion)
    if batch.broken:
        raise AnswerError("upstream_cut", _NO_ANSWER)


async def _drain(reads: AsyncIterator[bytes]) -> None:
    """Reads the end of the body behind [DONE], so that the connection can be used again; not for longer than a moment."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in reads:
                pass


# --- What went wrong, as the contract says it -------------------------------


def _status_failure(error: openai.APIStatusError) -> Exception:
    status, retry_after = error.status_code, _retry_after(error.response.headers)
    if error.code == "insufficient_quota":
        return AnswerError("upstream_rejected", "The account with the model's provider has run out of credit. Tell whoever runs this site.")
    if status == 429:
        return _Retriable(AnswerError("upstream_rate_limited", "The model is busy.", retry_after=retry_after), retry_after)
    if status >= 500 or status in _RETRIABLE:
        return _Retriable(AnswerError("upstream_unavailable", "The model's server has a problem."), retry_after)
    return AnswerError("upstream_rejected", _REJECTIONS.get(error.code or "", "The model's server refused the request."))


_REJECTIONS = {
    "context_length_exceeded": "This conversation is too long for the model. Start a new one, or choose a model with more room.",
    "content_filter": "The provider's content filter refused this prompt.",
    "content_policy_violation": "The provider's content filter refused this prompt.",
}


def _stream_failure(error: Any, completion: Completion) -> Exception:
    """An error object inside a stream that began with status 200."""
    code = str(error.get("code") or error.get("type") or "") if isinstance(error, dict) else ""
    if completion.deltas:
        return AnswerError("upstream_cut", "The model broke off in the middle of its answer.")
    if code in _REJECTIONS or code in ("insufficient_quota", "invalid_request_error"):
        return AnswerError("upstream_rejected", _REJECTIONS.get(code, "The model's server refused the request."))
    if code in ("rate_limit_exceeded", "429"):
        return _Retriable(AnswerError("upstream_rate_limited", "The model is busy."))
    return _Retriable(AnswerError("upstream_unavailable", "The model's server has a problem."))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as the upstream says it: `retry-after-ms`, or Retry-After in seconds or as a date (RFC 9110, section 10.2.3)."""
    for name, scale in (("retry-after-ms", 1000), ("retry-after", 1)):
        with contextlib.suppress(KeyError, ValueError):
            seconds = float(headers[name]) / scale
            # "inf" and "nan" are numbers to Python, and to nobody who is told to wait for them.
            return max(0.0, seconds) if isfinite(seconds) else None
    with contextlib.suppress(KeyError, ValueError, TypeError, OverflowError):
        return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - time())
    return None
