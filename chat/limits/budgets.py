"""Tokens and money: upper bounds before a turn, costs after it, and the sums of the ledger.

Money is Decimal, never a float.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from math import ceil
from time import monotonic
from typing import Any

from django.db import connection
from django.db.models import Aggregate, BigIntegerField, QuerySet
from django.utils import timezone

from chat.models import Usage

# A rule of thumb for estimates; bounds count a byte a token, for no token is shorter.
_BYTES_PER_TOKEN = 4
_MIN_BYTES_PER_TOKEN = 2  # on average over a text
_TOKENS_PER_MESSAGE = 16
_MILLION = Decimal(1_000_000)


@dataclass(frozen=True)
class Prices:
    """Holds the prices of a model, in USD per million tokens."""

    input: Decimal
    output: Decimal

    def cost(self, prompt_tokens: int, completion_tokens: int) -> Decimal:
        """Returns the cost in USD, rounded up to the hundred-millionth."""
        return ((self.input * prompt_tokens + self.output * completion_tokens) / _MILLION).quantize(
            Decimal("1e-8"), ROUND_CEILING
        )

    def affordable(self, prompt_tokens: int, usd: Decimal, most: int) -> int:
        """Returns how many output tokens, at most `most`, `usd` pays for beside the prompt."""
        left = usd - self.cost(prompt_tokens, 0)
        if left < 0:
            return 0
        return min(most, int(left * _MILLION / self.output)) if self.output else most


def micro_usd(usd: Decimal) -> int:
    """Returns an amount in millionths of a USD, rounded up.

    Scripts in Redis add whole numbers without error.
    """
    return int((usd * _MILLION).to_integral_value(ROUND_CEILING))


def max_prompt_tokens(messages: list[dict[str, str]]) -> int:
    """Returns an upper bound of the tokens of these messages.

    A token is at least a byte of UTF-8, and each message carries a frame.
    """
    return sum(len(message["content"].encode()) + _TOKENS_PER_MESSAGE for message in messages)


def estimate_prompt(messages: list[dict[str, str]]) -> int:
    """Returns about how many tokens these messages are, where the upstream did not say."""
    return sum(
        ceil(len(message["content"].encode()) / _BYTES_PER_TOKEN) + 4 for message in messages
    )


def estimate_completion(text_bytes: int, deltas: int) -> int:
    """Returns about how many tokens a text is, where the upstream did not say.

    Most deltas are one token. At most one delta is counted for two bytes: no text has shorter
    tokens on average.
    """
    return max(min(deltas, text_bytes // _MIN_BYTES_PER_TOKEN), ceil(text_bytes / _BYTES_PER_TOKEN))


# --- Periods: days and months of the site's time zone -------------------------


def day_start(now: datetime) -> datetime:
    """Returns the midnight at which the day of `now` began, in the site's time zone."""
    return timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)


def month_start(now: datetime) -> datetime:
    """Returns the midnight at which the month of `now` began, in the site's time zone."""
    return day_start(now).replace(day=1)


def next_day(now: datetime) -> datetime:
    # Through the wall clock, so that a day of 23 or 25 hours ends at midnight too.
    """Returns the midnight that ends the day of `now`, in the site's time zone."""
    return timezone.make_aware(day_start(now).replace(tzinfo=None) + timedelta(days=1))


def next_month(now: datetime) -> datetime:
    """Returns the midnight that ends the month of `now`, in the site's time zone."""
    naive = (month_start(now).replace(tzinfo=None) + timedelta(days=32)).replace(day=1)
    return timezone.make_aware(naive)


def month_end(day: date) -> date:
    """Returns the last day of the month."""
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def seconds_until(moment: datetime, now: datetime) -> int:
    """Returns the whole seconds until `moment`, rounded up, at least 1."""
    return max(1, ceil((moment - now).total_seconds()))


# --- The ledger ---------------------------------------------------------------


@dataclass(frozen=True)
class Spent:
    """Holds sums of the ledger: tokens of a day, and millionths of a USD of its month.

    Running answers count as `reserved`, apart from what is settled.
    """

    tokens: int
    reserved_tokens: int
    micro_usd: int
    reserved_micro_usd: int


