"""The cache that django-ratelimit counts in: django-redis, whose counts cannot pass a cap.

django-ratelimit counts refused attempts too: sixty calls at a limit of ten
leave sixty. Inside `counting(cap)` an increment that would pass the cap is not
made, and what was counted is noted, so that it can be given back: the very
keys taken, not keys computed again in what may be another window.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django_redis.cache import RedisCache

# KEYS[1] the counter; ARGV[1] its cap. Returns the count, or cap + 1 with nothing counted; nil when there is no counter.
_INCREMENT_BELOW_CAP = """
local count = redis.call('GET', KEYS[1])
if not count then return false end
if tonumber(count) >= tonumber(ARGV[1]) then return tonumber(ARGV[1]) + 1 end
return redis.call('INCR', KEYS[1])
"""
_GIVE_BACK = """
local count = redis.call('GET', KEYS[1])
if count and tonumber(count) > 0 then return redis.call('DECR', KEYS[1]) end
return 0
"""
# Keys in one command: a long one would hold up everybody else's.
_AT_ONCE = 500


@dataclass
class Count:
    """One capped count: `keys` are the Redis keys in which it counted one."""

    cap: int
    keys: list[str] = field(default_factory=list)


_current: ContextVar[Count | None] = ContextVar("capped_count", default=None)


@contextmanager
def counting(cap: int) -> Iterator[Count]:
    """While open, this thread's increments stop at `cap`."""
    count = Count(cap)
    token = _current.set(count)
    try:
        yield count
    finally:
        _current.reset(token)


_noted: ContextVar[list[str] | None] = ContextVar("noted_keys", default=None)


@contextmanager
def noting() -> Iterator[list[str]]:
    """While open, this thread counts and asks nothing: the list has the Redis keys that would have been asked for."""
    keys: list[str] = []
    token = _noted.set(keys)
    try:
        yield keys
    finally:
        _noted.reset(token)


_peeking: ContextVar[bool] = ContextVar("peeking", default=False)


@contextmanager
def peeking() -> Iterator[None]:
    """While open, this thread adds nothing: what is not there is read as the zero that it stands for."""
    token = _peeking.set(True)
    try:
        yield
    finally:
        _peeking.reset(token)


class CountingCache(RedisCache):
    """django-redis' cache; outside `counting`, `noting` and `peeking` it is exactly that."""

    def add(self, key: str, value: Any, *args: Any, **kwargs: Any) -> bool:
        if (noted := _noted.get()) is not None:
            noted.append(self._redis_key(key))
            return True
        if _peeking.get():
            # django-ratelimit writes a count of zero before it reads: a look is half as dear without, and leaves no keys behind.
            return False
        count = _current.get()
        if count is None or not value:
            return bool(super().add(key, value, *args, **kwargs))
        if count.cap < 1:
            # The first use of a window is an `add`: at a limit of none it must not count either.
            super().add(key, 0, *args, **kwargs)
            return False
        added = bool(super().add(key, value, *args, **kwargs))
        if added:
            count.keys.append(self._redis_key(key))
        return added

    def incr(self, key: str, *args: Any, **kwargs: Any) -> int:
        count = _current.get()
        if count is None:
            return int(super().incr(key, *args, **kwargs))
        redis_key = self._redis_key(key)
        value = self.client.get_client(write=True).eval(_INCREMENT_BELOW_CAP, 1, redis_key, count.cap)
        if value is None:
            raise ValueError(f"Key {key!r} not found")
        if value <= count.cap:
            count.keys.append(redis_key)
        return int(value)

    def give_back(self, keys: list[str]) -> None:
        """Takes one from each of the counters that `counting` noted; one that has expired stays away."""
        client = self.client.get_client(write=True)
        for key in keys:
            client.eval(_GIVE_BACK, 1, key)

    def forget(self, keys: list[str]) -> None:
        """Deletes the counters that `noting` noted."""
        for first in range(0, len(keys), _AT_ONCE):
            self.client.get_client(write=True).unlink(*keys[first : first + _AT_ONCE])

    def _redis_key(self, key: str) -> str:
        return str(self.client.make_key(key))
