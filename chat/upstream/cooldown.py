"""After a 429 a model is left alone by all workers until its Retry-After has passed.

One key in Redis for each model that cools down, which expires by itself. While
Redis is away, what this process was told itself is all that is known.
"""

import asyncio
from time import monotonic

from django.conf import settings
from django.utils.crypto import salted_hmac
from redis.asyncio import Redis

from chat import redis_client, redis_keys

# Some say 429 for the rest of a day; what names a longer time is wrong.
_MAX_SECONDS = 86_400.0
# An attempt that found Redis away spares the next ones from finding out one by one.
_ASK_AGAIN_SECONDS = 1.0


class Cooldown:
    """Tells which models cool down, and for how long. Its methods do not raise."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._until: dict[str, float] = {}
        self._away_until = 0.0

    async def begin(self, slug: str, seconds: float) -> None:
        """Marks the model as busy for so long; a longer time that was told before stays."""
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
        # redis-py can turn a cancellation into an error of its own; an answer that was stopped must
        # not go on for that.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError


def _key(slug: str) -> str:
    """Returns the key of a model.

    Another account or another upstream has limits of its own. The digest is keyed: it gives nothing
    away.
    """
    model = f"{settings.OPENAI_BASE_URL} {settings.OPENAI_API_KEY} {slug}"
    return redis_keys.cooldown(
        salted_hmac("chat.cooldown", model, algorithm="sha256").hexdigest()[:24]
    )
