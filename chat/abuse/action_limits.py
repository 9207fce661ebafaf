"""Limits on what is not a turn, counted by who asks: fixed rates, above what a person does by hand.

All functions block on Redis and raise RateLimited. Where Redis does not answer,
`count` decides as LIMITS_WHEN_REDIS_DOWN says; searching and exporting what is
one's own goes on.
"""

import contextlib
from collections.abc import Sequence

from django.conf import settings
from django.http import HttpRequest

from chat.client_ip import limit_address
from chat.errors import LimitsUnavailable, RateLimited
from chat.limits import windows
from chat.rates import Rate
from chat.requester import Requester

SEARCHES = Rate(60, 60, "m")
EXPORTS = Rate(30, 60, "m")
CHALLENGES = Rate(60, 60, "m")

# A group of counters, and what is counted in it.
Counter = tuple[str, str]


def count_search(request: HttpRequest, requester: Requester) -> None:
    _count_own(request, "search", requester, SEARCHES)


def count_export(request: HttpRequest, requester: Requester) -> None:
    _count_own(request, "export", requester, EXPORTS)


def count_challenge(request: HttpRequest) -> None:
    count(request, [("challenge", address(request))], CHALLENGES)


def _count_own(request: HttpRequest, group: str, requester: Requester, rate: Rate) -> None:
    with contextlib.suppress(LimitsUnavailable):
        count(request, [(group, requester.limit_key)], rate)


def address(request: HttpRequest) -> str:
    """What somebody without an account is counted on."""
    return limit_address(request.META.get("REMOTE_ADDR", ""))


def count(request: HttpRequest, counters: Sequence[Counter], rate: Rate) -> None:
    """Counts one use in each of the counters, or in none when one of them refuses."""
    taken: list[windows.Taken] = []
    try:
        for group, value in counters:
            taken.append(windows.take(request, group, value, [rate]))
            # At once: who is refused here must not hold the next counter, or two could refuse each other the last use.
            refuse_if_full(taken[-1].full)
    except (LimitsUnavailable, RateLimited) as refusal:
        windows.give_back([key for each in taken for key in each.keys])
        if isinstance(refusal, RateLimited):
            raise
        decide_without_redis()


def refuse_if_full(full: Sequence[windows.Window]) -> None:
    if full:
        raise RateLimited("There were too many attempts.", retry_after=windows.retry_after(full))


def decide_without_redis() -> None:
    """Raises LimitsUnavailable unless LIMITS_WHEN_REDIS_DOWN is `allow`."""
    if settings.LIMITS_WHEN_REDIS_DOWN != "allow":
        raise LimitsUnavailable("This cannot be checked right now. Try again in a moment.", retry_after=2)
