"""Lets one request at a time start the same turn; copies of it wait, then follow its answer.

A `turn` is what others call an idempotency key: the client makes it, and what is sent again under
it has its effect once (draft-ietf-httpapi-idempotency-key-header).

Without the lock, copies of one turn sent at once would take slots from each other, and some would
be refused for what the others took.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from secrets import token_hex
from time import monotonic
from uuid import UUID

from chat import redis_client, redis_keys
from chat.requester import Requester
from chat.threads import in_thread

# Longer than a turn takes to start; a worker lost meanwhile leaves its lock for this long.
_LOCK_MS = 10_000
_POLL_SECONDS = 0.05

# KEYS[1] the lock; ARGV[1] its holder's token.
_UNLOCK = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
)


@contextlib.asynccontextmanager
async def turn_lock(requester: Requester, turn: UUID | None) -> AsyncIterator[None]:
    """Locks the turn while it starts; waits for a copy that holds the lock, at most 10 s.

    While Redis is away nothing is locked: the database still takes each turn only once.
    """
    if turn is None:
        yield
        return
    key, token = redis_keys.turn_lock(requester.owner_key, turn), token_hex(8)
    deadline = monotonic() + _LOCK_MS / 1000
    # By polling: the holder may be in another process.
    while not await in_thread(_lock, key, token) and monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        await in_thread(_unlock, key, token)


def _lock(key: str, token: str) -> bool:
    try:
        return bool(redis_client.client().set(key, token, nx=True, px=_LOCK_MS))
    except redis_client.REDIS_ERRORS:
        return True


def _unlock(key: str, token: str) -> None:
    with contextlib.suppress(*redis_client.REDIS_ERRORS):
        redis_client.client().eval(_UNLOCK, 1, key, token)
