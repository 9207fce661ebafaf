"""Runs the answers that a worker generates, and ends those that are stopped or not watched."""

import asyncio
import contextlib
from collections.abc import Container, Iterable
from uuid import UUID

from django.conf import settings

from chat import redis_client
from chat.answers.answer_store import AnswerStore
from chat.answers.commands import Command, StopAnswer
from chat.answers.ending import status_for
from chat.answers.generation import ABANDONED, STOPPED, Generation
from chat.answers.held_leases import HeldLeases
from chat.answers.job import Job
from chat.answers.live_answer import LiveAnswer
from chat.answers.remote_answers import FIRST_READER_SECONDS
from chat.answers.tasks import Spawn
from chat.answers.worker_bus import WorkerBus
from chat.errors import AnswerError
from chat.upstream.retry import Upstream

# A WatchAnswer from another worker holds for this long.
_WATCHED_SECONDS = 5.0


class LocalAnswers:
    """Holds the generations of one worker, each from its beginning until its end is saved.

    `draining` says that the readers of stored answers were sent elsewhere, so that their absence
    means nothing.
    """

    def __init__(
        self,
        upstream: Upstream,
        store: AnswerStore,
        bus: WorkerBus,
        leases: HeldLeases,
        spawn: Spawn,
    ) -> None:
        self._upstream = upstream
        self._store = store
        self._bus = bus
        self._leases = leases
        self._spawn = spawn
        self._generations: dict[UUID, Generation] = {}
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self.draining = False

    def all(self) -> list[Generation]:
        """Returns the generations that run now."""
        return list(self._generations.values())

    def find(self, answer_id: UUID) -> Generation | None:
        """Returns the generation of an answer; None where it does not run here."""
        return self._generations.get(answer_id)

    def generate(self, job: Job) -> LiveAnswer:
        """Starts an answer and returns it; it goes on by itself."""
        generation = self._generations[job.plan.answer] = Generation(
            job, self._upstream, self._leases.release
        )
        self._tasks[job.plan.answer] = self._spawn(self._run(generation))
        return generation.live

    async def _run(self, generation: Generation) -> None:
        answer_id = generation.job.plan.answer
        try:
            await generation.run()
        finally:
            self._generations.pop(answer_id, None)
            self._tasks.pop(answer_id, None)
            self._store.forget([answer_id])
        with contextlib.suppress(*redis_client.REDIS_ERRORS):
            await self._store.write_end(answer_id, stored=generation.job.plan.stored)

    async def stop(self, answer_id: UUID) -> bool:
        """Ends an answer and returns True once it is saved; False if it does not run here."""
        generation, task = self._generations.get(answer_id), self._tasks.get(answer_id)
        if generation is None or task is None:
            return False
        generation.cancel(*STOPPED)
        await asyncio.wait([task])
        return True

    async def wait_until_ended(self, seconds: float) -> None:
        """Waits until no answer runs any more, but no longer than that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._tasks:
                    await asyncio.wait(list(self._tasks.values()))

    def interrupt(self, *, stored: bool) -> None:
        """Interrupts stateless answers because the worker ends; with `stored`, the others too."""
        error = AnswerError("worker_lost")
        for generation in self.all():
            if stored or not generation.job.plan.stored:
                generation.cancel(status_for(error, bool(generation.live.text)), "drained", error)

    def handle_command(self, command: Command, now: float) -> None:
        """Does what another worker asks; nothing for an answer that has ended.

        `now` is monotonic seconds.
        """
        generation = self._generations.get(command.answer)
        if generation is None:
            return
        if not isinstance(command, StopAnswer):
            generation.note_watched_elsewhere(now + _WATCHED_SECONDS)
            return
        generation.cancel(*STOPPED)
        if not generation.job.plan.stored:
            self._spawn(self._publish_final_text(generation, self._tasks[command.answer]))

    async def _publish_final_text(self, generation: Generation, task: "asyncio.Task[None]") -> None:
        await asyncio.wait([task])
        with contextlib.suppress(*redis_client.REDIS_ERRORS):
            await self._bus.publish_final_text(
                generation.job.plan.answer, bytes(generation.live.text)
            )

    def assume_watched(self, now: float) -> None:
        """Keeps stored answers going while Redis is away.

        Their readers on other workers are not known then.
        """
        for generation in self.all():
            if generation.job.plan.stored:
                generation.note_watched_elsewhere(now + _WATCHED_SECONDS)

    def cancel_unwatched(self, now: float) -> None:
        """Ends answers that have had no reader, here or elsewhere, for their grace time."""
        for generation in self.all():
            since = generation.unwatched_since
            if since is not None and now - since > self._grace(generation):
                generation.cancel(*ABANDONED)

    def _grace(self, generation: Generation) -> float:
        """Returns for how many seconds an answer may have no reader."""
        if generation.job.plan.stored:
            return float("inf") if self.draining else settings.RESUME_GRACE_SECONDS
        # No one can come back for a stateless answer, which is kept nowhere; but its first reader
        # may be a moment late.
        return 0 if generation.live.was_watched else FIRST_READER_SECONDS

    def cancel_disowned(self, here: Iterable[UUID], owned: Container[UUID]) -> None:
        """Ends what runs `here` but is not `owned`: claimed elsewhere, not wanted, or stopped.

        A worker that stood still for longer than its lease goes on with answers that another has
        claimed: no budget would count what they still cost. A turn that begins while its
        conversation or account is being deleted is not there yet when the deletion stops what runs.
        """
        for answer_id in here:
            generation = self._generations.get(answer_id)
            if generation is not None and answer_id not in owned:
                generation.cancel(*STOPPED)