# By hand, because every turn asks for it: Django takes longer to write the query than a database
# to run it.
_SPENT = """
SELECT
  COALESCE(SUM(CASE WHEN day = %s AND outcome <> 'running'
    THEN prompt_tokens + completion_tokens END), 0),
  COALESCE(SUM(CASE WHEN day = %s AND outcome = 'running'
    THEN prompt_tokens + completion_tokens END), 0),
  COALESCE(SUM(CASE WHEN outcome <> 'running'
    THEN CAST(ROUND(cost_usd * 100000000) AS BIGINT) END), 0),
  COALESCE(SUM(CASE WHEN outcome = 'running'
    THEN CAST(ROUND(cost_usd * 100000000) AS BIGINT) END), 0)
FROM chat_usage WHERE day BETWEEN %s AND %s
"""
_OF_ONE = " AND limit_key = %s"
PAST_SECONDS = 2.0
_YOUNG_SECONDS = 60


@dataclass(frozen=True)
class _Past:
    """Holds what the site spent in the month of `day` before that day.

    `read_at` is when it was summed up, in monotonic seconds.
    """

    day: date
    read_at: float
    spent: Spent


_past: _Past | None = None


def spent(limit_key: str | None, day: date) -> Spent:
    """Returns what one person or (None) the whole site has spent. Blocks on the database.

    Sums go to the last day of the month, not to today: where a clock was set back, or the clock of
    another host is ahead, there are rows of tomorrow.
    """
    if limit_key is None:
        return _spent_by_all(day)
    return _spent(day.replace(day=1), month_end(day), day, limit_key)


def _spent_by_all(day: date) -> Spent:
    """Returns what the whole site has spent.

    The days before `day` are summed up every few seconds only: on a busy site they are most of the
    month, and settled rows never change.
    """
    global _past
    first = day.replace(day=1)
    if day == first:
        return _spent(first, month_end(day), day, None)
    if _past is None or _past.day != day or not 0 <= monotonic() - _past.read_at < PAST_SECONDS:
        _past = _Past(day, monotonic(), _spent(first, day - timedelta(days=1), day, None))
    # Answers that have run since before midnight may be settled at any moment.
    past = (
        _spent(first, day - timedelta(days=1), day, None)
        if _past.spent.reserved_micro_usd or _is_young(day)
        else _past.spent
    )
    today = _spent(day, month_end(day), day, None)
    return Spent(
        today.tokens,
        today.reserved_tokens,
        past.micro_usd + today.micro_usd,
        past.reserved_micro_usd + today.reserved_micro_usd,
    )


def _is_young(day: date) -> bool:
    """Tells whether a turn of the day before could still be about to be written."""
    now = timezone.localtime()
    return now.date() != day or (now - day_start(now)).total_seconds() < _YOUNG_SECONDS


def _spent(begin: date, end: date, day: date, limit_key: str | None) -> Spent:
    today = day.isoformat()
    query, values = _SPENT, [today, today, begin.isoformat(), end.isoformat()]
    if limit_key is not None:
        query, values = _SPENT + _OF_ONE, [*values, limit_key]
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        tokens, reserved_tokens, units, reserved_units = map(int, cursor.fetchone())
    return Spent(tokens, reserved_tokens, _to_micro_usd(units), _to_micro_usd(reserved_units))


def _to_micro_usd(units: int) -> int:
    return -(-units // 100)


class ExactSum(Aggregate):
    """Sums a cost up as a Decimal in USD, 0 for no rows.

    SQLite adds decimals as floats, but whole hundred-millionths exactly.
    """

    name = "exact_sum"
    template = "SUM(CAST(ROUND(%(expressions)s * 100000000) AS BIGINT))"
    output_field = BigIntegerField()

    def convert_value(self, value: Any, expression: Any, connection: Any) -> Decimal:
        return Decimal(int(value or 0)).scaleb(-8)


def running(limit_key: str | None) -> "QuerySet[Usage]":
    """Returns the rows of running answers; their figures are what was reserved."""
    rows = Usage.objects.order_by().running()
    return rows if limit_key is None else rows.filter(limit_key=limit_key)
