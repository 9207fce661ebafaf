"""Runs one answer to its end, whatever the end is.

A generation is a task of its own: it outlives the request that asked for it.
It ends exactly once; every end settles usage, frees the slot, saves the text,
and only then tells the readers.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError

from chat import endings
from chat.completions import Client, Completion, Target, complete
from chat.endings import Ending
from chat.errors import AnswerError
from chat.limits import budgets
from chat.limits.slots import Hold
from chat.live import LiveAnswer
from chat.models import Message
from chat.threads import in_thread

logger = logging.getLogger("chat.generation")

_MOST_TOKENS = 10**9
_SAVE_RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Job:
    """What is to be generated. `start` is the payload of the `start` event; `prices` are by the models' slugs."""

    answer: UUID
    stored: bool
    start: dict[str, Any]
    targets: Sequence[Target]
    prices: dict[str, budgets.Prices]
    messages: list[dict[str, str]]
    hold: Hold


class Generation:
    """One answer's way from the upstream to the database. `release` frees what the turn took."""

    def __init__(self, job: Job, client: Client, release: Callable[[Hold], Awaitable[None]]) -> None:
        self.job = job
        self.live = LiveAnswer(job.answer, job.start)
        # Set by the worker: the task that runs `run`, and until when a reader on another worker counts as watching (monotonic).
        self.task: asyncio.Task[None]
        self.watched_elsewhere = 0.0
        self._client = client
        self._release = release
        self._completion = Completion(model=job.targets[0].slug)
        self._upstream: asyncio.Task[None] | None = None
        self._halted: tuple[str, str, AnswerError | None] | None = None
        self._started = monotonic()
        self._first_token: float | None = None

    async def run(self) -> None:
        """Generates, saves, frees, tells: in this order. Does not raise."""
        error = await self._generate()
        try:
            ending = self._ending(error)
            done = await self._save(ending)
        except Exception as fault:
            # The database refuses the row itself: recovery claims the answer with the text that is mirrored.
            logger.error("Answer %s cannot be saved: %s", self.job.answer, type(fault).__name__)
            done = None
        await self._release(self.job.hold)
        if done is None:
            # Whoever claims this answer tells its readers another end; ours are sent there.
            self.live.hand_over()
            return
        self.live.end(done, endings.error_payload(ending.error) if ending.error else None)

    def halt(self, status: str, finish_reason: str, error: AnswerError | None = None) -> None:
        """Ends the answer from outside: closes the upstream at once; what was said so far is kept. Later calls change nothing."""
        if self._halted is None:
            self._halted = (status, finish_reason, error)
            if self._upstream is not None:
                self._upstream.cancel()

    # --- the sink of the completion -----------------------------------------

    def text(self, text: str) -> None:
        if self._first_token is None:
            self._first_token = monotonic()
        self.live.append(text)

    def status(self, data: dict[str, Any]) -> None:
        self.live.status(data)

    # --- steps ----------------------------------------------------------------

    async def _generate(self) -> AnswerError | None:
        if self._halted is not None:
            return None
        self._upstream = asyncio.ensure_future(complete(self._client, self.job.targets, self.job.messages, self, self._completion))
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
        logger.error("Answer %s failed: %s", self.job.answer, type(error).__name__)
        return AnswerError("internal_error", endings.sentence("internal_error"))

    def _ending(self, error: AnswerError | None) -> Ending:
        completion, text = self._completion, self.live.text.decode()
        if self._halted is not None and completion.finish_reason is None:
            status, finish_reason, error = self._halted
        else:
            status, finish_reason = endings.status_for(error, bool(text)), completion.finish_reason or ""
        prompt, output, estimated = self._tokens(len(self.live.text))
        self._alarm_if_overrun(output)
        prices = self.job.prices[completion.model]
        return Ending(
            status=status,
            text=text,
            model=completion.model,
            finish_reason=finish_reason,
            error=error,
            prompt_tokens=prompt,
            completion_tokens=output,
            cost_usd=prices.cost(prompt, output),
            estimated=estimated,
            first_token_ms=round((self._first_token - self._started) * 1000) if self._first_token is not None else None,
            duration_ms=round((monotonic() - self._started) * 1000),
        )

    def _tokens(self, text_bytes: int) -> tuple[int, int, bool]:
        """Prompt and completion tokens as the upstream said them, or an estimate (True) where it was asked but did not say."""
        completion = self._completion
        if completion.prompt_tokens is not None:
            return _sane(completion.prompt_tokens), _sane(completion.completion_tokens or 0), False
        if not completion.reached:
            return 0, 0, False
        return budgets.estimate_prompt(self.job.messages), budgets.estimate_completion(text_bytes, completion.deltas), True

    def _alarm_if_overrun(self, output_tokens: int) -> None:
        """An upstream that sends more than its limit spends what no budget was asked for; it is recorded in full all the same."""
        limit = next(target.max_output_tokens for target in self.job.targets if target.slug == self._completion.model)
        if output_tokens > limit:
            logger.error(
                "Answer %s overran its limit: %d tokens of %d, from %s", self.job.answer, output_tokens, limit, self._completion.model
            )

    async def _save(self, ending: Ending) -> dict[str, Any] | None:
        """Saves until it is saved, and returns the payload of `done`; None when someone else had ended the answer.

        While the database is away the answer waits here and in the mirror.
        """
        attempt = 0
        while True:
            try:
                return await in_thread(_save, self.job.answer, ending)
            except (OperationalError, InterfaceError) as error:
                wait = _SAVE_RETRY_SECONDS[min(attempt, len(_SAVE_RETRY_SECONDS) - 1)]
                attempt += 1
                logger.warning("Answer %s waits to be saved: %s", self.job.answer, type(error).__name__)
                self.live.status(
                    {"state": "saving", "attempt": attempt, "retry_in": wait, "reason": "database_unavailable", "model": ending.model}
                )
                await asyncio.sleep(wait)


def _save(answer_id: UUID, ending: Ending) -> dict[str, Any] | None:
    if not endings.save(answer_id, ending):
        return None
    return endings.done_payload(ending.status, ending.finish_reason, ending.usage, ending.text)


def _sane(tokens: int) -> int:
    """A count as the ledger can hold it, whatever the upstream says."""
    return min(max(tokens, 0), _MOST_TOKENS)


STOPPED = (Message.Status.STOPPED, "stopped")
ABANDONED = (Message.Status.STOPPED, "abandoned")
