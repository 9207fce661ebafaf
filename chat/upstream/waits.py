"""The waits between the attempts of one answer, and the `status` events that tell of them."""

import asyncio
import random
from math import inf
from time import monotonic

from chat.errors import AnswerError
from chat.upstream.attempt import CompletionSink, Target
from chat.upstream.cooldown import Cooldown
from chat.upstream.failures import Retriable

BACKOFF_SECONDS = 0.5
_MAX_BACKOFF_SECONDS = 8.0
# Seconds that all attempts and waits before the first piece of text may take.
RETRY_BUDGET_SECONDS = 90.0
# How long a 429 without Retry-After keeps all workers off the model.
_COOL_SECONDS = 1.0
# So that answers that waited for the same model do not all ask at the same instant.
SPREAD_SECONDS = 0.5
# A shorter wait is not shown to the reader.
_UNSEEN_SECONDS = 0.1


class Waits:
    """Waits on behalf of one answer, and tells its sink.

    All waits and attempts are within RETRY_BUDGET_SECONDS of the start.
    """

    def __init__(self, cooldown: Cooldown, sink: CompletionSink) -> None:
        self._cooldown = cooldown
        self._sink = sink
        self._deadline = inf

    def start(self) -> None:
        """Starts the clock of the retry budget."""
        self._deadline = monotonic() + RETRY_BUDGET_SECONDS

    @property
    def is_in_time(self) -> bool:
        return monotonic() < self._deadline

    def is_too_long(self, wait: float, max_wait: float) -> bool:
        """Returns whether a wait (seconds) passes `max_wait` or what the retry budget leaves."""
        return wait > min(max_wait, self._deadline - monotonic())

    async def until_cool(self, target: Target, attempt: int, max_wait: float) -> None:
        """Waits while the model cools down.

        Raises AnswerError when that would take longer than `max_wait` seconds or the retry budget.
        """
        while remaining := await self._cooldown.remaining_seconds(target.slug):
            wait = remaining + random.uniform(0, SPREAD_SECONDS)  # noqa: S311 (not a secret)
            if self.is_too_long(wait, max_wait):
                raise AnswerError("upstream_rate_limited", retry_after=remaining)
            if remaining > _UNSEEN_SECONDS:
                self.tell("waiting", attempt, wait, "upstream_rate_limited", target)
            await asyncio.sleep(wait)

    async def after(self, failure: Retriable, target: Target, attempt: int) -> float:
        """Returns seconds to wait after attempt number `attempt` failed.

        A 429, and only that, cools the model down for all workers.
        """
        wait = failure.retry_after or 0.0
        if failure.error.code == "upstream_rate_limited":
            wait = max(wait, _COOL_SECONDS) if failure.retry_after is None else wait
            await self._cooldown.begin(target.slug, wait)
        return max(backoff(attempt), wait)

    def tell(self, state: str, attempt: int, wait: float, reason: str, target: Target) -> None:
        """Sends a `status` event; `attempt` is the number of the next one, `wait` is in seconds."""
        self._sink.on_status(
            {
                "state": state,
                "attempt": attempt,
                "retry_in": round(wait, 1),
                "reason": reason,
                "model": target.slug,
            }
        )


def backoff(attempt: int) -> float:
    """Returns seconds before the next attempt: exponential, half fixed and half random.

    Source: Marc Brooker, "Exponential Backoff and Jitter", 2015 (equal jitter).
    """
    ceiling: float = min(_MAX_BACKOFF_SECONDS, BACKOFF_SECONDS * 2**attempt)
    return ceiling / 2 + random.uniform(0, ceiling / 2)  # noqa: S311 (not a secret)
