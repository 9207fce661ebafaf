"""Guests have pages and limits of their own, and are forgotten."""

from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.utils import timezone

from chat import redis_client
from chat.limits import leases
from chat.models import Conversation, Message, Quota, SitePolicy
from tests.harness import wire
from tests.harness.answers import wait_until
from tests.harness.challenge import solved
from tests.harness.client import Client
from tests.harness.guests import ask
from tests.harness.refusals import assert_refused
from tests.harness.site import Site
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.harness.people import Person

pytestmark = pytest.mark.usefixtures("guests")


def test_conversations_that_no_guest_can_come_back_to_are_deleted_and_no_others(
    alice: "Person",
) -> None:
    now = timezone.now()
    old, recent = now - timedelta(days=15), now - timedelta(days=13)
    gone, kept = (
        Conversation.objects.create(guest=str(uuid4()), updated=when) for when in (old, recent)
    )
    own = Conversation.objects.create(user=alice.user, updated=old)
    message = Message.objects.create(conversation=gone, role="user", content="hello")
    Message.objects.create(conversation=gone, role="assistant", parent=message)
    Session.objects.create(
        session_key=str(uuid4())[:32], session_data="", expire_date=now - timedelta(days=1)
    )
    call_command("forget_guests", stdout=(told := StringIO()))
    assert set(Conversation.objects.filter(pk__in=[gone.pk, kept.pk, own.pk])) == {kept, own}
    assert not Message.objects.filter(conversation_id=gone.pk).exists()
    assert not Session.objects.filter(expire_date__lt=now).exists()
    assert "1 conversations of guests were deleted." in told.getvalue()


def test_a_guest_has_the_pages_of_their_own(site: Site, guest: Client) -> None:
    fresh = guest.get("/")
    assert fresh.status_code == 200
    assert "data-challenge-due" in fresh.text
    assert "/accounts/login/" in fresh.text
    assert guest.get("/usage/").status_code == 200
    start = ask(guest, "a word about axolotls")
    page = guest.get("/")
    assert "data-challenge-due" not in page.text
    assert start["conversation"] in page.text
    assert start["conversation"] in guest.get("/search/", params={"q": "axolotls"}).text
    assert (
        guest.get(f"/c/{start['conversation']}/export.json").json()["id"] == start["conversation"]
    )
    assert "it is the one for guests" in guest.get("/usage/").text
    with Client(site.url) as other:
        assert start["conversation"] not in other.get("/").text
        assert other.get(f"/c/{start['conversation']}/export.json").status_code == 404


def test_without_a_quota_for_guests_the_pages_lead_to_the_sign_in(
    site: Site, guests: Quota
) -> None:
    guests.for_guests = False
    guests.save()
    with Client(site.url) as client:
        for path in ("/", "/usage/", "/search/"):
            assert client.get(path).headers["location"] == f"/accounts/login/?next={path}"


def test_sign_up_is_offered_where_it_is_open(guest: Client) -> None:
    assert "/accounts/signup/" not in guest.get("/").text
    policy = SitePolicy.current()
    policy.signup = "open"
    policy.save()
    try:
        assert "/accounts/signup/" in guest.get("/").text
        assert "/accounts/signup/" in guest.get("/usage/").text
    finally:
        policy.signup = "closed"
        policy.save()


def test_guests_at_one_address_share_its_slots(
    site: Site, guests: Quota, upstream: Upstream
) -> None:
    guests.concurrent_streams = 1
    guests.save()
    gate = wire.Gate()
    key = upstream.script([*wire.text("so"), gate, *wire.answer(" on")])
    wait_until(lambda: leases.in_use(redis_client.client(), "ip:127.0.0.1") == 0)
    with (
        Client(site.url) as one,
        Client(site.url) as other,
        one.chat(content=key, altcha=solved()) as stream,
    ):
        stream.until_text("so")
        refused = other.post("/api/chat", json={"content": "hello", "altcha": solved()})
        assert_refused(
            refused, 429, "too_many_streams", retry_after=range(2, 3), limit="concurrent_streams"
        )
        gate.open()
        stream.read()
