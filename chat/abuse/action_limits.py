"""Limits on actions other than turns: fixed rates, above what a person does by hand.

All functions block on Redis and raise RateLimited. Where Redis does not answer, `count` decides as
LIMITS_WHEN_REDIS_DOWN says; searches and exports of a person's own conversations go on.
"""

import contextlib
from collections.abc import Sequence

from django.conf import settings

from chat.errors import LimitsUnavailable, RateLimited
from chat.limits import windows
from chat.rates import Rate
from chat.requester import Requester
from chat.rollback import rollback_on_error

SEARCHES = Rate(60, 60, "m")
EXPORTS = Rate(30, 60, "m")
CHALLENGES = Rate(60, 60, "m")

# A group of counters, and the value that is counted in it.
Counter = tuple[str, str]


def count_search(requester: Requester) -> None:
    """Counts one search of the requester's own conversations."""
    _count_own("search", requester, SEARCHES)


def count_export(requester: Requester) -> None:
    """Counts one export of a conversation of the requester's own."""
    _count_own("export", requester, EXPORTS)


def count_challenge(address: str) -> None:
    """Counts one proof of work that is asked for from the address."""
    count([("challenge", address)], CHALLENGES)


def _count_own(group: str, requester: Requester, rate: Rate) -> None:
    with contextlib.suppress(LimitsUnavailable):
        count([(group, requester.limit_key)], rate)


def count(counters: Sequence[Counter], rate: Rate) -> None:
    """Counts one use in each of the counters, or in none where one of them refuses."""
    try:
        with rollback_on_error() as undo:
            for group, value in counters:
                taken = windows.take(group, value, [rate])
                undo.callback(windows.give_back, taken.keys)
                # Before the next counter: a refused request must not take from that one, or two
                # requests could refuse each other the last use.
                refuse_if_full(taken.full)
    except LimitsUnavailable:
        decide_without_redis()


def refuse_if_full(full: Sequence[windows.Window]) -> None:
    """Raises RateLimited if there are any full windows."""
    if full:
        raise RateLimited("There were too many attempts.", retry_after=windows.retry_after(full))


def decide_without_redis() -> None:
    """Raises LimitsUnavailable unless LIMITS_WHEN_REDIS_DOWN is `allow`."""
    if settings.LIMITS_WHEN_REDIS_DOWN != "allow":
        raise LimitsUnavailable(
            "This cannot be checked right now. Try again in a moment.", retry_after=2
        )
