"""Makes the connections to Redis, for django-redis and for redis.asyncio: the one place for it.

`memory://` is a Redis inside the process (fakeredis), one server shared by both.
"""

import functools
from time import monotonic
from typing import Any

import redis
import redis.asyncio
from django.conf import settings
from django_redis.pool import ConnectionFactory as DjangoRedisConnectionFactory
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from chat import redis_keys

# With redis-py's defaults it takes 3 to 9 seconds to report that a server is away. A turn must be
# refused within 2 s, so: one attempt, half a second.
SOCKET_SECONDS = 0.5
# What a command raises when Redis does not answer, or not as it should: "Redis is away".
REDIS_ERRORS = (redis.RedisError, OSError)
_AWAY = (redis.ConnectionError, redis.TimeoutError, OSError)
# While Redis is away, one thread in this many seconds asks whether it is back; the others do not
# wait for that.
ASK_AGAIN_SECONDS = SOCKET_SECONDS + 0.1
_CHECK_SECONDS = 60


class _Client(redis.Redis):
    """Fails at once for a moment after Redis has failed.

    Many threads that wait half a second each, one after the other, would wait long.
    """

    _away_until: float | None = None

    @property
    def was_away(self) -> bool:
        """Tells whether the last command failed because Redis did not answer."""
        return self._away_until is not None

    def execute_command(self, *args: Any, **options: Any) -> Any:
        if self._away_until is not None:
            if monotonic() < self._away_until:
                raise redis.ConnectionError("Redis did not answer a moment ago.")
            self._away_until = monotonic() + ASK_AGAIN_SECONDS
        try:
            reply = super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
        except _AWAY:
            self._away_until = monotonic() + ASK_AGAIN_SECONDS
            raise
        self._away_until = None
        return reply


@functools.cache
def in_process_server() -> Any:
    import fakeredis

    return fakeredis.FakeServer()


@functools.cache
def client() -> redis.Redis:
    """Returns the blocking client of this process."""
    if settings.REDIS_IN_PROCESS:
        import fakeredis

        return fakeredis.FakeRedis(server=in_process_server())
    return _Client.from_url(
        settings.REDIS_URL, **_options(Retry(NoBackoff(), 0)), max_connections=64
    )


def was_away() -> bool:
    """Tells whether Redis was away at the blocking client's last command. Asks nothing."""
    return getattr(client(), "was_away", False)


def check() -> None:
    """Raises one of REDIS_ERRORS unless Redis answers and takes writes.

    A Redis that is full, or a replica, takes none.
    """
    client().set(redis_keys.write_check(), "1", ex=_CHECK_SECONDS)


def async_client() -> redis.asyncio.Redis:
    """Makes a client for the running event loop; the caller closes it with `aclose()`."""
    if settings.REDIS_IN_PROCESS:
        import fakeredis

        return fakeredis.FakeAsyncRedis(server=in_process_server())
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        settings.REDIS_URL, **_options(AsyncRetry(NoBackoff(), 0)), max_connections=32, timeout=1
    )
    return redis.asyncio.Redis.from_pool(pool)


def _options(retry: Any) -> dict[str, Any]:
    return {
        "socket_timeout": SOCKET_SECONDS,
        "socket_connect_timeout": SOCKET_SECONDS,
        "retry": retry,
        "health_check_interval": 0,
    }


class ConnectionFactory(DjangoRedisConnectionFactory):
    """Gives django-redis the client of this module.

    So timeouts and `memory://` are decided in one place.
    """

    def connect(self, url: str) -> redis.Redis:
        return client()
