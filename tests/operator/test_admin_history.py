"""The admin's history: who changed which limit, from what to what."""

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client

from chat.models import ChatModel, Quota, SitePolicy
from tests.harness.visitor import visitor

if TYPE_CHECKING:
    from tests.harness.people import Person

pytestmark = pytest.mark.usefixtures("static_files")
QUOTAS = "/admin/chat/quota/"


def told(obj: Model) -> list[str]:
    """Returns the entries of an object's history, oldest first."""
    entries = LogEntry.objects.filter(
        content_type__model=obj._meta.model_name, object_id=str(obj.pk)
    ).order_by("pk")
    return [entry.get_change_message() for entry in entries]


def save(client: Client, quota: Quota, **changes: object) -> None:
    fields: dict[str, object] = {
        "name": quota.name,
        "mode": quota.mode,
        "priority": "0",
        "requests": quota.requests,
    }
    if quota.concurrent_streams is not None:
        fields["concurrent_streams"] = str(quota.concurrent_streams)
    answer = client.post(f"{QUOTAS}{quota.pk}/change/", fields | changes)
    assert answer.status_code == 302, answer.content.decode()


def test_history_tells_each_limit_from_what_to_what(operator: Client) -> None:
    quota = Quota.objects.create(name=f"Quota {uuid4()}", requests="10/m", concurrent_streams=3)
    save(
        operator,
        quota,
        requests="5/m, 50/d",
        spend_per_month_usd="2.50",
        mode="shadow",
        concurrent_streams="",
    )
    [sentence] = told(quota)
    assert "Requests: 10/m → 5/m, 50/d." in sentence
    assert "Concurrent streams: 3 → none." in sentence
    assert "Spend per month (USD): none → 2.5." in sentence
    assert "Mode: Enforce → Shadow: record only whom it would have refused." in sentence
    assert "Name" not in sentence
    page = operator.get(f"{QUOTAS}{quota.pk}/history/").content.decode()
    assert "Requests: 10/m → 5/m, 50/d." in page
    assert "Requests: 10/m → 5/m, 50/d." in operator.get("/admin/").content.decode()


def test_history_tells_who_came_and_who_went(operator: Client, bob: "Person") -> None:
    quota = Quota.objects.create(name=f"Quota {uuid4()}")
    group, other = (
        Group.objects.create(name=f"B {uuid4()}"),
        Group.objects.create(name=f"A {uuid4()}"),
    )
    save(operator, quota, groups=[str(group.pk)], users=[str(bob.user.pk)])
    save(operator, quota, groups=[str(other.pk)], users=[str(bob.user.pk)])
    assert told(quota) == [
        f"Users: added {bob.user.username}. Groups: added {group.name}.",
        f"Groups: added {other.name}; removed {group.name}.",
    ]


def test_history_names_no_more_than_a_line_of_people(operator: Client) -> None:
    quota = Quota.objects.create(name=f"Quota {uuid4()}")
    people = User.objects.bulk_create([User(username=f"{uuid4()}") for _ in range(12)])
    save(operator, quota, users=[str(person.pk) for person in people])
    assert told(quota)[0].endswith(" and 2 more.")


def test_history_tells_what_was_changed_in_the_list(operator: Client) -> None:
    quota = Quota.objects.create(name=f"Quota {uuid4()}", requests="10/m")
    row = {
        "form-0-id": str(quota.pk),
        "form-0-requests": "20/m",
        "form-0-concurrent_streams": "7",
        "form-0-priority": "0",
    }
    total = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "_save": "Save"}
    assert operator.post(f"{QUOTAS}?q={quota.name}", row | total).status_code == 302
    assert told(quota) == ["Requests: 10/m → 20/m. Concurrent streams: none → 7."]


def test_history_tells_to_whom_the_default_was_handed(operator: Client, bob: "Person") -> None:
    before = Quota.objects.get(is_default=True)
    count = len(told(before))
    try:
        operator.post(QUOTAS, {"action": "make_default", "_selected_action": [str(bob.quota.pk)]})
        assert told(bob.quota) == ["Default: no → yes."]
        assert told(before)[count:] == ["Default: yes → no."]
        operator.post(QUOTAS, {"action": "make_default", "_selected_action": [str(bob.quota.pk)]})
        assert len(told(bob.quota)) == 1
    finally:
        Quota.objects.filter(is_default=True).update(is_default=False)
        Quota.objects.filter(pk=before.pk).update(is_default=True)


