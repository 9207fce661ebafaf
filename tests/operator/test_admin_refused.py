"""Whom a quota has refused, and who may see it in the administration."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from chat.limits import refusal_counts
from chat.models import RefusalCount
from tests.harness.quota_pages import QUOTAS, page_of, shared
from tests.harness.spending import spent
from tests.harness.visitor import text, visitor

if TYPE_CHECKING:
    from tests.conftest import MakeUser
    from tests.harness.people import Person
pytestmark = pytest.mark.usefixtures("static_files")


def refused(
    person: "Person", code: str, count: int, days_ago: int = 0, shadow: bool = False
) -> None:
    moment = timezone.now() - timedelta(days=days_ago)
    RefusalCount.objects.create(
        hour=moment,
        day=timezone.localdate(moment),
        user=person.user,
        limit_key=person.requester.limit_key,
        quota=person.quota.name,
        code=code,
        shadow=shadow,
        count=count,
        last=moment,
    )


def test_refusals_are_told_by_gate_and_by_person(operator: Client, make_user: "MakeUser") -> None:
    quota, (one, two) = shared(make_user, 2, requests="1/m")
    refused(one, "rate_limited", 3)
    refused(one, "rate_limited", 4, days_ago=3)
    refused(one, "rate_limited", 100, days_ago=8)
    refused(two, "rate_limited", 10)
    refused(two, "spend_exhausted", 2, days_ago=2)
    gates = [
        (row["code"], row["people"], row["last_day"], row["last_week"])
        for row in refusal_counts.by_gate(quota=quota.name)
    ]
    assert gates == [("rate_limited", 2, 13, 17), ("spend_exhausted", 1, 0, 2)]
    people = [
        (row["user__username"], row["code"], row["last_day"], row["last_week"])
        for row in refusal_counts.by_person(quota=quota.name)
    ]
    assert people == [
        (two.user.username, "rate_limited", 10, 10),
        (one.user.username, "rate_limited", 3, 7),
        (two.user.username, "spend_exhausted", 0, 2),
    ]
    page = page_of(operator, quota)
    assert "Refused in the last 7 days" in page
    assert "spend this month" in page
    assert "Would have been refused" not in page


def test_shadow_quota_tells_whom_it_would_have_refused(
    operator: Client, make_user: "MakeUser"
) -> None:
    quota, (person,) = shared(make_user, 1, requests="1/m", mode="shadow")
    assert "Would have been refused in the last 7 days: nobody." in page_of(operator, quota)
    refused(person, "too_many_streams", 5, shadow=True)
    page = page_of(operator, quota)
    assert "it refuses nobody" in page
    assert "Refused in the last 7 days: nobody." in page
    shadowed = page[page.index("Would have been refused") :]
    assert "running answers" in shadowed
    assert f">{person.user.username}</a>" in shadowed


def test_use_and_refusals_are_for_those_who_may_see_them(
    alice: "Person", make_user: "MakeUser"
) -> None:
    User.objects.filter(pk=alice.user.pk).update(is_staff=True)
    helper = visitor(alice.user)
    quota, (person,) = shared(make_user, 1, tokens_per_day=100)
    spent(person, tokens=5)
    refused(person, "rate_limited", 1)

    def may(codename: str) -> str:
        alice.user.user_permissions.add(
            Permission.objects.get(codename=codename, content_type__app_label="chat")
        )
        return page_of(helper, quota)

    assert helper.get(f"{QUOTAS}{quota.pk}/change/").status_code == 403
    page = may("view_quota")
    assert "Nearest to a limit" not in page
    assert "Refused in" not in page
    page = may("view_usage")
    assert "Nearest to a limit" in page
    assert "Refused in" not in page
    assert "Refused in" in may("view_refusalcount")
    page = may("view_sitepolicy")
    assert "Tokens today" in text(helper.get("/admin/chat/sitepolicy/1/change/"))
