"""The quiet word that little is left of a limit: on the page and in GET /api/limits."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Page, expect

from chat.models import Grant, Usage
from tests.harness.chat_page import ask, ended, open_chat
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.turns import turn_status

if TYPE_CHECKING:
    from tests.conftest import MakeUser


def warnings(person: Person) -> list[str]:
    limits: dict[str, Any] = person.client.get("/api/limits").json()
    assert all(warning["resets_in"] > 0 for warning in limits["warnings"])
    return [warning["message"] for warning in limits["warnings"]]


def test_windows_are_told_when_a_fifth_is_left(make_user: "MakeUser") -> None:
    person = make_user(requests="5/d, 100/h")
    for expected in (
        [],
        [],
        [],
        ["1 of your 5 requests a day left."],
        ["None of your 5 requests a day left."],
    ):
        turn_status(person)
        assert warnings(person) == expected


def test_budgets_are_told_when_a_fifth_is_left(make_user: "MakeUser") -> None:
    person = make_user(tokens_per_day=1000, spend_per_month_usd=Decimal(1))
    turn_status(person)
    rows = Usage.objects.filter(user=person.user)
    rows.update(prompt_tokens=700, completion_tokens=99, cost_usd=Decimal("0.79"))
    assert warnings(person) == []
    rows.update(prompt_tokens=995, completion_tokens=0, cost_usd=Decimal("1.2"))
    money, tokens = warnings(person)
    assert money.startswith("Nothing of this month's budget is left, until 1 ")
    assert tokens.startswith("1 % of today's tokens left, until ")
    Grant.objects.create(user=person.user, tokens=1000, usd=Decimal(10))
    assert warnings(person) == []


def test_quota_in_shadow_mode_and_one_without_limits_say_nothing(make_user: "MakeUser") -> None:
    for person in (make_user(requests="1/d", mode="shadow"), make_user()):
        turn_status(person)
        assert warnings(person) == []


def test_page_says_it_under_the_composer_after_the_turn_that_brings_it_about(
    site: Site, make_user: "MakeUser", page: Page
) -> None:
    person = make_user(requests="2/d")
    open_chat(page, site, person)
    line = page.locator("[data-limit-warning]")
    expect(line).to_be_hidden()
    ask(page, "hello")
    ended(page)
    expect(line).to_contain_text("1 of your 2 requests a day left.")
    line.get_by_role("link", name="Your limits").click()
    expect(page.locator("h1")).to_have_text("Your limits and use")
