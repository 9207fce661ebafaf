"""Limits on the public forms: failed sign-ins, sign-ups and password resets, counted by address and by account.

An account is counted together with the address that tries it, so that nobody
can lock somebody else out. A name is counted whether or not an account has it.
All functions block on Redis, and raise RateLimited, or LimitsUnavailable when
Redis does not answer and LIMITS_WHEN_REDIS_DOWN is not `allow`.
"""

import unicodedata

from django.http import HttpRequest

from chat.abuse import action_limits
from chat.errors import LimitsUnavailable
from chat.limits import windows
from chat.rates import Rate

FAILED_SIGN_INS = Rate(10, 300, "5m")
SIGN_UPS = Rate(10, 3600, "h")
PASSWORD_RESETS = Rate(5, 3600, "h")


def check_sign_in(request: HttpRequest, username: str) -> None:
    """Counts nothing; refuses when there have been too many failures.

    To be asked before the password is looked at and, once it has turned out to
    be right, again: of many guesses at once, only those that end before the
    limit is reached can learn anything.
    """
    try:
        for group, value in _sign_in_counters(request, username):
            action_limits.refuse_if_full(
                [window for window in windows.peek(request, group, value, [FAILED_SIGN_INS]) if not window.remaining]
            )
    except LimitsUnavailable:
        action_limits.decide_without_redis()


def count_failed_sign_in(request: HttpRequest, username: str) -> None:
    """Counts one failure; refuses, and counts nothing, when the limit is reached already."""
    action_limits.count(request, _sign_in_counters(request, username), FAILED_SIGN_INS)


def count_sign_up(request: HttpRequest) -> None:
    """Counts one attempt to make an account."""
    action_limits.count(request, [("sign-up", action_limits.address(request))], SIGN_UPS)


def count_password_reset(request: HttpRequest, email: str) -> None:
    """Counts one request for a reset mail: by who asks, and by who would be mailed, whoever asks."""
    action_limits.count(request, [("reset-by", action_limits.address(request)), ("reset-for", _folded(email))], PASSWORD_RESETS)


def _sign_in_counters(request: HttpRequest, username: str) -> list[action_limits.Counter]:
    address = action_limits.address(request)
    return [("sign-in", address), ("sign-in-as", f"{address} {_folded(username)}")]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold()
