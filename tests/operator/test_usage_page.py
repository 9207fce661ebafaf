"""The page on which people see their limits, why these apply, and what they have used."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import redis_client
from chat.formatting import span, usd
from chat.limits import leases, windows
from chat.limits.usage_report import report
from chat.models import Quota, Usage
from chat.rates import parse_rates
from chat.requester import Requester
from tests.harness.people import Person
from tests.harness.visitor import compact, visitor

if TYPE_CHECKING:
    from tests.conftest import MakeUser

pytestmark = pytest.mark.usefixtures("static_files")


def spend(person: Person, cost: str = "0.5", **fields: object) -> Usage:
    defaults = {
        "prompt_tokens": 1000,
        "completion_tokens": 234,
        "outcome": "complete",
        "model": "gpt-4o-mini",
    }
    key = person.requester.limit_key
    return Usage.objects.create(
        answer=uuid4(),
        user=person.user,
        owner_key=key,
        limit_key=key,
        cost_usd=Decimal(cost),
        **defaults | fields,
    )


def page_of(person: Person) -> str:
    answer = visitor(person.user).get("/usage/")
    assert answer.status_code == 200
    return compact(answer)


def test_what_is_used_is_shown_beside_its_limit(make_user: "MakeUser") -> None:
    person = make_user(
        "una",
        requests="10/m, 500/d",
        concurrent_streams=3,
        tokens_per_day=9999,
        spend_per_month_usd=Decimal("20"),
    )
    for _ in range(4):
        windows.take(windows.TURNS, person.requester.limit_key, person.quota.rates)
    spend(person, "0.000405")
    leases.take(
        redis_client.client(),
        person.requester.limit_key,
        leases.Lease("a", (person.requester.limit_key,), 1, 1),
        leases.Headroom(),
    )
    found = report(person.requester)
    assert [(window.used, window.rate.limit) for window in found.windows or []] == [
        (4, 10),
        (4, 500),
    ]
    assert (found.streams, found.tokens, found.spend) == (1, 1234, Decimal("0.000405"))
    page = page_of(person)
    assert f"“Quota of {person.user.username}” applies to you: it names you" in page
    for text in (
        "Requests a minute",
        "Requests a day",
        ">4<",
        ">500<",
        ">1,234<",
        ">9,999<",
        "$0.000405",
        "$20.00",
    ):
        assert text in page


def test_only_this_day_and_this_month_count(alice: Person) -> None:
    now = timezone.now()
    spend(alice, day=timezone.localdate() - timedelta(days=40))
    spend(alice, outcome="running")
    spend(alice, "0.25")
    found = report(alice.requester)
    assert (found.tokens, found.spend) == (1234, Decimal("0.25"))
    assert now < found.tokens_reset <= now + timedelta(hours=25)
    assert now < found.spend_reset <= now + timedelta(days=32)


def test_what_others_use_is_not_shown(alice: Person, bob: Person) -> None:
    spend(alice, model="model-of-alice")
    assert "model-of-alice" in page_of(alice)
    assert "model-of-alice" not in page_of(bob)


def test_estimates_and_broken_answers_are_marked(alice: Person) -> None:
    spend(alice, outcome="stopped", estimated=True)
    assert "stopped, estimated" in page_of(alice)


def test_why_a_quota_applies_is_said(make_user: "MakeUser", alice: Person) -> None:
    assert report(alice.requester).reason == "it names you"
    group = Group.objects.create(name=f"staff {uuid4()}")
    alice.user.groups.add(group)
    alice.quota.users.clear()
    alice.quota.groups.add(group)
    assert report(alice.requester).reason == f"it names your group {group.name}"
    alice.quota.groups.clear()
    assert report(alice.requester).reason == "it is the default"
    assert report(Requester(None, "somebody", "198.18.0.1")).reason == "no quota applies to you"


def test_a_guest_sees_why_and_not_what_others_at_the_address_did(db_ready: None) -> None:
    quota = Quota.objects.create(name=f"Guests {uuid4()}", for_guests=True, requests="5/m")
    try:
        found = report(Requester(None, "somebody", "198.18.0.1"))
        assert (found.quota, found.reason) == (quota, "it is the one for guests")
    finally:
        quota.delete()


def test_the_number_of_queries_does_not_grow_with_use(alice: Person) -> None:
    client = visitor(alice.user)
    spend(alice)
    with CaptureQueriesContext(connection) as before:
        client.get("/usage/")
    for _ in range(60):
        spend(alice)
    with CaptureQueriesContext(connection) as after:
        page = client.get("/usage/").content.decode()
    # The site's policy is remembered for a moment.
    assert len(after) <= len(before)
    assert page.count("gpt-4o-mini") == 50


def test_the_page_takes_a_sign_in() -> None:
    assert visitor().get("/usage/")["Location"] == "/accounts/login/?next=/usage/"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (60, "1 minute"),
        (61, "61 seconds"),
        (301, "6 minutes"),
        (3600, "1 hour"),
        (86400, "1 day"),
        (90000, "25 hours"),
    ],
)
def test_a_length_of_time_is_never_shown_shorter_than_it_is(seconds: int, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("0", "$0.00"),
        ("1.2", "$1.20"),
        ("0.00000405", "$0.00000405"),
        ("20.0000", "$20.00"),
        ("1E+2", "$100.00"),
    ],
)
def test_money_is_shown_to_the_cent_and_further_where_there_is_more(
    amount: str, words: str
) -> None:
    assert usd(Decimal(amount)) == words


def test_windows_are_named_as_the_quota_wrote_them() -> None:
    assert [span(rate.period) for rate in parse_rates("1/5m, 2/h")] == ["5 minutes", "1 hour"]
