"""How long people wait for the first token: percentiles by day, from the ledger."""

from dataclasses import dataclass
from datetime import date

from django.db import connection
from django.db.models import Count

from chat.models import Usage
from chat.operator.periods import Period


@dataclass(frozen=True)
class Wait:
    """Holds the milliseconds until the first token on one day: median and 95th percentile.

    They are None without answers.
    """

    day: date
    answers: int = 0
    median: int | None = None
    p95: int | None = None


_BY_POSTGRESQL = """
SELECT day, COUNT(*),
  percentile_disc(0.5) WITHIN GROUP (ORDER BY first_token_ms),
  percentile_disc(0.95) WITHIN GROUP (ORDER BY first_token_ms)
FROM chat_usage WHERE day BETWEEN %s AND %s AND first_token_ms IS NOT NULL GROUP BY day
"""
# SQLite has no percentiles, but steps along an index fast, one step for each faster answer of the
# day. PostgreSQL takes ten times as long for that as for sorting them all.
_AT_PLACE = """
SELECT * FROM (
  SELECT day, first_token_ms FROM chat_usage WHERE day = %s AND first_token_ms IS NOT NULL
  ORDER BY first_token_ms LIMIT 1 OFFSET %s
) AS place
"""


def waits(period: Period) -> list[Wait]:
    """Returns every day of the period, with percentiles by the nearest rank.

    Two queries at most.
    """
    measured = _sorted_out if connection.vendor == "postgresql" else _counted_off
    found = {wait.day: wait for wait in measured(period)}
    return [found.get(day, Wait(day)) for day in period.days]


def _sorted_out(period: Period) -> list[Wait]:
    with connection.cursor() as cursor:
        cursor.execute(_BY_POSTGRESQL, [period.first.isoformat(), period.last.isoformat()])
        return [Wait(*row) for row in cursor.fetchall()]


def _counted_off(period: Period) -> list[Wait]:
    measured = Usage.objects.order_by().filter(
        day__gte=period.first, day__lte=period.last, first_token_ms__isnull=False
    )
    counts = dict(measured.values_list("day").annotate(answers=Count("*")))
    places = [
        (day, rank)
        for day, count in counts.items()
        for rank in (_rank(count, 50), _rank(count, 95))
    ]
    found: dict[date, list[int]] = {}
    for day, milliseconds in _at(places):
        found.setdefault(day, []).append(milliseconds)
    return [Wait(day, counts[day], min(values), max(values)) for day, values in found.items()]


def _rank(count: int, percent: int) -> int:
    """Returns how many of `count` sorted values come before the one that is the percentile."""
    return -(-count * percent // 100) - 1


def _at(places: list[tuple[date, int]]) -> list[tuple[date, int]]:
    if not places:
        return []
    parameters = [value for day, rank in places for value in (day.isoformat(), rank)]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join([_AT_PLACE] * len(places)), parameters)
        return [(day, milliseconds) for day, milliseconds in cursor.fetchall()]
