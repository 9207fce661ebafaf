"""What an upstream's refusal means, in the codes of the contract. Pure but for the clock.

Whether a request is tried again is decided in chat.upstream.retry, from what is said here.
"""

import contextlib
from calendar import timegm
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import isfinite
from time import time
from typing import Any

from chat.errors import CONTENT_FILTER, CONTEXT_LENGTH, NO_CREDIT, AnswerError

_RETRIABLE = frozenset({408, 409, 429})


class Retriable(Exception):
    """An attempt that failed before any text, in a way that another may not. `retry_after` is seconds, if the upstream said them."""

    def __init__(self, error: AnswerError, retry_after: float | None = None) -> None:
        super().__init__(error.code)
        self.error = error
        self.retry_after = retry_after


def of_status(status: int, body: Any, headers: Mapping[str, str]) -> AnswerError | Retriable:
    """Returns what a refusal with an HTTP status means: Retriable if the same request can succeed later."""
    if rejection := _rejection(body):
        return rejection
    if status == 429:
        retry_after = _retry_after(headers)
        return Retriable(AnswerError("upstream_rate_limited", retry_after=retry_after), retry_after)
    if status >= 500 or status in _RETRIABLE:
        return Retriable(AnswerError("upstream_unavailable"), _retry_after(headers))
    # A redirect leads to what is no upstream of ours.
    return AnswerError("upstream_rejected" if status >= 400 else "upstream_unavailable")


_REJECTIONS = {
    "context_length_exceeded": CONTEXT_LENGTH,
    "exceed_context_size_error": CONTEXT_LENGTH,
    "string_above_max_length": CONTEXT_LENGTH,
    "content_filter": CONTENT_FILTER,
    "content_policy_violation": CONTENT_FILTER,
    "insufficient_quota": NO_CREDIT,
}
# Servers of other makes name no code.
_TOO_LONG = "maximum context length"


def _rejection(error: Any) -> AnswerError | None:
    """The refusal with a reason of its own that an upstream's error object stands for; None for any other."""
    if not isinstance(error, dict):
        return None
    for word in (error.get("code"), error.get("type")):
        if isinstance(word, str) and word in _REJECTIONS:
            return AnswerError("upstream_rejected", reason=_REJECTIONS[word])
    return AnswerError("upstream_rejected", reason=CONTEXT_LENGTH) if _TOO_LONG in str(error.get("message")) else None


def in_stream(error: Any) -> tuple[AnswerError | Retriable, bool]:
    """Returns what an error object in a stream of status 200 means, before any text, and whether the attempt may cost something.

    One that says no is a refusal, and costs nothing.
    """
    if isinstance(error, dict):
        error = error.get("error") or error
    code = str(error.get("code") or error.get("type") or "") if isinstance(error, dict) else ""
    rejection = _rejection(error) or (AnswerError("upstream_rejected") if code == "invalid_request_error" else None)
    busy = code in ("rate_limit_exceeded", "429")
    failure = rejection or Retriable(AnswerError("upstream_rate_limited" if busy else "upstream_unavailable"))
    return failure, not (rejection or busy)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as the upstream says it: `retry-after-ms`, or Retry-After in seconds or as a date (RFC 9110, section 10.2.3)."""
    for name, scale in (("retry-after-ms", 1000), ("retry-after", 1)):
        with contextlib.suppress(KeyError, ValueError):
            seconds = float(headers[name]) / scale
            # "inf" and "nan" are numbers to Python, and to nobody who is told to wait for them.
            return max(0.0, seconds) if isfinite(seconds) else None
    with contextlib.suppress(KeyError, ValueError, TypeError, OverflowError):
        return max(0.0, timegm(parsedate_to_datetime(headers["retry-after"]).utctimetuple()) - time())
    return None