def test_history_tells_prices_and_who_takes_over(operator: Client) -> None:
    model, other = (
        ChatModel.objects.create(slug=f"model-{uuid4()}", enabled=False, position=99)
        for _ in range(2)
    )
    fields = {
        name: str(getattr(model, name))
        for name in ("slug", "context_tokens", "max_output_tokens", "position")
    }
    prices = {"input_usd_per_million": "0.000001", "output_usd_per_million": "0"}
    rules = "x" * 200
    post = fields | prices | {"fallback": str(other.pk), "system_prompt": rules}
    assert operator.post(f"/admin/chat/chatmodel/{model.pk}/change/", post).status_code == 302
    [sentence] = told(model)
    assert "Input, USD per million: 0 → 0.000001." in sentence
    assert f"Fallback: none → {other}." in sentence
    assert f"System prompt: none → {'x' * 79}…." in sentence
    assert (
        operator.post(
            f"/admin/chat/chatmodel/{model.pk}/change/", post | {"fallback": ""}
        ).status_code
        == 302
    )
    assert told(model)[1] == f"Fallback: {other} → none."
    ChatModel.objects.filter(pk__in=[model.pk, other.pk]).delete()


def test_history_tells_who_paused_the_site_and_who_changed_its_budget(
    operator: Client, policy_kept: None
) -> None:
    policy = SitePolicy.objects.get_or_create(pk=1)[0]
    count = len(told(policy))
    fields = {
        "notice": "Back at ten.",
        "signup": policy.signup,
        "paused": "on",
        "tokens_per_day": "1000000",
    }
    assert operator.post("/admin/chat/sitepolicy/1/change/", fields).status_code == 302
    sentence = told(policy)[count]
    assert "Paused: no → yes." in sentence
    assert "Notice: none → Back at ten. " in sentence
    assert "Tokens per day: none → 1000000." in sentence


def test_history_of_people_tells_groups_and_keeps_no_address(
    operator: Client, bob: "Person"
) -> None:
    group = Group.objects.create(name=f"Group {uuid4()}")
    fields = {
        "username": bob.user.username,
        "email": "private@example.org",
        "is_active": "on",
        "groups": [str(group.pk)],
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
    }
    assert operator.post(f"/admin/auth/user/{bob.user.pk}/change/", fields).status_code == 302
    [sentence] = told(bob.user)
    assert f"Groups: added {group.name}." in sentence
    assert "Email address: changed." in sentence
    assert "example.org" not in sentence


def test_history_of_a_new_thing_says_that_it_was_added(operator: Client) -> None:
    name = f"Quota {uuid4()}"
    assert (
        operator.post(
            f"{QUOTAS}add/", {"name": name, "mode": "enforce", "priority": "0"}
        ).status_code
        == 302
    )
    assert told(Quota.objects.get(name=name)) == ["Added."]


def test_history_of_everything_is_one_list_that_nobody_changes(
    operator: Client, alice: "Person"
) -> None:
    quota = Quota.objects.create(name=f"Quota {uuid4()}", requests="10/m")
    save(operator, quota, requests="5/m")
    path = "/admin/admin/logentry/"
    page = operator.get(path, {"q": quota.name}).content.decode()
    assert f'<a href="{QUOTAS}{quota.pk}/change/">{quota.name}</a>' in page
    assert alice.user.username in page
    assert "Requests: 10/m → 5/m." in page
    entry = LogEntry.objects.get(object_id=str(quota.pk), content_type__model="quota")
    assert operator.post(f"{path}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    operator.post(
        path, {"action": "delete_selected", "_selected_action": [str(entry.pk)], "post": "yes"}
    )
    assert operator.post(f"{path}{entry.pk}/change/", {"change_message": "x"}).status_code == 403
    operator.post(f"{QUOTAS}{quota.pk}/delete/", {"post": "yes"})
    assert "Deleted." in operator.get(path, {"q": quota.name}).content.decode()
    assert LogEntry.objects.get(pk=entry.pk).get_change_message() == "Requests: 10/m → 5/m."


def test_history_is_for_those_who_may_see_it(alice: "Person") -> None:
    User.objects.filter(pk=alice.user.pk).update(is_staff=True)
    assert visitor(alice.user).get("/admin/admin/logentry/").status_code == 403
