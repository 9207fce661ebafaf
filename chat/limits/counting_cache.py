"""The cache in which django-ratelimit counts: django-redis, with counts that cannot pass a cap.

django-ratelimit takes its cache from the settings by name, so nothing can be passed to it: no cap,
and no place for the keys that it makes up. It counts refused attempts too: sixty calls at a limit
of ten leave sixty. This is all that its `get_usage` does to the cache:

    added = cache.add(key, 1 if increment else 0)
    if not added: cache.incr(key) if increment else cache.get(key)

django-ratelimit still decides on keys, windows and times. The two writes are decided by the mode
that `counting` sets for the length of a call, in this thread:

    Peek           reads, and writes nothing
    CountBelowCap  counts one, but never beyond a cap, and notes the Redis key
    CollectKeys    asks Redis nothing, and notes the Redis keys

The noted keys are those that are given back: keys computed again could be those of the next window.
Outside `counting` the cache is django-redis' own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from django_redis.cache import RedisCache

# KEYS[1] the counter; ARGV[1] its cap. Returns the count, or cap + 1 with nothing counted; nil when
# there is no counter.
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
# How many keys one command deletes: a long command holds up all others.
_MAX_KEYS_AT_ONCE = 500


class Mode(Protocol):
    """Decides what the two writes of django-ratelimit do.

    `key` is the key as the cache has it, not yet as Redis has it.
    """

    def add(self, cache: "CountingCache", key: str, value: Any, timeout: int) -> bool: ...

    def incr(self, cache: "CountingCache", key: str) -> int: ...


class Peek:
    """Adds nothing; a counter that is not there is read as zero.

    django-ratelimit writes a count of zero before it reads. Without that write a peek costs half as
    much, and leaves no keys behind.
    """

    def add(self, cache: "CountingCache", key: str, value: Any, timeout: int) -> bool:
        return False

    def incr(self, cache: "CountingCache", key: str) -> int:
        raise AssertionError("A peek does not count.")


@dataclass
class CountBelowCap:
    """Counts one where that does not pass `cap`; `keys` are the Redis keys in which it did."""

    cap: int
    keys: list[str] = field(default_factory=list)

    def add(self, cache: "CountingCache", key: str, value: Any, timeout: int) -> bool:
        # The first use of a window is an `add`: at a limit of none it must not count either.
        added = cache.add_plainly(key, value if self.cap >= 1 else 0, timeout)
        if self.cap < 1:
            return False
        if added:
            self.keys.append(cache.redis_key(key))
        return added

    def incr(self, cache: "CountingCache", key: str) -> int:
        value = cache.run(_INCREMENT_BELOW_CAP, cache.redis_key(key), self.cap)
        if value is None:
            # As Django's caches do; django-ratelimit then reports that it could not count.
            raise ValueError(f"Key {key!r} not found")
        if value <= self.cap:
            self.keys.append(cache.redis_key(key))
        return int(value)


@dataclass
class CollectKeys:
    """Notes in `keys` the Redis keys of the counters, and pretends that each was added."""

    keys: list[str] = field(default_factory=list)

    def add(self, cache: "CountingCache", key: str, value: Any, timeout: int) -> bool:
        self.keys.append(cache.redis_key(key))
        return True

    def incr(self, cache: "CountingCache", key: str) -> int:
        raise AssertionError("What was added is not counted up.")


M = TypeVar("M", bound=Mode)
_mode: ContextVar[Mode | None] = ContextVar("counting_mode", default=None)


@contextmanager
def counting(mode: M) -> Iterator[M]:
    """Lets `mode` decide for the block, in this thread."""
    token = _mode.set(mode)
    try:
        yield mode
    finally:
        _mode.reset(token)


class CountingCache(RedisCache):
    """Counts as the mode of `counting` says; outside of it, it is django-redis' cache."""

    def add(self, key: str, value: Any, *args: Any, **kwargs: Any) -> bool:
        mode = _mode.get()
        return (
            self.add_plainly(key, value, *args, **kwargs)
            if mode is None
            else mode.add(self, key, value, *args)
        )

    def incr(self, key: str, *args: Any, **kwargs: Any) -> int:
        mode = _mode.get()
        return int(super().incr(key, *args, **kwargs)) if mode is None else mode.incr(self, key)

    def add_plainly(self, key: str, value: Any, *args: Any, **kwargs: Any) -> bool:
        """Adds as django-redis does."""
        return bool(super().add(key, value, *args, **kwargs))

    def give_back(self, keys: list[str]) -> None:
        """Takes one from each counter by its Redis key; an expired one is not made again."""
        for key in keys:
            self.run(_GIVE_BACK, key)

    def forget(self, keys: list[str]) -> None:
        """Deletes the counters by their Redis keys."""
        for first in range(0, len(keys), _MAX_KEYS_AT_ONCE):
            self.client.get_client(write=True).unlink(*keys[first : first + _MAX_KEYS_AT_ONCE])

    def run(self, script: str, key: str, *values: int) -> Any:
        """Runs a script on a counter by its Redis key."""
        return self.client.get_client(write=True).eval(script, 1, key, *values)

    def redis_key(self, key: str) -> str:
        """Returns the key as Redis has it."""
        return str(self.client.make_key(key))
