"""Use, people, refusals and outcomes of a period, added up by the database.

The number of queries does not depend on the number of rows. Running answers are left out: their
figures are only what was reserved.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count, Sum
from django.utils import timezone

from chat.limits import budgets
from chat.limits.budgets import ExactSum
from chat.models import RefusalCount, Usage
from chat.operator.periods import Period

OUTCOMES = [
    Usage.Outcome.COMPLETE,
    Usage.Outcome.STOPPED,
    Usage.Outcome.INTERRUPTED,
    Usage.Outcome.FAILED,
]
MAX_PEOPLE = 20


# --- Sums -----------------------------------------------------------------------


@dataclass(frozen=True)
class Figures:
    """Holds the sums of some answers. Money is in USD."""

    answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: Decimal = Decimal(0)

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            self.answers + other.answers,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cost + other.cost,
        )

    def __sub__(self, other: "Figures") -> "Figures":
        return Figures(
            self.answers - other.answers,
            self.prompt_tokens - other.prompt_tokens,
            self.completion_tokens - other.completion_tokens,
            self.cost - other.cost,
        )


@dataclass(frozen=True)
class Share:
    """Holds the figures of one model, person or group.

    `key` is its id where it has one; `is_rest` marks the sum of all that are not named.
    """

    name: str
    figures: Figures
    key: int | None = None
    is_rest: bool = False


@dataclass(frozen=True)
class Day:
    """Holds one day: its figures, and the number of its answers by outcome."""

    day: date
    figures: Figures
    outcomes: dict[str, int]


_SUMS: dict[str, Any] = {
    "answers": Count("*"),
    "prompt": Sum("prompt_tokens"),
    "completion": Sum("completion_tokens"),
    "cost": ExactSum("cost_usd"),
}


def _figures(row: dict[str, Any]) -> Figures:
    return Figures(row["answers"], row["prompt"], row["completion"], row["cost"])


def total(parts: Iterable[Figures]) -> Figures:
    return sum(parts, start=Figures())


def by_day_and_model(period: Period) -> tuple[list[Day], list[Share]]:
    """Returns every day of the period, and the models, the most expensive first.

    Days without answers are included. One query, in the order of an index.
    """
    figures: dict[date, Figures] = {}
    outcomes: dict[date, dict[str, int]] = {}
    models: dict[str, Figures] = {}
    ended = (
        Usage.objects.order_by()
        .filter(day__gte=period.first, day__lte=period.last)
        .exclude(outcome=Usage.Outcome.RUNNING)
    )
    rows: Any = ended.values("day", "outcome", "model").annotate(**_SUMS)
    for row in rows:
        day, ends = row["day"], outcomes.setdefault(row["day"], {})
        figures[day] = figures.get(day, Figures()) + _figures(row)
        models[row["model"]] = models.get(row["model"], Figures()) + _figures(row)
        ends[row["outcome"]] = ends.get(row["outcome"], 0) + row["answers"]
    days = [Day(day, figures.get(day, Figures()), outcomes.get(day, {})) for day in period.days]
    return days, _ranked([Share(name, sums) for name, sums in models.items()])


# A person's rows are added up before they are joined with groups, or every row of the ledger would
# be joined.
_PEOPLE_AND_GROUPS = """
WITH person AS (
  SELECT user_id, COUNT(*) AS answers,
    SUM(prompt_tokens) AS prompt, SUM(completion_tokens) AS completion,
    SUM(CAST(ROUND(cost_usd * 100000000) AS BIGINT)) AS cost
  FROM chat_usage WHERE day BETWEEN %s AND %s AND outcome <> 'running' GROUP BY user_id
), first_people AS (
  SELECT * FROM person ORDER BY cost DESC, prompt + completion DESC, user_id LIMIT %s
)
SELECT 'person', first_people.user_id, auth_user.username, answers, prompt, completion, cost
FROM first_people LEFT JOIN auth_user ON auth_user.id = first_people.user_id
UNION ALL
SELECT 'group', auth_group.id, auth_group.name,
  SUM(answers), SUM(prompt), SUM(completion), SUM(cost)
FROM person LEFT JOIN auth_user_groups ON auth_user_groups.user_id = person.user_id
  LEFT JOIN auth_group ON auth_group.id = auth_user_groups.group_id
GROUP BY auth_group.id, auth_group.name
"""
_NAMELESS = {"person": "guests and deleted accounts", "group": "in no group"}


def by_person_and_group(period: Period, whole: Figures) -> tuple[list[Share], list[Share]]:
    """Returns the MAX_PEOPLE who cost most, with the rest of the `whole`, and the groups.

    Guests, and people whose account is gone, count as one person. Groups are those people are in
    today: a person in two counts in both, and those in none have a line of their own. One query.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _PEOPLE_AND_GROUPS, [period.first.isoformat(), period.last.isoformat(), MAX_PEOPLE]
        )
        rows = cursor.fetchall()
    found: dict[str, list[Share]] = {kind: [] for kind in _NAMELESS}
    for kind, key, name, answers, prompt, completion, cost in rows:
        figures = Figures(int(answers), int(prompt), int(completion), Decimal(int(cost)).scaleb(-8))
        found[kind].append(Share(name or _NAMELESS[kind], figures, key))
    people, groups = _ranked(found["person"]), _ranked(found["group"])
    rest = whole - total(share.figures for share in people)
    return (
        [
            *people,
            Share("everybody else", rest, is_rest=True),
        ]
        if rest.answers > 0
        else people
    ), groups


def _ranked(shares: list[Share]) -> list[Share]:
    return sorted(
        shares, key=lambda share: (-share.figures.cost, -share.figures.tokens, share.name)
    )


# --- How often refused ---------------------------------------------------------


@dataclass(frozen=True)
class Refusals:
    """Counts turns refused with one code.

    `shadow`: those that a quota in shadow mode would have refused.
    """

    code: str
    refused: int
    shadow: int


def refusals(period: Period) -> list[Refusals]:
    """Returns the refusals by code, the most frequent first."""
    counts: dict[str, dict[bool, int]] = {}
    rows = RefusalCount.objects.order_by().filter(day__gte=period.first, day__lte=period.last)
    for code, shadow, count in rows.values_list("code", "shadow").annotate(times=Sum("count")):
        counts.setdefault(code, {})[shadow] = count
    found = [Refusals(code, by.get(False, 0), by.get(True, 0)) for code, by in counts.items()]
    return sorted(found, key=lambda each: (-each.refused, -each.shadow, each.code))


# --- The month's budget -----------------------------------------------------------


@dataclass(frozen=True)
class Budget:
    """Holds the site's spend of one month in USD, and its limit if any.

    `projected` is the spend at the month's end if it goes on like this; None on the first day.
    """

    spent: Decimal
    projected: Decimal | None
    limit: Decimal | None


def budget(limit: Decimal | None, now: datetime) -> Budget:
    """Returns the budget of the month of `now`; at most three queries."""
    spent = Decimal(budgets.spent(None, timezone.localdate(now)).micro_usd).scaleb(-6)
    begin, end = budgets.month_start(now), budgets.next_month(now)
    elapsed = now - begin
    if elapsed < timedelta(days=1):
        return Budget(spent, None, limit)
    whole = Decimal((end - begin) // timedelta(seconds=1)) / Decimal(
        elapsed // timedelta(seconds=1)
    )
    return Budget(spent, (spent * whole).quantize(Decimal("0.01")), limit)
