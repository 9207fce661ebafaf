"""Runs what a worker does ten times a second.

It writes text to Redis and reads it there, renews leases, takes commands, sends pings and ends what
no one watches.
"""

import asyncio
import logging
from time import monotonic

from redis.asyncio import Redis

from chat import redis_client
from chat.answers.answer_store import AnswerStore
from chat.answers.commands import Command
from chat.answers.held_leases import HeldLeases
from chat.answers.local_answers import LocalAnswers
from chat.answers.remote_answers import RemoteAnswers
from chat.answers.worker_bus import WorkerBus
from chat.limits import leases

logger = logging.getLogger("chat.answers.worker")

TICK_SECONDS = 0.1


class Heartbeat:
    """Beats for one worker; `local` and `remote` are the answers generated and read there."""

    def __init__(
        self,
        client: Redis,
        store: AnswerStore,
        bus: WorkerBus,
        held: HeldLeases,
        local: LocalAnswers,
        remote: RemoteAnswers,
    ) -> None:
        self._client = client
        self._store = store
        self._bus = bus
        self._held = held
        self._local = local
        self._remote = remote
        self._renewed = 0.0

    async def run(self) -> None:
        """Beats until it is cancelled.

        Leases, timeouts and stops depend on it: no fault of one answer may end it.
        """
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = monotonic()
            try:
                await self._beat(now)
            except redis_client.REDIS_ERRORS:
                self._held.note_redis(away=True)
                self._local.assume_watched(now)
            except Exception as error:
                logger.error("The heartbeat failed: %s", type(error).__name__)

    async def _beat(self, now: float) -> None:
        self._local.cancel_unwatched(now)
        self._remote.close_ended(now)
        for live in [*(generation.live for generation in self._local.all()), *self._remote.all()]:
            for reader in live.readers:
                reader.ping_if_silent(now)
        await self._flush(now)
        await self._remote.read(now)

    async def _flush(self, now: float) -> None:
        renew = now - self._renewed >= leases.RENEW_SECONDS
        if not renew and not self._local.all():
            return
        async with self._held.lock:
            commands = await self._exchange(renew)
        if renew:
            self._renewed = now
            self._held.note_redis(away=False)
            self._held.release_late()
        for command in commands:
            self._local.handle_command(command, now)

    async def _exchange(self, renew: bool) -> list[Command]:
        """Writes what is new and takes the commands of other workers, in one pipeline.

        With `renew` it writes leases and costs too.
        """
        generations, pipeline = self._local.all(), self._client.pipeline(transaction=False)
        stored = (generation.live for generation in generations if generation.job.plan.stored)
        sizes = self._store.queue_texts(pipeline, stored, verify=renew)
        if renew:
            self._bus.queue_lease(pipeline)
            for lease in [
                *(generation.job.lease for generation in generations),
                *self._held.readers,
            ]:
                leases.renew(pipeline, lease)
            self._store.queue_costs(
                pipeline,
                {generation.job.plan.answer: generation.cost_so_far for generation in generations},
            )
        self._bus.queue_inbox(pipeline)
        try:
            *replies, inbox = await pipeline.execute()
        except redis_client.REDIS_ERRORS:
            self._store.forget(sizes)
            raise
        self._store.texts_written(sizes, replies)
        return self._bus.commands_in(inbox)
