"""Renews and releases the leases that one worker holds for its readers and answers."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator

from redis.asyncio import Redis

from chat import redis_client
from chat.answers.tasks import Spawn
from chat.limits import leases
from chat.limits.leases import Lease

logger = logging.getLogger("chat.answers.worker")


class HeldLeases:
    """Holds the leases of one worker.

    `readers` are renewed by the heartbeat, which holds `lock` meanwhile. `redis_is_away` is what
    `release` or the heartbeat last found.
    """

    def __init__(self, client: Redis, spawn: Spawn) -> None:
        self._client = client
        self._spawn = spawn
        self._unreleased: list[Lease] = []
        self.readers: set[Lease] = set()
        self.lock = asyncio.Lock()
        self.redis_is_away = False

    def note_redis(self, *, away: bool) -> None:
        """Notes that Redis went away or came back, and logs the change."""
        if away != self.redis_is_away:
            self.redis_is_away = away
            logger.warning(
                "Redis %s", "is away: running answers go on without it" if away else "is back"
            )

    async def release(self, lease: Lease) -> None:
        """Frees a slot and its reservation, now or when Redis is back. Does not raise.

        Uses no thread: a locked database may hold all of them, and leases must not wait for one.
        """
        # Not while a flush is under way: it would renew what is released here.
        async with self.lock:
            # Answers that end while Redis hangs must not wait for its timeout one after another:
            # their readers wait for this.
            if not self.redis_is_away:
                try:
                    pipeline = self._client.pipeline(transaction=False)
                    leases.queue_release(pipeline, lease)
                    await pipeline.execute()
                    return
                except redis_client.REDIS_ERRORS:
                    self.note_redis(away=True)
        logger.warning(
            "Redis is away: the slot of answer %s is free when that is back, or when its lease"
            " expires",
            lease.id,
        )
        self._unreleased.append(lease)

    def release_late(self) -> None:
        """Frees what could not be freed while Redis was away.

        Otherwise it would stay taken until its lease has expired.
        """
        unreleased, self._unreleased = self._unreleased, []
        for lease in unreleased:
            self._spawn(self.release(lease))

    async def with_reader_lease(
        self, frames: AsyncGenerator[bytes, None], lease: Lease
    ) -> AsyncGenerator[bytes, None]:
        """Yields the frames; renews the reader's lease meanwhile, and releases it at the end."""
        self.readers.add(lease)
        try:
            async with contextlib.aclosing(frames):
                async for frame in frames:
                    yield frame
        finally:
            self.readers.discard(lease)
            self._spawn(self.release(lease))
