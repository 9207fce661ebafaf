"""Decides for one answer what is tried again, after how long, and on which model.

A call is tried again only before the first piece of text and only when that can succeed; never
before the upstream's Retry-After has passed, and within a bounded time. A model that answered 429
is left alone by all workers until then.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from math import inf
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import Error

from chat.errors import AnswerError
from chat.threads import in_thread
from chat.upstream import learned, trimming
from chat.upstream.adaptation import Adaptation, Change, Lesson
from chat.upstream.attempt import Attempt, CompletionSink, Target
from chat.upstream.cooldown import Cooldown
from chat.upstream.cost import CostMeter
from chat.upstream.failures import Refused, Retriable, error_of
from chat.upstream.last_failures import LastFailures
from chat.upstream.waits import Waits

if TYPE_CHECKING:
    from chat.upstream.client import Client

logger = logging.getLogger("chat.upstream.retry")

# The longest wait (seconds) for a model that has a fallback.
_MAX_WAIT_SECONDS = 5.0
# No attempt is made where the reservation leaves less output than this.
_MIN_OUTPUT_TOKENS = 256


@dataclass(frozen=True)
class Upstream:
    """Holds what all answers of a worker share."""

    client: "Client"
    cooldown: Cooldown
    last_failures: LastFailures = field(default_factory=LastFailures)


@dataclass(frozen=True)
class CompletionRequest:
    """Holds `messages`, for the first of `targets` that can answer.

    `may_trim`: the conversation is stored, so its oldest turns may be left out.
    """

    targets: Sequence[Target]
    messages: list[dict[str, str]]
    may_trim: bool


class CompletionCall:
    """Runs one completion into a sink: asks again where it failed, and asks other models.

    `attempts`, `model` (the last one asked) and `trimmed` tell how far it has come; `trimmed` is
    how many messages were left out because a model could not read them.
    """

    def __init__(
        self,
        upstream: Upstream,
        request: CompletionRequest,
        cost_meter: CostMeter,
        sink: CompletionSink,
    ) -> None:
        self.attempts: list[Attempt] = []
        self.model = request.targets[0].slug
        self.trimmed = 0
        self._upstream = upstream
        self._targets = request.targets
        self._messages = request.messages
        self._may_trim = request.may_trim
        self._cost_meter = cost_meter
        self._sink = sink
        self._waits = Waits(upstream.cooldown, sink)
        self._adaptation = Adaptation(may_trim=request.may_trim)
        # By the slugs of the models.
        self._lessons: dict[str, list[Lesson]] = {}
        # The error of the last attempt.
        self._failure = AnswerError("internal_error")

    async def run(self) -> None:
        """Sends the answer to the sink.

        Raises AnswerError with a code of the contract. Cancelling it closes the upstream
        connection.
        """
        self._waits.start()
        for position, target in enumerate(self._targets):
            following = next(iter(self._targets[position + 1 :]), None)
            self.model = target.slug
            try:
                await self._ask(target, _MAX_WAIT_SECONDS if following else inf)
                return
            except AnswerError as error:
                if following is None or not self._can_fall_back(following, error):
                    raise
                self._waits.tell("fallback", 1, 0, error.code, following)

    @property
    def finish_reason(self) -> str | None:
        return self.attempts[-1].finish_reason if self.attempts else None

    def _can_fall_back(self, target: Target, error: AnswerError) -> bool:
        return (
            self._waits.is_in_time
            and not self._has_text
            and error.code != "upstream_rejected"
            and self._can_pay(target)
        )

    @property
    def _has_text(self) -> bool:
        return bool(self.attempts) and self.attempts[-1].deltas > 0

    async def _ask(self, target: Target, max_wait: float) -> None:
        self._fit(target)
        failed = 0
        for attempt in count(1):
            await self._waits.until_cool(target, attempt, max_wait)
            try:
                await self._attempt(target)
                return
            except Retriable as failure:
                failed += 1
                await self._record(failure.error)
                wait, reason = await self._waits.after(failure, target, failed), failure.error.code
                if (
                    failed > settings.UPSTREAM_RETRIES
                    or self._waits.is_too_long(wait, max_wait)
                    or not self._can_pay(target)
                ):
                    raise failure.error from None
            except AnswerError as error:
                change = self._change_after(error, target)
                if change is None or not self._can_pay(change.target):
                    await self._record(error)
                    raise
                target, wait, reason = change.target, 0.0, error.reason or error.code
            self._waits.tell("retrying", attempt + 1, wait, reason, target)
            await asyncio.sleep(wait)

    async def _attempt(self, target: Target) -> None:
        # The SDK takes half a second to load: only workers need it.
        from chat.upstream import client as upstream_client

        if self.attempts:
            await self._cost_meter.note_late_budget()
            if not self._can_pay(target):
                raise self._failure
        # Only stored conversations can hold prompts that got no answer; others are sent as they
        # are.
        messages = trimming.alternating(self._messages) if self._may_trim else self._messages
        attempt = Attempt(replace(target, max_output_tokens=self._output_left(target)), messages)
        self.attempts.append(attempt)
        try:
            await upstream_client.run(self._upstream.client, attempt, self._sink)
        except (AnswerError, Retriable) as failure:
            self._failure = error_of(failure)
            raise
        finally:
            if self._has_text:
                await self._remember(target)

    # --- what is learned ----------------------------------------------------

    def _change_after(self, error: AnswerError, target: Target) -> Change | None:
        """Returns what to ask differently after a refusal; None where the answer has failed."""
        if not isinstance(error, Refused) or self._has_text:
            return None
        change = self._adaptation.after(error.refusal, self.attempts[-1], target, self._messages)
        if change is not None:
            self._leave_out(change.messages)
            self._lessons.setdefault(target.slug, []).extend(
                [change.lesson] if change.lesson else []
            )
        return change

    async def _record(self, error: AnswerError) -> None:
        await self._upstream.last_failures.record(self.attempts[-1], error)

    async def _remember(self, target: Target) -> None:
        """Saves what made the upstream take the request.

        An error of the database is logged: the answer does not fail because of it.
        """
        if lessons := self._lessons.pop(target.slug, None):
            try:
                await in_thread(learned.remember, target.slug, lessons)
            except Error as error:
                logger.warning(
                    "What model %s refused is not remembered: %s", target.slug, type(error).__name__
                )

    # --- what is allowed ----------------------------------------------------

    def _can_pay(self, target: Target) -> bool:
        return self._output_left(target) >= min(target.max_output_tokens, _MIN_OUTPUT_TOKENS)

    def _output_left(self, target: Target) -> int:
        return self._cost_meter.output_left(target, self._messages, self.attempts)

    # --- what is left out ---------------------------------------------------

    def _fit(self, target: Target) -> None:
        """Leaves out what this model cannot read: a fallback may have a smaller context."""
        if self._may_trim:
            available = trimming.prompt_tokens_available(
                target.context_tokens, target.max_output_tokens
            )
            self._leave_out(trimming.fitted(self._messages, available))

    def _leave_out(self, shorter: list[dict[str, str]]) -> None:
        fewer = len(self._messages) - len(shorter)
        self._messages = shorter
        self.trimmed += fewer
