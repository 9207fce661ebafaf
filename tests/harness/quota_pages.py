"""Quotas for several people, and their pages in the administration."""

from typing import TYPE_CHECKING
from uuid import uuid4

from django.test import Client

from chat.models import Quota
from tests.harness.visitor import compact

if TYPE_CHECKING:
    from tests.conftest import MakeUser
    from tests.harness.people import Person


QUOTAS = "/admin/chat/quota/"


def page_of(client: Client, quota: Quota) -> str:
    """Returns the page of the quota, without the line breaks of its template."""
    return compact(client.get(f"{QUOTAS}{quota.pk}/change/"))


def shared(make_user: "MakeUser", people: int, **limits: object) -> "tuple[Quota, list[Person]]":
    """Returns a quota and so many new people, whom it and no other quota names."""
    quota = Quota.objects.create(name=f"Shared {uuid4()}", **limits)
    made = [make_user("sharer") for _ in range(people)]
    for person in made:
        person.quota.users.clear()
        quota.users.add(person.user)
        person.quota = quota
    return quota, made
