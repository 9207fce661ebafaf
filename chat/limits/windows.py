"""Request windows: counting through django-ratelimit, exactly and without charge for the refused.

django-ratelimit puts the rate into its cache key, so a changed limit would
start every count again at zero. We therefore count against one constant rate
per period and compare with the quota's limit here: what is used survives a
change of the limit. All functions block on Redis: call them off the event loop.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest
from django_ratelimit.core import get_usage

from chat import redis_client
from chat.errors import LimitsUnavailable
from chat.limits.counting_cache import CountingCache, counting, noting, peeking
from chat.rates import Rate

_NO_LIMIT = 10**9


@dataclass(frozen=True)
class Window:
    """One window of a rate: how much of it is used, and the seconds until it is empty again."""

    rate: Rate
    used: int
    reset: int

    @property
    def remaining(self) -> int:
        return max(0, self.rate.limit - self.used)


@dataclass
class Taken:
    """What `take` found and counted: `keys` are the counters to give back to, `full` the windows that refused."""

    windows: list[Window]
    keys: list[str] = field(default_factory=list)
    full: list[Window] = field(default_factory=list)


def peek(request: HttpRequest, group: str, value: str, rates: Sequence[Rate]) -> list[Window]:
    """The windows as they are, nothing counted. Raises LimitsUnavailable when Redis does not answer."""
    with peeking():
        return [_usage(request, group, value, rate, increment=False) for rate in rates]


def take(request: HttpRequest, group: str, value: str, rates: Sequence[Rate]) -> Taken:
    """Counts one use in every window, or in none if one of them is full. Raises LimitsUnavailable when Redis does not answer.

    The windows are taken in their order, and the first that is full ends it.
    Whoever is refused has then held windows only for a use that the next one
    refuses to everybody; if all were taken first, two could refuse each other
    and nobody would have the last use.
    """
    taken = Taken([])
    try:
        for rate in rates:
            with counting(rate.limit) as count:
                taken.windows.append(_usage(request, group, value, rate, increment=True))
            if not count.keys:
                return _undone(request, group, value, rates, taken)
            taken.keys += count.keys
    except LimitsUnavailable:
        give_back(taken.keys)
        raise
    return taken


def _undone(request: HttpRequest, group: str, value: str, rates: Sequence[Rate], taken: Taken) -> Taken:
    """A refusal by the last of the windows that `taken` tried: what was counted is given back, the windows behind it are looked at."""
    give_back(taken.keys)
    taken.keys = []
    *counted, full = taken.windows
    seen = [*(replace(window, used=window.used - 1) for window in counted), full]
    seen += peek(request, group, value, rates[len(seen) :])
    return Taken(seen, full=[full, *(window for window in seen if window is not full and not window.remaining)])


def give_back(keys: Sequence[str]) -> None:
    """Takes one from each counter that `take` counted in. A Redis that is away forgets soon enough: the windows expire."""
    try:
        cache = caches[settings.RATELIMIT_USE_CACHE]
        assert isinstance(cache, CountingCache)
        cache.give_back(list(keys))
    except redis_client.REDIS_ERRORS:
        pass


def forget(request: HttpRequest, group: str, values: Iterable[str], rates: Sequence[Rate]) -> None:
    """Empties the windows of each of the values. Raises LimitsUnavailable when Redis does not answer."""
    with noting() as keys:
        for value in values:
            peek(request, group, value, rates)
    try:
        cache = caches[settings.RATELIMIT_USE_CACHE]
        assert isinstance(cache, CountingCache)
        cache.forget(keys)
    except redis_client.REDIS_ERRORS as error:
        raise unavailable() from error


def retry_after(windows: Sequence[Window]) -> int:
    """Seconds, after which none of these full windows is full any more."""
    return max(window.reset for window in windows)


def headers(windows: Sequence[Window]) -> dict[str, str]:
    """The RateLimit fields, one item per window (draft-ietf-httpapi-ratelimit-headers-10); none without windows."""
    if not windows:
        return {}
    policy = ", ".join(f'"{window.rate.name}";q={window.rate.limit};w={window.rate.period}' for window in windows)
    state = ", ".join(f'"{window.rate.name}";r={window.remaining};t={window.reset}' for window in windows)
    return {"RateLimit-Policy": policy, "RateLimit": state}


def _usage(request: HttpRequest, group: str, value: str, rate: Rate, increment: bool) -> Window:
    try:
        usage = get_usage(request, group=group, key=lambda *_: value, rate=(_NO_LIMIT, rate.period), increment=increment)
    except redis_client.REDIS_ERRORS as error:
        raise unavailable() from error
    # time_left is -1 when Redis lost the counter between two of its commands.
    if usage is None or usage["time_left"] < 0:
        raise unavailable()
    # The window's last second still belongs to it, hence one second more.
    return Window(rate, min(usage["count"], rate.limit), usage["time_left"] + 1)


def unavailable() -> LimitsUnavailable:
    return LimitsUnavailable("The limits cannot be checked right now, so nothing was started. Try again in a moment.", retry_after=2)
