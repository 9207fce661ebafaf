"""The operator's usage page: charts, tables and CSV."""

import asyncio
import csv
import io
import re
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.admin import usage_charts
from chat.limits import budgets
from chat.models import RefusalCount, SitePolicy
from chat.operator import csv_export, periods, reports
from chat.operator.periods import Period
from tests.harness.ledger import use
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.visitor import visitor

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.usefixtures("static_files")
REPORT = "/admin/chat/usage/report/"
EXPORT = "/admin/chat/usage/export/"
NAMELESS = """() => {
    const named = "#content :is(a, button, summary, [role=region], [role=img])";
    const isNamed = (each) =>
        each.ariaLabel || each.ariaLabelledByElements?.length || each.textContent.trim();
    return [...document.querySelectorAll(named)]
        .filter((each) => !isNamed(each))
        .map((each) => each.outerHTML);
}"""


@pytest.fixture
def operator(alice: Person) -> Client:
    """Returns a client of Alice, who may look at the ledger and nothing else."""
    return staff(alice.user, "view_usage")


def staff(user: User, *permissions: str) -> Client:
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return visitor(user)


def opened(client: Client, period: Period) -> str:
    answer = client.get(REPORT, {"period": period.key})
    assert answer.status_code == 200
    return answer.content.decode()


def table(client: Client, period: Period, name: str) -> list[list[str]]:
    answer = client.get(EXPORT, {"period": period.key, "table": name})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.reader(io.StringIO(answer.content.decode())))


@pytest.mark.parametrize(
    ("key", "first", "last"),
    [
        ("7", "2026-03-09", "2026-03-15"),
        ("90", "2025-12-16", "2026-03-15"),
        ("", "2026-02-14", "2026-03-15"),
        ("8000000000", "2026-02-14", "2026-03-15"),
        ("2026-03", "2026-03-01", "2026-03-15"),
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2026-04", "2026-02-14", "2026-03-15"),
        ("2026-13", "2026-02-14", "2026-03-15"),
        ("0000-01", "2026-02-14", "2026-03-15"),
        ("nothing", "2026-02-14", "2026-03-15"),
    ],
)
def test_a_period_is_whole_days_up_to_today(key: str, first: str, last: str) -> None:
    period = periods.period_of(key, date(2026, 3, 15))
    assert (period.first.isoformat(), period.last.isoformat()) == (first, last)


@pytest.mark.parametrize("key", ["7", "30", "90", "0001-01", "9999-12", "\0", "٣٠", "<script>", ""])
def test_the_page_opens_for_every_period_that_an_address_may_name(
    operator: Client, key: str
) -> None:
    answer = operator.get(REPORT, {"period": key})
    assert answer.status_code == 200
    assert "<script>alert" not in answer.content.decode()


def refuse(day: date, code: str, count: int, shadow: bool = False) -> None:
    now = timezone.now()
    RefusalCount.objects.create(
        hour=now,
        day=day,
        limit_key=str(uuid4()),
        quota="q",
        code=code,
        shadow=shadow,
        count=count,
        last=now,
    )


def test_refusals_are_told_apart_from_those_of_shadow_mode(month: Period, operator: Client) -> None:
    refuse(month.first, "rate_limited", 3)
    refuse(month.last, "rate_limited", 4)
    refuse(month.last, "rate_limited", 5, shadow=True)
    refuse(month.last, "tokens_exhausted", 1)
    assert reports.refusals(month) == [
        reports.Refusals("rate_limited", 7, 5),
        reports.Refusals("tokens_exhausted", 1, 0),
    ]
    assert table(operator, month, "refusals")[1:] == [
        ["requests", "7", "5"],
        ["tokens today", "1", "0"],
    ]


def test_each_chart_has_its_table(operator: Client, month: Period, alice: Person) -> None:
    use(month.first, alice, first_token_ms=1200)
    text = opened(operator, month)
    assert text.count('<svg class="chart"') == 4
    assert text.count('<table class="report-table"') >= 4 + 3
    assert (
        f"{month.first.day} {month.first:%b}: complete 1, stopped 0, interrupted 0, failed 0"
        in text
    )
    assert alice.user.username in text
    assert not re.search(r"<style|\sstyle=|\son\w+=\"", text)


def test_the_months_cost_stands_against_the_sites_budget(operator: Client) -> None:
    now = timezone.now().replace(day=11, hour=0, minute=0, second=0, microsecond=0)
    spent = reports.budget(Decimal(100), now)
    days = (now.replace(day=28) + timedelta(days=4)).replace(day=1) - now.replace(day=1)
    assert spent.projected == (spent.spent * days.days / 10).quantize(Decimal("0.01"))
    assert reports.budget(None, now.replace(day=1, hour=23)).projected is None
    try:
        SitePolicy.objects.filter(pk=1).update(spend_per_month_usd=Decimal(1000))
        assert "of $1,000.00" in operator.get(REPORT).content.decode()
    finally:
        SitePolicy.objects.filter(pk=1).update(spend_per_month_usd=None)


