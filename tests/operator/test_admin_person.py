"""A person's page in the administration: what applies to them, and why."""

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from chat.limits import refusal_counts
from chat.models import Conversation, Grant, Pause
from tests.harness.people import allow
from tests.harness.spending import spent, take
from tests.harness.turns import turn_status
from tests.harness.visitor import compact

if TYPE_CHECKING:
    from tests.conftest import MakeUser
    from tests.harness.people import Person
pytestmark = pytest.mark.usefixtures("static_files")


def page_of(client: Client, person: "Person") -> str:
    return compact(client.get(f"/admin/auth/user/{person.user.pk}/change/"))


def test_page_of_person_says_what_applies_and_why(operator: Client, make_user: "MakeUser") -> None:
    person = make_user(
        "una",
        requests="10/m",
        concurrent_streams=3,
        tokens_per_day=4_000,
        spend_per_month_usd=Decimal(20),
    )
    take(person)
    spent(person, tokens=3_200, usd="5")
    spent(person, tokens=99, outcome="running", model="slow-model")
    Grant.objects.create(user=person.user, tokens=1_000, reason="asked nicely")
    refusal_counts.record(person.requester, person.quota.name, "too_many_streams")
    refusal_counts.write()
    page = page_of(operator, person)
    assert f">{person.quota.name}</a>: it names them." in page
    for words in (
        "Requests a minute",
        "3,200 of 5,000",
        "$5.00 of $20.00",
        "asked nicely",
        "slow-model",
        "running answers",
    ):
        assert words in page
    assert page.count("<meter") == 4
    assert 'value="64" aria-label="Tokens today"' in page
    assert "Paused since" not in page


def test_page_of_person_tells_of_a_pause(operator: Client, bob: "Person") -> None:
    Pause.objects.create(user=bob.user, note="Come and talk to us.")
    page = page_of(operator, bob)
    assert "Paused since" in page
    assert "“Come and talk to us.”" in page
    assert 'value="unpause"' in page
    assert 'value="pause"' not in page


def test_page_of_person_is_there_while_redis_is_away(
    operator: Client, make_user: "MakeUser", redis_away: None
) -> None:
    person = make_user(requests="10/m", tokens_per_day=100)
    page = page_of(operator, person)
    assert "Redis does not answer" in page
    assert "Requests a minute" in page


def test_page_of_person_takes_as_many_queries_with_many_rows_as_with_few(
    operator: Client, make_user: "MakeUser"
) -> None:
    person = make_user(requests="10/m", tokens_per_day=100, spend_per_month_usd=Decimal(1))

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            page_of(operator, person)
        return len(captured)

    queries()
    few = queries()
    for code in ("rate_limited", "too_many_streams", "tokens_exhausted"):
        refusal_counts.record(person.requester, person.quota.name, code)
        Grant.objects.create(user=person.user, tokens=1, created_by=person.user)
        spent(person, tokens=1, outcome="running")
    refusal_counts.write()
    assert queries() == few


def test_page_of_person_shows_no_title_and_no_text(operator: Client, bob: "Person") -> None:
    Conversation.objects.create(user=bob.user, title="private title")
    assert "private" not in page_of(operator, bob)


def test_refusal_of_a_real_turn_stands_on_the_page(operator: Client, make_user: "MakeUser") -> None:
    person = make_user(requests="1/h")
    assert [turn_status(person), turn_status(person)] == [200, 429]
    assert 'value="100" aria-label="Requests an hour"' in page_of(operator, person)


def test_limits_of_a_person_are_for_those_who_may_see_the_ledger(
    helper: Client, alice: "Person", bob: "Person"
) -> None:
    refusal_counts.record(bob.requester, bob.quota.name, "rate_limited")
    refusal_counts.write()
    assert "What applies to" not in page_of(helper, bob)
    allow(alice, "view_usage")
    page = page_of(helper, bob)
    assert "What applies to" in page
    assert "Refused in the last 7 days" not in page
    allow(alice, "view_refusalcount")
    assert "Refused in the last 7 days" in page_of(helper, bob)
