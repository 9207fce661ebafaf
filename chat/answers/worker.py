"""One worker process: its running answers, the readers on it, and the beat that keeps both honest.

A worker is stateless but for the answers it is generating. The beat writes
their text to Redis, renews leases, closes what nobody watches, follows the
answers of other workers for the readers here, and claims those of lost ones.
"""

import asyncio
import contextlib
import contextvars
import logging
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Container, Coroutine, Iterable, Sequence
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import Error

from chat import redis_client
from chat.answers import ending as endings
from chat.answers import recovery
from chat.answers.access_watch import AccessWatch
from chat.answers.answer_store import Lasting, Mirror, nothing
from chat.answers.generation import ABANDONED, STOPPED, Generation, Job
from chat.answers.live_answer import LiveAnswer
from chat.answers.remote_answers import FIRST_READER_SECONDS, Reflections
from chat.errors import AnswerError, Refusal
from chat.limits import leases, refusal_counts
from chat.models import Message, Usage
from chat.threads import in_thread
from chat.upstream.client import make_client
from chat.upstream.cooldown import Cooldown
from chat.upstream.last_failures import LastFailures
from chat.upstream.retry import Upstream

logger = logging.getLogger("chat.answers.worker")

TICK_SECONDS = 0.1
_HOST_CHARS = 40
_RECOVER_SECONDS = 2.0
# A note "somebody watches" from another worker holds for this long.
_WATCHED_SECONDS = 5.0
# What an answer has for being saved when the drain is over: several tries, and time for the beat to mirror its last words.
_SAVE_SECONDS = 8
# The readers of what could not be handed over are told before the drain is over: then the web server hangs up.
_TELLING_SECONDS = 2


