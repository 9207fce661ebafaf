"""Keeps all workers off a model after a 429, until its Retry-After has passed.

Each model that cools down has a key in Redis, which expires by itself. While Redis is away, a
process knows only what it was told itself.
"""

import asyncio
from time import monotonic

from django.conf import settings
from django.utils.crypto import salted_hmac
from redis.asyncio import Redis

from chat import redis_client, redis_keys

# A limit can last for the rest of a day; a longer time must be a mistake.
_MAX_SECONDS = 86_400.0
# For so long after Redis was found away it is not asked, so that not every attempt waits for it.
_ASK_AGAIN_SECONDS = 1.0


class Cooldown:
    """Tells which models cool down, and for how long.

    Its methods do not raise.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._until: dict[str, float] = {}
        self._away_until = 0.0

    async def begin(self, slug: str, seconds: float) -> None:
        """Marks the model as busy for `seconds`; a longer time that was set before stays."""
        seconds = min(seconds, _MAX_SECONDS)
        self._until[slug] = max(self._until.get(slug, 0.0), monotonic() + seconds)
        millis = round(seconds * 1000)
        if millis < 1:
            return
        pipeline = self._client.pipeline(transaction=False)
        pipeline.set(_key(slug), "1", px=millis, nx=True)
        pipeline.pexpire(_key(slug), millis, gt=True)
        try:
            await pipeline.execute()
        except redis_client.REDIS_ERRORS:
            self._note_away()

    async def remaining_seconds(self, slug: str) -> float:
        """Returns seconds until the model may be asked; 0 if it may be now."""
        shared = 0.0
        if monotonic() >= self._away_until:
            try:
                # Negative where there is no such key.
                shared = await self._client.pttl(_key(slug)) / 1000
            except redis_client.REDIS_ERRORS:
                self._note_away()
        return max(0.0, shared, self._until.get(slug, 0.0) - monotonic())

    def _note_away(self) -> None:
        self._away_until = monotonic() + _ASK_AGAIN_SECONDS
        # redis-py can turn a cancellation into its own error; an answer that was stopped must not
        # go on because of that.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError


def _key(slug: str) -> str:
    """Returns the Redis key of a model.

    It depends on the account and the upstream, since each has its own limits. The digest is keyed,
    so that it gives away neither.
    """
    model = f"{settings.OPENAI_BASE_URL} {settings.OPENAI_API_KEY} {slug}"
    return redis_keys.cooldown(
        salted_hmac("chat.cooldown", model, algorithm="sha256").hexdigest()[:24]
    )
