"""Limits on failed sign-ins, sign-ups and password resets, counted by address and by account.

An account is counted together with the address that tries it, so that no one can lock another
person out. A name is counted whether or not an account has it. An `address` is what
`client_ip.limit_address` makes of the client's. All functions block on Redis, and raise
RateLimited, or LimitsUnavailable when Redis does not answer and LIMITS_WHEN_REDIS_DOWN is not
`allow`.
"""

import unicodedata

from chat.abuse import action_limits
from chat.errors import LimitsUnavailable
from chat.limits import windows
from chat.rates import Rate

FAILED_SIGN_INS = Rate(10, 300, "5m")
SIGN_UPS = Rate(10, 3600, "h")
PASSWORD_RESETS = Rate(5, 3600, "h")


def check_sign_in(address: str, username: str) -> None:
    """Raises RateLimited when there have been too many failures; counts nothing.

    Call it before the password is checked and, if that was right, again: of many guesses at once,
    only those that end before the limit is reached can learn anything.
    """
    try:
        for group, value in _sign_in_counters(address, username):
            action_limits.refuse_if_full(
                windows.full(windows.peek(group, value, [FAILED_SIGN_INS]))
            )
    except LimitsUnavailable:
        action_limits.decide_without_redis()


def count_failed_sign_in(address: str, username: str) -> None:
    """Counts one failure; refuses, and counts nothing, where the limit is reached already."""
    action_limits.count(_sign_in_counters(address, username), FAILED_SIGN_INS)


def count_sign_up(address: str) -> None:
    """Counts one attempt to make an account."""
    action_limits.count([("sign-up", address)], SIGN_UPS)


def count_password_reset(address: str, email: str) -> None:
    """Counts one request for a reset mail, by the address that asks and by the mail address."""
    action_limits.count([("reset-by", address), ("reset-for", _folded(email))], PASSWORD_RESETS)


def _sign_in_counters(address: str, username: str) -> list[action_limits.Counter]:
    return [("sign-in", address), ("sign-in-as", f"{address} {_folded(username)}")]


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip().casefold()
