"""Request windows: counting through django-ratelimit, exactly; refused requests count nothing.

django-ratelimit puts the rate into its cache key, so a changed limit would start every count again
at zero. The site therefore counts against one constant rate per period and compares with the limit
of the quota here: what is used survives a change of the limit. All functions that count or look
block on Redis: call them off the event loop.
"""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from django.conf import settings
from django.core.cache import caches
from django_ratelimit.core import get_usage

from chat import redis_client
from chat.errors import LimitsUnavailable
from chat.limits.counting_cache import CollectKeys, CountBelowCap, CountingCache, Peek, counting
from chat.rates import Rate
from chat.rollback import rollback_on_error

# The group of counters of turns; `chat.abuse` has others.
TURNS = "chat"
NO_LIMIT = 10**9
UNAVAILABLE = (
    "The limits cannot be checked right now, so nothing was started. Try again in a moment."
)


@dataclass(frozen=True)
class Window:
    """Holds a window of a rate: the uses in it, and the seconds until it is empty again."""

    rate: Rate
    used: int
    reset: int

    @property
    def remaining(self) -> int:
        return max(0, self.rate.limit - self.used)


@dataclass
class Taken:
    """Holds what `take` found and counted.

    `keys` are the counters to give back to, `full` the windows that refused.
    """

    windows: list[Window]
    keys: list[str] = field(default_factory=list)
    full: list[Window] = field(default_factory=list)


def peek(group: str, value: str, rates: Sequence[Rate]) -> list[Window]:
    """Returns the windows as they are; counts nothing.

    Raises LimitsUnavailable when Redis does not answer.
    """
    with counting(Peek()):
        return [_usage(group, value, rate, increment=False) for rate in rates]


def take(group: str, value: str, rates: Sequence[Rate]) -> Taken:
    """Counts one use in every window, or in none if one of them is full.

    Windows are taken in their order, and the first full one ends it. A refused request has then
    taken, for a moment, only from windows before one that is full for all. If all were taken first,
    two requests could refuse each other the last use. Raises LimitsUnavailable when Redis does not
    answer.
    """
    taken = Taken([])
    with rollback_on_error() as undo:
        undo.callback(lambda: give_back(taken.keys))
        for rate in rates:
            with counting(CountBelowCap(rate.limit)) as mode:
                taken.windows.append(_usage(group, value, rate, increment=True))
            if not mode.keys:
                return _undone(group, value, rates, taken)
            taken.keys += mode.keys
    return taken


def _undone(group: str, value: str, rates: Sequence[Rate], taken: Taken) -> Taken:
    """Gives back what was counted before the window that refused; looks at those behind it."""
    give_back(taken.keys)
    taken.keys = []
    *counted, last = taken.windows
    seen = [*(replace(window, used=window.used - 1) for window in counted), last]
    seen += peek(group, value, rates[len(seen) :])
    return Taken(seen, full=[last, *full(window for window in seen if window is not last)])


def give_back(keys: Sequence[str]) -> None:
    """Takes one from each counter in which `take` counted.

    While Redis is away nothing happens: the windows expire.
    """
    with contextlib.suppress(*redis_client.REDIS_ERRORS):
        _cache().give_back(list(keys))


def forget(group: str, values: Iterable[str], rates: Sequence[Rate]) -> None:
    """Empties the windows of each of the values.

    Raises LimitsUnavailable when Redis does not answer.
    """
    with counting(CollectKeys()) as mode:
        for value in values:
            for rate in rates:
                _usage(group, value, rate, increment=False)
    try:
        _cache().forget(mode.keys)
    except redis_client.REDIS_ERRORS as error:
        raise unavailable() from error


def full(windows: Iterable[Window]) -> list[Window]:
    """Returns the windows in which no use is left."""
    return [window for window in windows if not window.remaining]


def retry_after(full_windows: Sequence[Window]) -> int:
    """Returns the seconds after which none of these full windows is full any more."""
    return max(window.reset for window in full_windows)


def headers(windows: Sequence[Window]) -> dict[str, str]:
    """Returns the RateLimit fields with one item per window; none without windows.

    Source: draft-ietf-httpapi-ratelimit-headers-10.
    """
    if not windows:
        return {}
    policy = ", ".join(
        f'"{window.rate.name}";q={window.rate.limit};w={window.rate.period}' for window in windows
    )
    state = ", ".join(
        f'"{window.rate.name}";r={window.remaining};t={window.reset}' for window in windows
    )
    return {"RateLimit-Policy": policy, "RateLimit": state}


def unavailable() -> LimitsUnavailable:
    """Makes the refusal for a Redis that does not answer."""
    return LimitsUnavailable(UNAVAILABLE, retry_after=2)


def _usage(group: str, value: str, rate: Rate, increment: bool) -> Window:
    try:
        # No request is needed: with a function as key and a tuple as rate the library reads none.
        usage = get_usage(
            None,
            group=group,
            key=lambda *_: value,
            rate=(NO_LIMIT, rate.period),
            increment=increment,
        )
    except redis_client.REDIS_ERRORS as error:
        raise unavailable() from error
    # time_left is -1 when Redis lost the counter between two of its commands.
    if usage is None or usage["time_left"] < 0:
        raise unavailable()
    # The window's last second still belongs to it, hence one second more.
    return Window(rate, min(usage["count"], rate.limit), usage["time_left"] + 1)


def _cache() -> CountingCache:
    cache = caches[settings.RATELIMIT_USE_CACHE]
    assert isinstance(cache, CountingCache)
    return cache
