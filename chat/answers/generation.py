"""Runs one answer to its end.

A generation is a task of its own: it outlives the request that asked for it. It ends exactly once.
Every end saves the text and settles usage, then frees the slot, and only then tells the readers.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID

from django.db import Error

from chat import database_errors
from chat.answers.ending import Ending, done_payload, error_payload, save, status_for
from chat.answers.job import AnswerPlan, Job
from chat.answers.live_answer import LiveAnswer
from chat.errors import AnswerError
from chat.limits.leases import Lease
from chat.models import Message
from chat.threads import in_thread
from chat.upstream.attempt import CompletionSink
from chat.upstream.cost import CostMeter, LateBudget, RunningCost, alarm_if_overrun
from chat.upstream.retry import CompletionCall, CompletionRequest, Upstream

logger = logging.getLogger("chat.answers.generation")

_SAVE_RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0)
_SLOW_SAVE_SECONDS = 1.0


class Generation(CompletionSink):
    """Takes one answer from the upstream to the database.

    `release` frees the slot and the reservation of the turn.
    """

    def __init__(
        self, job: Job, upstream: Upstream, release: Callable[[Lease], Awaitable[None]]
    ) -> None:
        self.job = job
        plan = job.plan
        self.live = LiveAnswer(plan.answer, job.start)
        # Until when a reader on another worker counts as watching (monotonic).
        self._watched_elsewhere = 0.0
        self._release = release
        self._cost_meter = CostMeter(
            plan.prices, plan.reserved, LateBudget(plan.bound, partial(_is_budgeted, plan))
        )
        self._call = CompletionCall(
            upstream,
            CompletionRequest(plan.targets, plan.messages, may_trim=plan.stored),
            self._cost_meter,
            self,
        )
        self._upstream: asyncio.Task[None] | None = None
        self._cancelled: tuple[str, str, AnswerError | None] | None = None
        self._started = monotonic()
        self._first_token: float | None = None

    async def run(self) -> None:
        """Generates, saves, frees and tells, in this order. Does not raise."""
        error = await self._generate()
        try:
            ending = self._ending(error)
            done = await self._save(ending)
        except Exception as fault:
            # The database refuses the row itself: recovery claims the answer from Redis.
            logger.error(
                "Answer %s cannot be saved: %s", self.job.plan.answer, type(fault).__name__
            )
            done = None
        await self._release(self.job.lease)
        if done is None:
            # The worker that claims this answer tells another end: our readers resume there.
            self.live.detach_readers()
            return
        self.live.end(done, error_payload(ending.error) if ending.error else None)

    def cancel(self, status: str, finish_reason: str, error: AnswerError | None = None) -> None:
        """Ends the answer from outside: closes the upstream at once, and keeps the text so far.

        Later calls change nothing.
        """
        if self._cancelled is None:
            self._cancelled = (status, finish_reason, error)
            if self._upstream is not None:
                self._upstream.cancel()

    @property
    def cost_so_far(self) -> RunningCost:
        """Returns what the answer has cost until now."""
        return RunningCost(
            self._call.model, self._cost_meter.bill(self._call.attempts, len(self.live.text))
        )

    @property
    def unwatched_since(self) -> float | None:
        """Returns since when the answer has had no reader (monotonic seconds); None while it has.

        Readers on other workers count as well.
        """
        since = self.live.unwatched_since
        return None if since is None else max(since, self._watched_elsewhere)

    def note_watched_elsewhere(self, until: float) -> None:
        """Notes that the answer is read on another worker until then (monotonic seconds)."""
        self._watched_elsewhere = until

    # --- CompletionSink: called with what the upstream sends -----------------

    def on_text(self, text: str) -> None:
        if self._first_token is None:
            self._first_token = monotonic()
        self.live.append(text)

    def on_status(self, payload: dict[str, Any]) -> None:
        self.live.status(payload)

    # --- steps ----------------------------------------------------------------

    async def _generate(self) -> AnswerError | None:
        if self._cancelled is not None:
            return None
        self._upstream = asyncio.ensure_future(self._call.run())
        try:
            await asyncio.wait([self._upstream])
        except asyncio.CancelledError:
            # Only the end of the process cancels a generation itself.
            self._upstream.cancel()
            raise
        if self._upstream.cancelled():
            return None
        error = self._upstream.exception()
        if error is None or isinstance(error, AnswerError):
            return error
        # The type alone: an exception's text may quote the prompt.
        logger.error("Answer %s failed: %s", self.job.plan.answer, type(error).__name__)
        return AnswerError("internal_error")

    def _ending(self, error: AnswerError | None) -> Ending:
        call, text = self._call, self.live.text.decode()
        if self._cancelled is not None and call.finish_reason is None:
            status, finish_reason, error = self._cancelled
        else:
            status, finish_reason = status_for(error, bool(text)), call.finish_reason or ""
        bill = self.cost_so_far.bill
        alarm_if_overrun(self.job.plan.answer, call.attempts, bill)
        return Ending(
            status=status,
            text=text,
            model=call.model,
            finish_reason=finish_reason,
            error=error,
            bill=bill,
            first_token_ms=round((self._first_token - self._started) * 1000)
            if self._first_token is not None
            else None,
            duration_ms=round((monotonic() - self._started) * 1000),
            trimmed=self.job.plan.trimmed + call.trimmed,
        )

    async def _save(self, ending: Ending) -> dict[str, Any] | None:
        """Tries until the end is saved; returns the payload of `done`.

        Returns None where the answer had ended before. While the database is away the answer waits
        here and in Redis.
        """
        attempt = 0
        while True:
            try:
                return await self._save_once(ending, attempt)
            except Error as error:
                if not database_errors.is_away(error):
                    raise
                wait = _SAVE_RETRY_SECONDS[min(attempt, len(_SAVE_RETRY_SECONDS) - 1)]
                attempt += 1
                logger.warning(
                    "Answer %s waits to be saved: %s", self.job.plan.answer, type(error).__name__
                )
                self._tell_saving(ending, attempt, wait)
                await asyncio.sleep(wait)

    async def _save_once(self, ending: Ending, attempt: int) -> dict[str, Any] | None:
        saving = asyncio.ensure_future(in_thread(_save, self.job.plan.answer, ending))
        if not (await asyncio.wait([saving], timeout=_SLOW_SAVE_SECONDS))[0]:
            # A locked SQLite file makes a write wait for long before it fails.
            self._tell_saving(ending, attempt, 0)
        return await saving

    def _tell_saving(self, ending: Ending, attempt: int, wait: float) -> None:
        reason = "database_unavailable"
        self.live.status(
            {
                "state": "saving",
                "attempt": attempt,
                "retry_in": wait,
                "reason": reason,
                "model": ending.model,
            }
        )


async def _is_budgeted(plan: AnswerPlan) -> bool:
    try:
        return await in_thread(plan.is_budgeted)
    except Error:
        return True  # not known: nothing is spent then beyond what the ledger has


def _save(answer_id: UUID, ending: Ending) -> dict[str, Any] | None:
    if not save(answer_id, ending):
        return None
    return done_payload(ending)


STOPPED = (Message.Status.STOPPED, "stopped")
ABANDONED = (Message.Status.STOPPED, "abandoned")
