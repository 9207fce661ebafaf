"""Warns a person before a limit is met: names the limits of which little is left."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import ceil

from django.utils import timezone

from chat.formatting import per
from chat.limits.usage_report import Report
from chat.limits.windows import Window

# Told when no more than this share is left.
_LITTLE = Decimal("0.2")


@dataclass(frozen=True)
class LimitWarning:
    """Holds a sentence about a limit of which little is left.

    In `seconds` the limit is whole again.
    """

    message: str
    seconds: int


def limit_warnings(report: Report) -> list[LimitWarning]:
    """Returns a warning for each limit of which little is left.

    Those that take longest come first. A quota that refuses nothing has none.
    """
    quota = report.quota.enforced if report.quota else None
    if quota is None:
        return []
    found = [
        warning
        for window in report.windows or []
        if quota.requests and (warning := _of_window(window))
    ]
    found += _of_budget("today's tokens", report.tokens, quota.tokens_per_day, report.tokens_reset)
    found += _of_budget(
        "this month's budget", report.spend, quota.spend_per_month_usd, report.spend_reset
    )
    return sorted(found, key=lambda warning: warning.seconds, reverse=True)


def _of_window(window: Window) -> LimitWarning | None:
    limit, left = window.rate.limit, window.remaining
    if left > max(1, int(limit * _LITTLE)) or not window.used:
        return None
    return LimitWarning(
        f"{left or 'None'} of your {limit} requests {per(window.rate.period)} left.", window.reset
    )


def _of_budget(
    name: str, used: int | Decimal, limit: int | Decimal | None, reset: datetime
) -> Iterator[LimitWarning]:
    if not limit or used < (1 - _LITTLE) * limit:
        return
    # Rounded up: while anything is left, 0 % is not true.
    percent = max(0, ceil(100 * (limit - used) / limit))
    left = f"{percent} % of {name} left" if percent else f"Nothing of {name} is left"
    seconds = max(1, ceil((reset - timezone.now()).total_seconds()))
    yield LimitWarning(f"{left}, until {timezone.localtime(reset):%-d %B, %H:%M}.", seconds)