def test_the_page_takes_as_many_queries_for_many_rows_as_for_one(
    operator: Client, month: Period, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def queries() -> int:
        # What is remembered for two seconds may or may not be asked for again.
        monkeypatch.setattr(budgets, "PAST_SECONDS", 0)
        with CaptureQueriesContext(connection) as captured:
            opened(operator, month)
        return len(captured)

    use(month.first, alice, first_token_ms=5)
    opened(operator, month)
    few = queries()
    users = User.objects.bulk_create([User(username=f"row-{uuid4()}") for _ in range(40)])
    for number, user in enumerate(users):
        use(
            month.first + timedelta(days=number % 20),
            user,
            model=f"m{number}",
            first_token_ms=number,
        )
    assert queries() == few


def test_the_page_is_for_whoever_may_look_at_the_ledger(bob: Person) -> None:
    without = staff(bob.user, "view_quota")
    for path in (REPORT, EXPORT, f"{EXPORT}?table=ledger"):
        assert without.get(path).status_code == 403
        assert visitor().get(path).status_code == 302


def test_the_ledgers_list_leads_to_the_charts(operator: Client) -> None:
    assert f'href="{REPORT}"' in operator.get("/admin/chat/usage/").content.decode()


@pytest.mark.parametrize("width", [390, 1366])
def test_the_page_fits_a_phone_and_has_a_name_for_everything(
    site: Site, alice: Person, month: Period, page: "Page", width: int
) -> None:
    staff(alice.user, "view_usage", "change_sitepolicy")
    for number in range(40):
        use(
            month.first + timedelta(days=number % 25),
            alice,
            first_token_ms=number * 100,
            model=f"a-model-with-a-long-name-{number % 9}",
        )
    page.set_viewport_size({"width": width, "height": 800})
    page.context.add_cookies(alice.cookies(site))
    page.goto(f"{site.url}{REPORT}?period={month.key}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(NAMELESS) == []
    first = page.locator(".chart").first.locator("rect.mark-1").first.bounding_box()
    assert first
    assert first["width"] > 2
    assert first["height"] > 10
    page.get_by_text("As a table").first.click()
    assert page.locator(".report-table").first.is_visible()


def test_each_table_can_be_taken_along(operator: Client, month: Period, alice: Person) -> None:
    use(month.first, alice, outcome="stopped", cost_usd=Decimal("1.5"))
    assert table(operator, month, "answers")[:2] == [
        ["Day", "complete", "stopped", "interrupted", "failed", "all"],
        [month.first.isoformat(), "0", "1", "0", "0", "1"],
    ]
    assert table(operator, month, "people")[1] == [alice.user.username, "1", "15", "1.50000000"]
    for name in ("cost", "tokens", "first-token", "models", "groups", "refusals"):
        assert table(operator, month, name)
    assert operator.get(EXPORT, {"period": month.key, "table": "nothing"}).status_code == 404
    named = operator.get(EXPORT, {"period": month.key, "table": "cost"}).headers[
        "Content-Disposition"
    ]
    assert named == f'attachment; filename="chatsite-cost-{month.first}-to-{month.last}.csv"'


def test_the_whole_ledger_can_be_taken_along(alice: Person, bob: Person, month: Period) -> None:
    staff(alice.user, "view_usage")
    rows = [use(month.first + timedelta(days=number % 2), bob) for number in range(5)]
    answer = alice.client.get(f"{EXPORT}?period={month.key}&table=ledger")
    assert "Content-Length" not in answer.headers
    found = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["answer"] for row in found} == {str(row.answer) for row in rows}
    assert [row["day"] for row in found] == sorted(row["day"] for row in found)
    assert (found[0]["username"], found[0]["cost_usd"]) == (bob.user.username, "0.10000000")


def test_the_ledger_comes_in_batches_and_every_row_once(
    month: Period, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_charts, "LEDGER_BATCH", 2)
    moments = [timezone.now() - timedelta(seconds=second) for second in (9, 5, 5, 5, 5, 1)]
    rows = [use(day, created=moment) for day in (month.first, month.last) for moment in moments]

    async def taken() -> list[str]:
        return [part async for part in usage_charts.ledger_csv(month)]

    parts = asyncio.run(taken())
    assert len(parts) == 1 + 3 + 3
    found = list(csv.DictReader(io.StringIO("".join(parts))))
    assert sorted(row["answer"] for row in found) == sorted(str(row.answer) for row in rows)
    assert [(row["day"], row["created"]) for row in found] == sorted(
        (row["day"], row["created"]) for row in found
    )


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula_to_a_spreadsheet(start: str) -> None:
    text = csv_export.format_rows([[f"{start}cmd", Decimal("-1"), -1, "plain", None]])
    assert next(csv.reader(io.StringIO(text, newline=""))) == [
        f"'{start}cmd",
        "-1",
        "-1",
        "plain",
        "",
    ]
