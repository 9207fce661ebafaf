"""Runs one worker process, from the start of its event loop to the end of its drain.

A worker is stateless but for the answers it generates (`local_answers`). Other workers' answers are
followed for the readers here (`remote_answers`), those of lost workers are claimed (`recovery`),
and the `heartbeat` keeps all of it going.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Sequence,
)
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings

from chat import redis_client
from chat.answers.access_watch import AccessWatch
from chat.answers.answer_store import AnswerStore
from chat.answers.commands import StopAnswer
from chat.answers.heartbeat import TICK_SECONDS, Heartbeat
from chat.answers.held_leases import HeldLeases
from chat.answers.job import Job
from chat.answers.live_answer import LiveAnswer
from chat.answers.local_answers import LocalAnswers
from chat.answers.recovery import Recovery
from chat.answers.remote_answers import RemoteAnswers
from chat.answers.tasks import Tasks
from chat.answers.worker_bus import WorkerBus, no_text
from chat.limits import refusal_writer
from chat.limits.leases import Lease
from chat.models import Usage
from chat.threads import in_thread
from chat.upstream.cooldown import Cooldown
from chat.upstream.last_failures import LastFailures
from chat.upstream.retry import Upstream

_HOST_CHARS = 40
# For saving an answer when the drain is over: several tries, and a flush of its last text.
_SAVE_SECONDS = 8
# Readers of stateless answers are told before the drain is over: the web server hangs up then.
_TELLING_SECONDS = 2


class Worker:
    """Puts the parts of one process together, and offers the views what they need of them."""

    def __init__(self) -> None:
        # The SDK takes half a second to load, which commands that start no worker are to be spared.
        from chat.upstream.client import make_client

        # The ledger holds 64 characters of it: PostgreSQL would refuse every turn of a longer one.
        self.id = f"{socket.gethostname()[:_HOST_CHARS]}:{os.getpid()}:{uuid4().hex[:8]}"
        self.draining = False
        self._drain_until = 0.0
        self._tasks = Tasks()
        self._redis, self._client = redis_client.async_client(), make_client()
        self._bus, self._held = WorkerBus(self._redis, self.id), HeldLeases(self._redis, self.spawn)
        store = AnswerStore(self._redis)
        upstream = Upstream(self._client, Cooldown(self._redis), LastFailures(self._redis))
        self._local = LocalAnswers(upstream, store, self._bus, self._held, self.spawn)
        self._remote = RemoteAnswers(store, self._bus, self.spawn)
        self._heartbeat = Heartbeat(
            self._redis, store, self._bus, self._held, self._local, self._remote
        )
        self._access = AccessWatch(self._local.all, self._live_answers)
        self.recovery = Recovery(self.id, store, self._bus, self._local)

    # --- life ---------------------------------------------------------------

    async def start(self) -> None:
        """Starts the background loops.

        A Redis that is away does not prevent it: the limits refuse until it is there.
        """
        for loop in (
            self._heartbeat.run(),
            self._access.run(),
            self.recovery.run(),
            refusal_writer.run(),
        ):
            self.spawn(loop)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Starts a task of the worker, not of the request that asked for it."""
        return self._tasks.spawn(coroutine)

    def drain(self) -> None:
        """Takes no new turns, and lets those readers go that can go on elsewhere.

        Running answers go on.
        """
        if not self.draining:
            self.draining = self._local.draining = True
            self._drain_until = monotonic() + settings.DRAIN_SECONDS
            self.spawn(self._interrupt_stateless())
        for live in self._live_answers():
            self._detach_readers(live)

    def _detach_readers(self, live: LiveAnswer) -> None:
        # A stateless answer is kept nowhere, so no one can go on reading it elsewhere.
        generation = self._local.find(live.id)
        if generation is None or generation.job.plan.stored:
            live.detach_readers()

    async def _interrupt_stateless(self) -> None:
        """Interrupts stateless answers while the web server still waits for open connections.

        Their readers cannot read on elsewhere, so they are told the end.
        """
        await asyncio.sleep(max(0, settings.DRAIN_SECONDS - _TELLING_SECONDS))
        self._local.interrupt(stored=False)

    async def stop(self) -> None:
        """Waits up to DRAIN_SECONDS for running answers, then interrupts and saves the rest.

        Where the database is away they stay in Redis, whole, and another worker claims them when it
        is back.
        """
        self.drain()
        await self._local.wait_until_ended(max(0, self._drain_until - monotonic()))
        self._local.interrupt(stored=True)
        await self._local.wait_until_ended(_SAVE_SECONDS)
        await self._tasks.cancel()
        await refusal_writer.write()
        with contextlib.suppress(*redis_client.REDIS_ERRORS):
            await self._bus.release_lease()
        await self._client.close()
        await self._redis.aclose()

    # --- answers --------------------------------------------------------------

    def generate(self, job: Job) -> LiveAnswer:
        """Starts an answer and returns it; it goes on by itself."""
        return self._readable(self._local.generate(job))

    def follow(self, answer_id: UUID, start: dict[str, Any], owner: str) -> LiveAnswer:
        """Returns the live answer to read: the one that runs here, or the one that `owner` runs."""
        generation = self._local.find(answer_id)
        if generation is not None:
            return self._readable(generation.live)
        # An answer that was this worker's until now has ended since the database was asked.
        return self._readable(self._remote.follow(answer_id, start, owner, ended=owner == self.id))

    def _readable(self, live: LiveAnswer) -> LiveAnswer:
        # A reader whose request was under way when the drain began must not be waited for either.
        if self.draining:
            self._detach_readers(live)
        return live

    def with_reader_lease(
        self, frames: AsyncGenerator[bytes, None], lease: Lease
    ) -> AsyncGenerator[bytes, None]:
        """Returns frames that renew the reader's lease while they are read, then release it."""
        return self._held.with_reader_lease(frames, lease)

    async def stop_answer(self, answer_id: UUID, owner: str) -> bool:
        """Ends an answer on whichever worker it runs, and returns when that was told.

        Returns True if it ran here and has ended.
        """
        if await self._local.stop(answer_id):
            return True
        try:
            await self._bus.send_commands(owner, [StopAnswer(answer_id)])
        except redis_client.REDIS_ERRORS:
            await in_thread(Usage.objects.request_stop, answer_id)
        return False

    @contextlib.asynccontextmanager
    async def final_text(self, answer_id: UUID) -> AsyncIterator[Callable[[], Awaitable[str]]]:
        """Yields a function that returns the text of an answer once the block has stopped it.

        The function returns "" where the text is not known. Of a stateless answer nothing is kept
        that could be read afterwards.
        """
        generation = self._local.find(answer_id)
        if generation is not None:
            yield partial(_text_of, generation.live)
            return
        async with contextlib.AsyncExitStack() as subscription:
            try:
                receive = await subscription.enter_async_context(self._bus.subscribe(answer_id))
            except redis_client.REDIS_ERRORS:
                receive = no_text
            yield receive

    def _live_answers(self) -> list[LiveAnswer]:
        return [*(generation.live for generation in self._local.all()), *self._remote.all()]


