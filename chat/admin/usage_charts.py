"""The usage page: charts of the ledger, each with its table, and both as CSV."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.timezone import localdate

from chat.formatting import compact, gate, short_usd
from chat.models import SitePolicy, Usage
from chat.operator import charts, csv_export, first_token, periods, reports
from chat.operator.charts import Series
from chat.operator.periods import Period
from chat.operator.reports import Figures, Share
from chat.threads import in_thread

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Usage]
else:
    ModelAdmin = object

LEDGER_BATCH = 2_000

OUTCOME_NAMES = {outcome: str(outcome.label).lower() for outcome in reports.OUTCOMES}


@dataclass(frozen=True)
class Row:
    """Holds one line of a table: values as they are, and its bar where the table has bars."""

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


# --- What the page shows --------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """Holds the whole page of one period."""

    period: Period
    whole: Figures
    days: Sequence[reports.Day]
    panels: Sequence[Panel]

    @property
    def failed(self) -> str:
        """Returns how much of 100 ended otherwise than the person or the model wanted."""
        bad = sum(
            day.outcomes.get(outcome, 0)
            for day in self.days
            for outcome in ("interrupted", "failed")
        )
        return f"{100 * bad / self.whole.answers:.1f} %" if self.whole.answers else "–"


def report_of(period: Period) -> Report:
    """Returns the page of the period; five queries at most, however much there is to add up."""
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
    """Returns a line for each; the bars show money, or tokens where nothing has a price."""
    costs = any(share.figures.cost for share in shares)
    sizes = [share.figures.cost if costs else Decimal(share.figures.tokens) for share in shares]
    # What is everybody else's would dwarf the bars of all who are named.
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


# --- The pages ------------------------------------------------------------------


class UsagePages(ModelAdmin):
    """Adds the charts and the exports beside the ledger's list."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("report/", view(self.report_view), name="chat_usage_report"),
            path("export/", view(self.export_view), name="chat_usage_export"),
        ]
        return own + super().get_urls()

    def report_view(self, request: HttpRequest) -> HttpResponse:
        """Shows the period that `?period=` names: see chat.operator.periods.period_of."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        today = localdate()
        period = periods.period_of(request.GET.get("period", ""), today)
        context = {
            **self.admin_site.each_context(request),
            "title": "Usage",
            "opts": self.model._meta,
            "report": report_of(period),
            "budget": _budget(),
            "choices": _choices(period, today),
            "running": Usage.objects.running().count(),
        }
        return TemplateResponse(request, "admin/chat/usage/report.html", context)

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Sends a table of the page, or "ledger" for every row of the period: `?period=&table=`."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        period = periods.period_of(request.GET.get("period", ""), localdate())
        table = request.GET.get("table", "")
        if table == "ledger":
            response: HttpResponseBase = StreamingHttpResponse(
                ledger_csv(period), content_type=csv_export.CONTENT_TYPE
            )
        else:
            panel = next((panel for panel in report_of(period).panels if panel.key == table), None)
            if panel is None:
                raise Http404
            rows = [panel.head, *(row.cells for row in panel.rows)]
            response = HttpResponse(
                csv_export.format_rows(rows), content_type=csv_export.CONTENT_TYPE
            )
        name = f"chatsite-{table}-{period.first}-to-{period.last}.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


def _choices(period: Period, today: date) -> list[tuple[str, str, bool]]:
    """Returns key, label and whether it is chosen, of each period that is one click away."""
    choices = [(str(days), f"{days} days", period.key == str(days)) for days in periods.DAYS]
    month = period.first if period.is_month else today
    months = {month.replace(day=1), today.replace(day=1)}
    months |= {
        before for before in [periods.month_before(month)] if before.year >= periods.FIRST_YEAR
    }
    months |= {after for after in [periods.month_after(month)] if after <= today}
    return choices + [
        (periods.month_key(each), f"{each:%B %Y}", period.key == periods.month_key(each))
        for each in sorted(months)
    ]


def _budget() -> dict[str, Any]:
    budget = reports.budget(SitePolicy.current().spend_per_month_usd, timezone.now())
    if not budget.limit:
        return {"figures": budget}
    spent, projected = (
        float((value or Decimal(0)) / budget.limit) for value in (budget.spent, budget.projected)
    )
    return {
        "figures": budget,
        "bar": charts.bar(spent, max(0.0, projected - spent)),
        "percent": round(100 * spent),
        "over": projected > 1,
    }


# --- The ledger as it is ----------------------------------------------------------

_COLUMNS = (
    "answer", "created", "day", "user__username", "limit_key", "model", "quota", "prompt_tokens", "completion_tokens", "cost_usd",
    "estimated", "outcome", "first_token_ms", "duration_ms",
)  # fmt: skip


async def ledger_csv(period: Period) -> AsyncGenerator[str, None]:
    """Yields the rows, oldest first, a batch at a time.

    Neither the memory nor a connection is held for as long as the download takes.
    """
    yield csv_export.format_rows([[name.removeprefix("user__") for name in _COLUMNS]])
    for day in period.days:
        after: tuple[datetime, UUID] | None = None
        while rows := await in_thread(_batch, day, after):
            yield csv_export.format_rows(rows)
            after = (rows[-1][1], rows[-1][0])


def _batch(day: date, after: tuple[datetime, UUID] | None) -> list[tuple[Any, ...]]:
    rows = Usage.objects.filter(day=day)
    if after is not None:
        created, answer = after
        rows = rows.filter(Q(created__gt=created) | Q(created=created, answer__gt=answer))
    return list(rows.order_by("created", "answer").values_list(*_COLUMNS)[:LEDGER_BATCH])
