"""The charts of the usage page, each with its table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils.safestring import SafeString

from chat.formatting import compact, gate, short_usd
from chat.operator import charts, first_token, reports
from chat.operator.charts import Series
from chat.operator.periods import Period
from chat.operator.reports import Figures, Share

OUTCOME_NAMES = {outcome: str(outcome.label).lower() for outcome in reports.OUTCOMES}


@dataclass(frozen=True)
class Row:
    """Holds one line of a table: its values, and its bar where the table has bars."""

    cells: Sequence[Any]
    bar: SafeString | str = ""
    url: str = ""


@dataclass(frozen=True)
class Panel:
    """Holds a chart and its table, or a table with a bar in each line.

    `key` names it in addresses.
    """

    key: str
    title: str
    head: Sequence[str]
    rows: Sequence[Row]
    chart: SafeString | str = ""
    legend: Sequence[str] = field(default_factory=tuple)
    note: str = ""


@dataclass(frozen=True)
class Report:
    """Holds the whole page of one period."""

    period: Period
    whole: Figures
    days: Sequence[reports.Day]
    panels: Sequence[Panel]

    @property
    def failed(self) -> str:
        """Returns the percentage of answers that were interrupted or failed, as text."""
        bad = sum(
            day.outcomes.get(outcome, 0)
            for day in self.days
            for outcome in ("interrupted", "failed")
        )
        return f"{100 * bad / self.whole.answers:.1f} %" if self.whole.answers else "–"


def report_of(period: Period) -> Report:
    """Returns the page of the period; at most five queries, also for a long period."""
    days, models = reports.by_day_and_model(period)
    whole = reports.total(day.figures for day in days)
    people, groups = reports.by_person_and_group(period, whole)
    panels = [
        _outcomes(days),
        _cost(days),
        _tokens(days),
        _waits(first_token.waits(period)),
        _ranking("models", "By model", "Model", models),
        _refusals(reports.refusals(period)),
        _ranking("people", "By person", "Person", people, _person_url),
        _ranking(
            "groups",
            "By group",
            "Group",
            groups,
            _group_url,
            "A person in two groups counts in both.",
        ),
    ]
    return Report(period, whole, days, panels)


def _labels(days: Sequence[reports.Day] | Sequence[first_token.Wait]) -> list[str]:
    return [_day_label(day.day) for day in days]


def _day_label(day: date) -> str:
    return f"{day.day} {day:%b}"


def _outcomes(days: Sequence[reports.Day]) -> Panel:
    series = [
        Series(name, [day.outcomes.get(outcome, 0) for day in days])
        for outcome, name in OUTCOME_NAMES.items()
    ]
    names = [each.name for each in series]
    rows = [
        Row(
            [
                day.day,
                *(day.outcomes.get(outcome, 0) for outcome in OUTCOME_NAMES),
                day.figures.answers,
            ]
        )
        for day in days
    ]
    chart = charts.columns("Answers by day and how they ended", _labels(days), series, compact)
    return Panel(
        "answers", "Answers, and how they ended", ["Day", *names, "all"], rows, chart, names
    )


def _cost(days: Sequence[reports.Day]) -> Panel:
    chart = charts.columns(
        "Cost by day",
        _labels(days),
        [Series("cost", [day.figures.cost for day in days])],
        short_usd,
        whole=False,
    )
    return Panel(
        "cost",
        "Cost",
        ["Day", "cost in USD"],
        [Row([day.day, day.figures.cost]) for day in days],
        chart,
    )


def _tokens(days: Sequence[reports.Day]) -> Panel:
    names = ["prompt", "answer"]
    series = [
        Series("prompt", [day.figures.prompt_tokens for day in days]),
        Series("answer", [day.figures.completion_tokens for day in days]),
    ]
    rows = [
        Row([day.day, day.figures.prompt_tokens, day.figures.completion_tokens, day.figures.tokens])
        for day in days
    ]
    chart = charts.columns("Tokens by day", _labels(days), series, compact)
    return Panel("tokens", "Tokens", ["Day", *names, "all"], rows, chart, names)


def _waits(waits: Sequence[first_token.Wait]) -> Panel:
    names = ["median", "95th percentile"]
    series = [
        Series("median", [wait.median for wait in waits]),
        Series("95th percentile", [wait.p95 for wait in waits]),
    ]
    rows = [Row([wait.day, wait.answers, wait.median, wait.p95]) for wait in waits]
    chart = charts.lines(
        "Time to the first token by day",
        _labels(waits),
        series,
        lambda ms: f"{compact(Decimal(ms) / 1000)} s",
    )
    head = ["Day", "answers", "median in ms", "95th percentile in ms"]
    return Panel(
        "first-token",
        "Time to the first token",
        head,
        rows,
        chart,
        names,
        "One answer in twenty takes longer than the second line.",
    )


def _ranking(
    key: str,
    title: str,
    what: str,
    shares: Sequence[Share],
    url: Callable[[int], str] | None = None,
    note: str = "",
) -> Panel:
    """Returns a line for each share; bars show money, or tokens where nothing has a price."""
    costs = any(share.figures.cost for share in shares)
    sizes = [share.figures.cost if costs else Decimal(share.figures.tokens) for share in shares]
    # The sum of all others would dwarf the bars of those who are named.
    most = max(
        (size for size, share in zip(sizes, shares, strict=True) if not share.is_rest),
        default=Decimal(0),
    ) or Decimal(1)
    rows = [
        Row(
            [share.name, share.figures.answers, share.figures.tokens, share.figures.cost],
            "" if share.is_rest else charts.bar(float(size / most)),
            url(share.key) if url and share.key is not None else "",
        )
        for share, size in zip(shares, sizes, strict=True)
    ]
    return Panel(key, title, [what, "answers", "tokens", "cost in USD"], rows, note=note)


def _person_url(key: int) -> str:
    return reverse("admin:auth_user_change", args=[key])


def _group_url(key: int) -> str:
    return reverse("admin:auth_group_change", args=[key])


def _refusals(refusals: Sequence[reports.Refusals]) -> Panel:
    most = max((each.refused + each.shadow for each in refusals), default=0) or 1
    rows = [
        Row(
            [gate(each.code), each.refused, each.shadow],
            charts.bar(each.refused / most, each.shadow / most),
        )
        for each in refusals
    ]
    head = ["Gate", "refused", "would have been"]
    note = (
        "“Would have been” are turns that a quota in shadow mode let through. Counts are kept for"
        " 90 days."
    )
    return Panel(
        "refusals", "Refused turns", head, rows, note=note, legend=["refused", "would have been"]
    )