async def _text_of(live: LiveAnswer) -> str:
    return live.text.decode()


_worker: Worker | None = None


def current() -> Worker:
    """Returns the worker of this process. Raises RuntimeError outside a server."""
    if _worker is None:
        raise RuntimeError("The worker has not been started: serve the site through chatsite.asgi.")
    return _worker


async def start() -> Worker:
    """Makes and starts the worker of this process; called when the server starts."""
    global _worker
    _worker = Worker()
    await _worker.start()
    return _worker


async def stop_answers(answers: Iterable[tuple[UUID, str]]) -> None:
    """Ends the answers, each given with its worker; returns once all of them were told."""
    await asyncio.gather(*(current().stop_answer(answer_id, owner) for answer_id, owner in answers))


async def wait_until_ended(answers: Sequence[UUID], seconds: float) -> int:
    """Waits up to `seconds` until the answers are saved; returns how many are not.

    They may run on any worker.
    """
    left = len(answers)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                left = await in_thread(Usage.objects.count_running, answers)
                if not left:
                    break
                await asyncio.sleep(TICK_SECONDS)
    return left


async def stop_conversation(conversation_id: UUID) -> None:
    """Ends the running answers of a conversation that is about to be deleted.

    Returns once their workers were told.
    """
    await stop_answers(await in_thread(Usage.objects.running_in, conversation_id))
