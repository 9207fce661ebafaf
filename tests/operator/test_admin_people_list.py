"""The administration's list of people, and invitations."""

import re
from collections.abc import Callable
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from chat.accounts.signed_links import invitation_url
from chat.models import Invitation, Pause, Quota, SitePolicy
from tests.harness.people import Person
from tests.harness.visitor import text

pytestmark = pytest.mark.usefixtures("static_files")


def quota_shown(operator: Client, user: User) -> str:
    page = text(operator.get("/admin/auth/user/", {"q": user.username}))
    return re.search(r'field-quota">(.*?)<', page)[1]  # type: ignore[index]


def test_the_list_of_people_shows_the_quota_that_applies(operator: Client, bob: Person) -> None:
    group = Group.objects.create(name=str(uuid4()))
    bob.user.groups.add(group)
    low = Quota.objects.create(name=f"Low {uuid4()}", priority=1)
    high = Quota.objects.create(name=f"High {uuid4()}", priority=2)
    for quota in (low, high):
        quota.groups.add(group)
    steps: list[Callable[[], object]] = [
        lambda: None,
        bob.quota.users.clear,
        high.delete,
        low.delete,
    ]
    for step in steps:
        step()
        applies = Quota.objects.for_requester(bob.requester)
        assert applies is not None
        assert quota_shown(operator, bob.user) == applies.name
    assert applies is not None
    assert applies.is_default


def test_the_list_of_people_takes_as_many_queries_for_many_as_for_one(
    operator: Client, bob: Person
) -> None:
    def queries(search: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            text(operator.get("/admin/auth/user/", {"q": search}))
        return len(captured)

    one = queries(bob.user.username)
    User.objects.bulk_create(
        [User(username=f"{bob.user.username}-{number}") for number in range(20)]
    )
    assert queries(bob.user.username) == one


def test_an_invitation_is_made_and_its_link_shown(operator: Client, alice: Person) -> None:
    SitePolicy.objects.filter(pk=1).update(signup="invite")
    try:
        note = f"for Dana {uuid4()}"
        expires = {"expires_0": "2999-01-01", "expires_1": "00:00:00"}
        page = text(
            operator.post("/admin/chat/invitation/add/", {"note": note, **expires}, follow=True)
        )
        invitation = Invitation.objects.get(note=note)
        assert invitation.created_by == alice.user
        assert invitation_url(invitation).replace("&", "&amp;") in page
        Invitation.objects.filter(pk=invitation.pk).update(used=invitation.created)
        assert "Used or expired." in text(
            operator.get(f"/admin/chat/invitation/{invitation.pk}/change/")
        )
    finally:
        SitePolicy.objects.filter(pk=1).update(signup="closed")


def test_no_link_is_shown_while_sign_up_is_closed(operator: Client) -> None:
    invitation = Invitation.objects.create()
    assert "Sign-up is closed" in text(
        operator.get(f"/admin/chat/invitation/{invitation.pk}/change/")
    )


def test_list_of_people_is_filtered_by_quota_and_by_pause(
    operator: Client, alice: Person, bob: Person
) -> None:
    Pause.objects.create(user=bob.user)
    listed = text(operator.get("/admin/auth/user/", {"quota": bob.quota.pk}))
    assert f">{bob.user.username}</a>" in listed
    assert f">{alice.user.username}</a>" not in listed
    paused = text(operator.get("/admin/auth/user/", {"paused": "yes", "q": bob.user.username}))
    assert f">{bob.user.username}</a>" in paused
    assert f">{bob.user.username}</a>" not in text(
        operator.get("/admin/auth/user/", {"paused": "no", "q": bob.user.username})
    )
    for nonsense in ("x", "9" * 30, "-1"):
        text(operator.get("/admin/auth/user/", {"quota": nonsense}))
