"""What an operator does for or against one person: grants and pauses."""

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from django.utils import timezone

from chat.limits.effective_quota import effective_quota_of
from chat.models import Grant, Pause
from tests.harness.turns import turn_status

if TYPE_CHECKING:
    from tests.conftest import MakeUser


def test_grant_is_in_force_on_the_next_turn_and_reported(make_user: "MakeUser") -> None:
    person = make_user(tokens_per_day=30, max_output_tokens=1)
    assert turn_status(person) == 200
    assert turn_status(person) == 429
    Grant.objects.create(user=person.user, tokens=100)
    assert turn_status(person) == 200
    assert person.client.get("/api/limits").json()["tokens_per_day"]["limit"] == 130


def test_grant_holds_for_its_day_and_its_money_for_the_month(make_user: "MakeUser") -> None:
    person = make_user(tokens_per_day=100, spend_per_month_usd=Decimal(1))
    today = timezone.localdate()
    first = today.replace(day=1)
    for day in (today, first - timedelta(days=1), today + timedelta(days=1)):
        Grant.objects.create(user=person.user, day=day, tokens=10, usd=Decimal("0.1"))
    Grant.objects.create(user=person.user, day=first, usd=Decimal("0.1"))
    quota = effective_quota_of(person.requester).quota
    assert quota is not None
    assert (quota.tokens_per_day, quota.spend_per_month_usd) == (110, Decimal("1.2"))


def test_grant_gives_no_limit_to_a_quota_without_one(make_user: "MakeUser") -> None:
    person = make_user()
    Grant.objects.create(user=person.user, tokens=10, usd=Decimal(1))
    quota = effective_quota_of(person.requester).quota
    assert quota is not None
    assert (quota.tokens_per_day, quota.spend_per_month_usd) == (None, None)


def test_grant_is_one_persons_alone(make_user: "MakeUser") -> None:
    owner, stranger = make_user(tokens_per_day=100), make_user(tokens_per_day=100)
    Grant.objects.create(user=owner.user, tokens=10)
    quota = effective_quota_of(stranger.requester).quota
    assert quota is not None
    assert quota.tokens_per_day == 100


def test_paused_person_may_read_and_begins_no_turn(make_user: "MakeUser") -> None:
    person, other = make_user(), make_user()
    assert turn_status(person) == 200
    pause = Pause.objects.create(user=person.user, note="Come and talk to us.")
    refused = person.client.chat(content="hello")
    assert (
        refused.status,
        refused.json()["error"]["code"],
        refused.json()["error"]["message"],
    ) == (503, "paused", "Come and talk to us.")
    assert person.client.get("/usage/").status_code == 200
    assert turn_status(other) == 200
    pause.delete()
    assert turn_status(person) == 200
