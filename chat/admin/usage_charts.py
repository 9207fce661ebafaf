"""The usage page and its exports: charts with their tables, and the ledger, as CSV."""

from collections.abc import AsyncGenerator
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
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.timezone import localdate

from chat.admin.usage_panels import report_of
from chat.models import SitePolicy, Usage
from chat.operator import charts, csv_export, periods, reports
from chat.operator.periods import Period
from chat.threads import in_thread

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Usage]
else:
    ModelAdmin = object

LEDGER_BATCH = 2_000


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
        """Shows the period that `?period=` names (chat.operator.periods.period_of)."""
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
        """Sends a table of the page as CSV, or "ledger", every row of the period.

        Both are named by `?period=&table=`.
        """
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
    """Returns key, label and whether it is chosen, of each period that the page offers."""
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


# --- The ledger -------------------------------------------------------------

_COLUMNS = (
    "answer", "created", "day", "user__username", "limit_key", "model", "quota",
    "prompt_tokens", "completion_tokens", "cost_usd", "estimated", "outcome",
    "first_token_ms", "duration_ms",
)  # fmt: skip


async def ledger_csv(period: Period) -> AsyncGenerator[str, None]:
    """Yields the rows of the ledger as CSV, oldest first, a batch at a time.

    Neither memory nor a connection is held for as long as the download takes.
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
