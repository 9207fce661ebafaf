"""The periods of the usage page: some days up to today, or a calendar month."""

from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.dateparse import parse_date

from chat.limits.budgets import month_end

DAYS = (7, 30, 90)
FIRST_YEAR = 2000


@dataclass(frozen=True)
class Period:
    """Holds whole days of the site's time zone, the first and the last included.

    `key` is its name in addresses.
    """

    key: str
    first: date
    last: date

    @property
    def days(self) -> list[date]:
        return [
            self.first + timedelta(days=number)
            for number in range((self.last - self.first).days + 1)
        ]

    @property
    def is_month(self) -> bool:
        return not self.key.isdigit()


def period_of(key: str, today: date) -> Period:
    """Returns the period that `key` names.

    "7", "30" and "90" are that many days up to today, "2026-11" is that month up to today; anything
    else is 30 days.
    """
    first = _parse_month(key)
    if first is not None and first <= today:
        return Period(key, first, min(month_end(first), today))
    days = int(key) if key in map(str, DAYS) else 30
    return Period(str(days), today - timedelta(days=days - 1), today)


def _parse_month(key: str) -> date | None:
    try:
        first = parse_date(f"{key}-01") if len(key) == len("2026-11") else None
    except ValueError:
        return None
    return first if first is not None and first.year >= FIRST_YEAR else None


def month_key(day: date) -> str:
    return f"{day:%Y-%m}"


def month_before(day: date) -> date:
    return (day.replace(day=1) - timedelta(days=1)).replace(day=1)


def month_after(day: date) -> date:
    return month_end(day) + timedelta(days=1)