class Worker:
    """The state of one process; made when its event loop starts."""

    def __init__(self) -> None:
        # The ledger holds 64 characters of it; PostgreSQL would refuse every turn of a host with a longer name.
        self.id = f"{socket.gethostname()[:_HOST_CHARS]}:{os.getpid()}:{uuid4().hex[:8]}"
        self.draining = False
        self._drain_until = 0.0
        self._redis = redis_client.async_client()
        self._mirror = Mirror(self._redis, self.id)
        self._client = make_client()
        self._upstream = Upstream(self._client, Cooldown(self._redis), LastFailures(self._redis))
        self._running: dict[UUID, Generation] = {}
        self._reflections = Reflections(self._mirror, self.spawn)
        self._seats: set[leases.Lease] = set()
        self._unreleased: list[leases.Lease] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._flushing = asyncio.Lock()
        self._renewed = 0.0
        self._suspects: set[UUID] = set()
        self._access = AccessWatch(lambda: list(self._running.values()), self._live_here)
        self._redis_down = False

    # --- life ---------------------------------------------------------------

    async def start(self) -> None:
        """Begins to beat. A Redis that is away does not stop the start: the limits refuse until it is there."""
        self.spawn(self._beat())
        self.spawn(self._access.run())
        self.spawn(self._recover_forever())

    def drain(self) -> None:
        """Takes no new turns and lets those readers go that can go on elsewhere; running answers go on."""
        if not self.draining:
            self.draining = True
            self._drain_until = monotonic() + settings.DRAIN_SECONDS
            self.spawn(self._end_stateless())
        for live in self._live_here():
            self._hand_over(live)

    def _hand_over(self, live: LiveAnswer) -> None:
        # A stateless answer is kept nowhere, so nobody can go on reading it elsewhere.
        generation = self._running.get(live.id)
        if generation is None or generation.job.stored:
            live.hand_over()

    async def _end_stateless(self) -> None:
        """Ends what could not be handed over while the web server still waits for open connections, so that its readers are told."""
        await asyncio.sleep(max(0, settings.DRAIN_SECONDS - _TELLING_SECONDS))
        for generation in list(self._running.values()):
            if not generation.job.stored:
                self._give_up(generation)

    @staticmethod
    def _give_up(generation: Generation) -> None:
        error = AnswerError("worker_lost")
        generation.halt(endings.status_for(error, bool(generation.live.text)), "drained", error)

    async def stop(self) -> None:
        """Waits for running answers up to DRAIN_SECONDS, ends the rest as interrupted, and saves them.

        Where the database is away they stay in Redis, whole, and another worker claims them when it is back.
        """
        self.drain()
        await self._all_ended(max(0, self._drain_until - monotonic()))
        for generation in list(self._running.values()):
            self._give_up(generation)
        await self._all_ended(_SAVE_SECONDS)
        # redis-py can turn a cancellation into an error of its own, which the beat survives: one request to end is not enough.
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(set(self._tasks), timeout=0.5)
        await self._write_refusals()
        with contextlib.suppress(*redis_client.REDIS_ERRORS):
            await self._mirror.resign()
        await self._client.close()
        await self._redis.aclose()

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """A task of the worker, not of the request that asked for it: it starts in a context of its own and is held until it ends."""
        task = asyncio.get_running_loop().create_task(coroutine, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        # Whoever waited may have left; asyncio would print what they were refused as an error of ours.
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, Refusal):
            logger.error("A task of the worker failed: %s", type(error).__name__)

    async def _all_ended(self, seconds: float) -> None:
        """Returns when no answer runs any more, or after so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._running:
                    await asyncio.wait([generation.task for generation in self._running.values()])

    # --- answers --------------------------------------------------------------

    def generate(self, job: Job) -> LiveAnswer:
        """Starts an answer and returns it; it goes on by itself."""
        generation = Generation(job, self._upstream, self._release)
        self._running[job.answer] = generation
        generation.task = self.spawn(self._run(generation))
        return self._readable(generation.live)

    async def _run(self, generation: Generation) -> None:
        answer_id = generation.job.answer
        try:
            await generation.run()
        finally:
            self._running.pop(answer_id, None)
            self._mirror.forget(answer_id)
        with contextlib.suppress(*redis_client.REDIS_ERRORS):
            await self._mirror.ended(answer_id, stored=generation.job.stored)

    async def _release(self, lease: leases.Lease) -> None:
        # Not while a flush is under way: it would renew what is released here.
        async with self._flushing:
            # Many answers that end while Redis hangs must not find that out one behind the other: their readers wait for this.
            if not self._redis_down:
                try:
                    await self._mirror.release(lease)
                    return
                except redis_client.REDIS_ERRORS:
                    self._note_redis(down=True)
        logger.warning("Redis is away: the slot of answer %s is free when that is back, or when its lease expires", lease.id)
        self._unreleased.append(lease)

    def _release_late(self) -> None:
        """Frees what could not be freed while Redis was away; else nobody would before a lease and a claim have run out."""
        unreleased, self._unreleased = self._unreleased, []
        for lease in unreleased:
            self.spawn(self._release(lease))

    def follow(self, answer_id: UUID, start: dict[str, Any], owner: str) -> LiveAnswer:
        """The live answer to read from: the one that runs here, or the reflection of one that runs on the worker `owner`."""
        generation = self._running.get(answer_id)
        if generation is not None:
            return self._readable(generation.live)
        # One that was this worker's until a moment ago has ended since the database was asked.
        return self._readable(self._reflections.of(answer_id, start, owner, ended=owner == self.id))

    def _readable(self, live: LiveAnswer) -> LiveAnswer:
        # Who comes while it drains, by a request that was under way, must not be waited for either.
        if self.draining:
            self._hand_over(live)
        return live

    async def seated(self, frames: AsyncGenerator[bytes, None], seat: leases.Lease) -> AsyncGenerator[bytes, None]:
        """The frames; the reader's seat is kept while they are read, and given up at the end."""
        self._seats.add(seat)
        try:
            async with contextlib.aclosing(frames):
                async for frame in frames:
                    yield frame
        finally:
            self._seats.discard(seat)
            self.spawn(self._release(seat))

    async def stop_answer(self, answer_id: UUID, owner: str) -> bool:
        """Ends an answer on whichever worker it runs, and returns when it was told to: True if it runs here and has ended."""
        generation = self._running.get(answer_id)
        if generation is not None:
            generation.halt(*STOPPED)
            await asyncio.wait([generation.task])
            return True
        try:
            await self._mirror.note(owner, [f"stop {answer_id}"])
        except redis_client.REDIS_ERRORS:
            await in_thread(Usage.objects.request_stop, answer_id)
        return False

    @contextlib.asynccontextmanager
    async def last_words(self, answer_id: UUID) -> AsyncIterator[Callable[[], Awaitable[str]]]:
        """For the block in which an answer is stopped; gives a function that returns its text once it has ended, "" if that is not known.

        Of a stateless one nothing is kept that could be read afterwards.
        """
        generation = self._running.get(answer_id)
        if generation is not None:
            yield partial(_text_of, generation.live)
            return
        async with contextlib.AsyncExitStack() as listening:
            try:
                hear = await listening.enter_async_context(self._mirror.listening(answer_id))
            except redis_client.REDIS_ERRORS:
                hear = nothing
            yield hear

    def _live_here(self) -> list[LiveAnswer]:
        return [*(generation.live for generation in self._running.values()), *self._reflections.lives()]

    # --- the beat -------------------------------------------------------------

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = monotonic()
            try:
                self._close_unwatched(now)
                self._reflections.close(now)
                for live in self._live_here():
                    for reader in live.readers:
                        reader.ping_if_silent(now)
                await self._flush(now)
                await self._reflections.read(now)
            except redis_client.REDIS_ERRORS:
                self._note_redis(down=True)
                self._assume_watched(now)
            except Exception as error:
                # Leases, timeouts and stops hang on the beat: no fault of one answer may end it.
                logger.error("The beat failed: %s", type(error).__name__)

    def _note_redis(self, down: bool) -> None:
        if down != self._redis_down:
            self._redis_down = down
            logger.warning("Redis %s", "is away: running answers go on without it" if down else "is back")

    def _assume_watched(self, now: float) -> None:
        """While Redis is away nobody can say that an answer is watched on another worker, so nothing is closed for want of readers."""
        for generation in self._running.values():
            if generation.job.stored:
                generation.watched_elsewhere = now + _WATCHED_SECONDS

    def _close_unwatched(self, now: float) -> None:
        for generation in self._running.values():
            since = generation.live.unwatched_since
            # A stateless answer is kept nowhere, so nobody can come back for it; but its first reader may be a moment late.
            grace = settings.RESUME_GRACE_SECONDS if generation.job.stored else 0 if generation.live.was_watched else FIRST_READER_SECONDS
            if self.draining and generation.job.stored:
                continue  # its readers were sent elsewhere
            if since is not None and now - max(since, generation.watched_elsewhere) > grace:
                generation.halt(*ABANDONED)

    async def _flush(self, now: float) -> None:
        renew = now - self._renewed >= leases.RENEW_SECONDS
        if not renew and not self._running:
            return
        async with self._flushing:
            stored = [generation.live for generation in self._running.values() if generation.job.stored]
            notes = await self._mirror.flush(stored, self._lasting() if renew else None)
        if renew:
            self._renewed = now
            self._note_redis(down=False)
            self._release_late()
        for note in notes:
            self._act_on(note, now)

    def _lasting(self) -> Lasting:
        to_renew = [generation.job.lease for generation in self._running.values()]
        costs = {answer_id: generation.cost_so_far for answer_id, generation in self._running.items()}
        return Lasting([*to_renew, *self._seats], costs)

    def _act_on(self, note: str, now: float) -> None:
        verb, _, answer = note.partition(" ")
        generation = self._running.get(UUID(answer))
        if generation is None:
            return
        if verb == "stop":
            generation.halt(*STOPPED)
            if not generation.job.stored:
                self.spawn(self._tell_text(generation))
        elif verb == "watch":
            generation.watched_elsewhere = now + _WATCHED_SECONDS

    async def _tell_text(self, generation: Generation) -> None:
        await asyncio.wait([generation.task])
        with contextlib.suppress(*redis_client.REDIS_ERRORS):
            await self._mirror.tell(generation.job.answer, bytes(generation.live.text))

    # --- answers of lost workers --------------------------------------------------

    async def _recover_forever(self) -> None:
        while True:
            await asyncio.sleep(_RECOVER_SECONDS)
            await self._write_refusals()
            try:
                await self.recover()
            except (Error, *redis_client.REDIS_ERRORS) as error:
                self._suspects = set()
                logger.warning("Lost answers wait to be claimed: %s", type(error).__name__)
            except Exception as error:
                # Lost answers hang on this as running ones do on the beat.
                logger.error("The recovery failed: %s", type(error).__name__)

    async def _write_refusals(self) -> None:
        try:
            await in_thread(refusal_counts.write)
        except Error as error:
            logger.warning("What was refused waits to be written: %s", type(error).__name__)

    async def recover(self) -> None:
        """Claims the answers of workers whose lease was missing twice in a row, with Redis reachable in between.

        The lease is renewed more often than this runs: a Redis that was emptied has every living worker's lease again by then.
        """
        here = [(answer_id, generation.job.stored) for answer_id, generation in self._running.items()]
        rows = await in_thread(Usage.objects.running_rows)
        running: dict[str, list[UUID]] = {}
        for row in rows:
            running.setdefault(row.worker, []).append(row.answer)
        owned = {row.answer for row in rows if row.worker == self.id and not row.stop_requested}
        self._close_ownerless([answer_id for answer_id, _ in here], owned)
        stored = [answer_id for answer_id, is_stored in here if is_stored]
        self._close_ownerless(stored, await in_thread(Message.objects.still_wanted_ids, stored))
        owners = [owner for owner in running if owner != self.id]
        here_alive, *alive = await self._mirror.alive([self.id, *owners]) if owners else [True]
        if not here_alive:
            # Redis can be read but not written (it is full, or a replica), or this worker stood still: who lives cannot be told.
            self._suspects = set()
            return
        missing = {answer for owner, lives in zip(owners, alive, strict=True) if not lives for answer in running[owner]}
        # An answer of this worker that does not run here was left by a fault of ours.
        missing |= {answer for answer in running.get(self.id, ()) if answer not in self._running}
        for answer_id in missing & self._suspects:
            if await in_thread(recovery.claim, answer_id, *await self._mirror.left(answer_id)):
                logger.warning("Answer %s was left by a lost worker: saved as far as it came", answer_id)
                await self._mirror.ended(answer_id, stored=True)
        self._suspects = missing

    def _close_ownerless(self, here: Iterable[UUID], owned: Container[UUID]) -> None:
        """Closes the upstream of what runs `here` but is not `owned` by anybody any more, or not wanted.

        A worker that stood still for longer than its lease goes on with answers
        that another has claimed: what they still cost would be in no budget. A
        turn that begins while its conversation or account is being deleted is
        not there yet when that stops what runs.
        """
        for answer_id in here:
            generation = self._running.get(answer_id)
            if generation is not None and answer_id not in owned:
                generation.halt(*STOPPED)


async def _text_of(live: LiveAnswer) -> str:
    return live.text.decode()


_worker: Worker | None = None


def current() -> Worker:
    """The worker of this process. Raises RuntimeError outside a server."""
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
    """Ends the answers, each given with the worker that runs it, wherever that is; returns once all were told to."""
    await asyncio.gather(*(current().stop_answer(answer_id, owner) for answer_id, owner in answers))


async def wait_until_ended(answers: Sequence[UUID], seconds: float) -> int:
    """Waits until the answers are saved, wherever they run, but no longer than that; returns how many are not."""
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
    """Ends the running answers of a conversation that is about to be deleted, wherever they run; returns once they were told to."""
    await stop_answers(await in_thread(Usage.objects.running_in, conversation_id))
