"""Connects the workers through Redis: leases, inboxes, and final texts of stopped answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from uuid import UUID

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline, PubSub

from chat import redis_client, redis_keys
from chat.answers import commands
from chat.answers.commands import Command

WORKER_LEASE_SECONDS = 5
_INBOX_SECONDS = 60
_INBOX_BATCH = 1000
# From an end that is saved to its final text.
_FINAL_TEXT_SECONDS = 1.0
# Each holds a connection for as long as a stop takes, and leases must never wait for one.
_MAX_SUBSCRIBERS = 16


async def no_text() -> str:
    """Returns "": the final text where there is no subscription."""
    return ""


async def _receive(channel: PubSub) -> str:
    with contextlib.suppress(TimeoutError, *redis_client.REDIS_ERRORS):
        async with asyncio.timeout(_FINAL_TEXT_SECONDS):
            while True:
                message = await channel.get_message(timeout=_FINAL_TEXT_SECONDS)
                if message is not None:
                    return str(message["data"].decode())
    return ""


class WorkerBus:
    """Sends and receives for one worker; its coroutines raise `redis_client.REDIS_ERRORS`."""

    def __init__(self, client: Redis, worker_id: str) -> None:
        self._client = client
        self._worker_id = worker_id
        self._subscribers = 0

    def queue_lease(self, pipeline: Pipeline) -> None:
        """Queues the renewal of this worker's lease."""
        pipeline.set(redis_keys.worker_lease(self._worker_id), "1", ex=WORKER_LEASE_SECONDS)

    def queue_inbox(self, pipeline: Pipeline) -> None:
        """Queues the taking of this worker's commands; `commands_in` reads the reply."""
        pipeline.lpop(redis_keys.worker_inbox(self._worker_id), _INBOX_BATCH)

    @staticmethod
    def commands_in(reply: Sequence[bytes] | None) -> list[Command]:
        """Returns the commands in the reply to `queue_inbox`, but for those of other versions."""
        return [command for data in reply or () if (command := commands.decode(data)) is not None]

    async def send_commands(self, worker_id: str, sent: Sequence[Command]) -> None:
        """Puts commands into another worker's inbox, which it empties at its next flush."""
        key, pipeline = redis_keys.worker_inbox(worker_id), self._client.pipeline(transaction=False)
        pipeline.rpush(key, *map(commands.encode, sent))
        pipeline.expire(key, _INBOX_SECONDS)
        await pipeline.execute()

    async def publish_final_text(self, answer_id: UUID, text: bytes) -> None:
        """Sends the text of a stopped stateless answer to the workers that subscribe now.

        Nothing of it stays in Redis.
        """
        await self._client.publish(redis_keys.final_text_channel(answer_id), text)

    @contextlib.asynccontextmanager
    async def subscribe(self, answer_id: UUID) -> AsyncIterator[Callable[[], Awaitable[str]]]:
        """Receives what `publish_final_text` sends on another worker while the block runs.

        Yields a function that waits for the text, at most _FINAL_TEXT_SECONDS. It returns "" then,
        and where too many subscribe already.
        """
        if self._subscribers >= _MAX_SUBSCRIBERS:
            yield no_text
            return
        self._subscribers += 1
        try:
            async with self._client.pubsub(ignore_subscribe_messages=True) as channel:
                await channel.subscribe(redis_keys.final_text_channel(answer_id))
                yield lambda: _receive(channel)
        finally:
            self._subscribers -= 1

    async def alive(self, worker_ids: Sequence[str]) -> list[bool]:
        """Returns which of the workers hold a lease."""
        pipeline = self._client.pipeline(transaction=False)
        for worker_id in worker_ids:
            pipeline.exists(redis_keys.worker_lease(worker_id))
        return [bool(reply) for reply in await pipeline.execute()]

    async def release_lease(self) -> None:
        """Gives up this worker's lease and inbox at its orderly end."""
        await self._client.delete(
            redis_keys.worker_lease(self._worker_id), redis_keys.worker_inbox(self._worker_id)
        )
