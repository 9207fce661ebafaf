"""What an upstream's refusal means, in the codes of the contract. Pure but for the clock.

chat.upstream.retry decides from it whether a request is tried again.
"""

import contextlib
import re
from calendar import timegm
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import isfinite
from time import time
from typing import Any

from chat.errors import (
    CONTENT_FILTER,
    CONTEXT_LENGTH,
    KEY_REFUSED,
    MODEL_FORBIDDEN,
    MODEL_UNKNOWN,
    NO_CREDIT,
    AnswerError,
)
from chat.upstream import refusal, refusal_body
from chat.upstream.refusal import Kind, Refusal
from chat.upstream.refusal_body import Said

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|h|m|s))+", re.I)
_REASONS = {
    Kind.TOO_LONG: CONTEXT_LENGTH,
    Kind.NO_CREDIT: NO_CREDIT,
    Kind.FILTER: CONTENT_FILTER,
    Kind.KEY: KEY_REFUSED,
    Kind.FORBIDDEN: MODEL_FORBIDDEN,
    Kind.UNKNOWN_MODEL: MODEL_UNKNOWN,
}


class Retriable(Exception):
    """Signals an attempt that failed before any text, where another may succeed.

    `retry_after` is in seconds, None if the upstream gave none.
    """

    def __init__(self, error: AnswerError, retry_after: float | None = None) -> None:
        super().__init__(error.code)
        self.error = error
        self.retry_after = retry_after


class Refused(AnswerError):
    """Signals that the upstream does not take the request as it is.

    `refusal` says why.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__("upstream_rejected", reason=_REASONS.get(refusal.kind, ""))
        self.refusal = refusal


def of_status(status: int, body: Any, headers: Mapping[str, str]) -> AnswerError | Retriable:
    """Returns what a refusal with an HTTP status means.

    It is Retriable if the same request can succeed later.
    """
    if status < 400:
        # A redirect leads to another server than the operator chose.
        return AnswerError("upstream_unavailable")
    return _failure(status, refusal_body.read(body), headers)


def error_of(failure: AnswerError | Retriable) -> AnswerError:
    """Returns the error that a person is told when nothing more is tried."""
    return failure.error if isinstance(failure, Retriable) else failure


def in_stream(error: Any) -> tuple[AnswerError | Retriable, bool]:
    """Returns what an error in a response of status 200 means, and whether it may cost.

    `error` is what the upstream said, of any shape: an object, a list, a text, its member `error`
    or a whole body. A refusal costs nothing.
    """
    said = refusal_body.read(error)
    failure = _failure(said.status, said, {})
    may_cost = isinstance(failure, Retriable) and failure.error.code != "upstream_rate_limited"
    return failure, may_cost


def _failure(status: int | None, said: Said, headers: Mapping[str, str]) -> AnswerError | Retriable:
    failure = _meaning(status, said, headers)
    error_of(failure).upstream_code = said.code
    return failure


def _meaning(status: int | None, said: Said, headers: Mapping[str, str]) -> AnswerError | Retriable:
    meant = refusal.meaning(status, said)
    if meant is not None and meant.kind != Kind.BUSY:
        return Refused(meant)
    wait = _retry_after(headers)
    if meant is None:
        return Retriable(AnswerError("upstream_unavailable"), wait)
    wait = said.retry_after if wait is None else wait
    return Retriable(AnswerError("upstream_rate_limited", retry_after=wait), wait)


def _number(text: str) -> float:
    """Returns the number, or the seconds of a duration such as `2s`, as some write it.

    Raises ValueError.
    """
    duration = refusal_body.seconds(text.lower()) if _DURATION.fullmatch(text) else None
    return float(text) if duration is None else duration


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds to wait that the headers name; None where they name none.

    They are in `retry-after-ms`, or in Retry-After as seconds or a date (RFC 9110, section 10.2.3).
    """
    for name, scale in (("retry-after-ms", 1000), ("retry-after", 1)):
        with contextlib.suppress(KeyError, ValueError):
            # A proxy that sets it as well makes it a list.
            seconds = _number(headers[name].split(",")[0].strip()) / scale
            # "inf" and "nan" are numbers to Python, but no time to wait.
            return max(0.0, seconds) if isfinite(seconds) else None
    with contextlib.suppress(KeyError, ValueError, TypeError, OverflowError):
        return max(
            0.0, timegm(parsedate_to_datetime(headers["retry-after"]).utctimetuple()) - time()
        )
    return None
