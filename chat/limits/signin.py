"""Limits on the public forms: failed sign-ins, sign-ups and password resets, counted by address and by account.

An account is counted together with the address that tries it, so that nobody
can lock somebody else out. A name is counted whether or not an account has it.
All functions block on Redis, and raise RateLimited, or LimitsUnavailable when
Redis does not answer and LIMITS_WHEN_REDIS_DOWN is not `allow`.
"""

import unicodedata
from collections.abc import Sequence

from django.conf import settings
from django.http import HttpRequest

from chat.errors import LimitsUnavailable, RateLimited
from chat.limits import windows
from chat.limits.client_ip import limit_address
from chat.rates import Rate

FAILED_SIGN_INS = Rate(10, 300, "5m")
SIGN_UPS = Rate(10, 3600, "h")
PASSWORD_RESETS = Rate(5, 3600, "h")

# A group of counters, and what is counted in it.
Counter = tuple[str, str]


def check_sign_in(request: HttpRequest, username: str) -> None:
    """Counts nothing; refuses when there have been too many failures.

    To be asked before the password is looked at and, once it has turned out to
    be right, again: of many guesses at once, only those that end before the
    limit is reached can learn anything.
    """
    try:
        for group, value in _sign_in_counters(request, username):
            _refuse_if_full([window for window in windows.peek(request, group, value, [FAILED_SIGN_INS]) if not window.remaining])
    except LimitsUnavailable:
        _decide_without_redis()


def count_failed_sign_in(request: HttpRequest, username: str) -> None:
    """Counts one failure; refuses, and counts nothing, when the limit is reached already."""
    _count(request, _sign_in_counters(request, username), FAILED_SIGN_INS)


def count_sign_up(request: HttpRequest) -> None:
    """Counts one attempt to make an account."""
    _count(request, [("sign-up", _address(request))], SIGN_UPS)


def count_password_reset(request: HttpRequest, email: str) -> None:
    """Counts one request for a reset mail: by who asks, and by who would be mailed, whoever asks."""
    _count(request, [("reset-by", _address(request)), ("reset-for", _folded(email))], PASSWORD_RESETS)


def _sign_in_counters(request: HttpRequest, username: str) -> list[Counter]:
    address = _address(request)
    return [("sign-in", address), ("sign-in-as", f"{address} {_folded(username)}")]


def _address(request: HttpRequest) -> str:
    return limit_address(request.META.get("REMOTE_ADDR", ""))


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold()


def _count(request: HttpRequest, counters: Sequence[Counter], rate: Rate) -> None:
    taken: list[windows.Taken] = []
    try:
        for group, value in counters:
            taken.append(windows.take(request, group, value, [rate]))
            # At once: who is refused here must not hold the next counter, or two could refuse each other the last use.
            _refuse_if_full(taken[-1].full)
    except (LimitsUnavailable, RateLimited) as refusal:
        windows.give_back([key for each in taken for key in each.keys])
        if isinstance(refusal, RateLimited):
            raise
        _decide_without_redis()


def _refuse_if_full(full: Sequence[windows.Window]) -> None:
    if full:
        raise RateLimited("There were too many attempts.", retry_after=windows.retry_after(full))


def _decide_without_redis() -> None:
    if settings.LIMITS_WHEN_REDIS_DOWN != "allow":
        raise LimitsUnavailable("This cannot be checked right now. Try again in a moment.", retry_after=2)
