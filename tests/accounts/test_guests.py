"""Guests: what is theirs follows them into their account when they sign in, and nobody else's."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.utils import timezone

from chat import redis_client
from chat.accounts import guests as accounts_guests
from chat.limits import leases, reader_leases
from chat.models import Conversation, Message, Quota, SitePolicy, Usage
from chat.requester import Requester
from tests.harness import wire
from tests.harness.answers import ledger, wait_until
from tests.harness.challenge import solved
from tests.harness.client import Client
from tests.harness.refusals import assert_refused
from tests.harness.site import Site
from tests.harness.upstream import Upstream
from tests.harness.visitor import visitor

if TYPE_CHECKING:
    from tests.harness.people import Person

pytestmark = pytest.mark.usefixtures("guests")
NEW_PASSWORD = "another-fine-day-in-may"


@pytest.fixture
def guest(site: Site) -> Iterator[Client]:
    with Client(site.url) as client:
        yield client


def ask(client: Client, prompt: str = "hello", **fields: Any) -> dict[str, Any]:
    """A whole turn of a guest; its start."""
    with client.chat(content=prompt, altcha=solved(), **fields) as stream:
        stream.read()
        assert stream.ended
        start: dict[str, Any] = stream.named("start")[0]
        return start


def sign_in(client: Client, person: "Person") -> None:
    assert client.sign_in(person.user.username, person.password).status_code == 302
    # The token was renewed with the session: the client's own is none any more.
    old, *new = (cookie for cookie in client.http.cookies.jar if cookie.name == "csrftoken")
    if new:
        client.http.cookies.jar.clear(old.domain, old.path, old.name)


# --- Handed over -------------------------------------------------------------------------


def test_a_guests_conversations_become_the_accounts_and_nobody_elses(
    guest: Client, alice: "Person", bob: "Person"
) -> None:
    starts = [ask(guest), ask(guest)]
    own = ask(alice.client)
    before = [Usage.objects.filter(answer=start["answer"]).values().get() for start in starts]
    sign_in(guest, alice)
    for start in starts:
        assert Conversation.objects.get(id=start["conversation"]).user_id == alice.user.pk
        for client, status in ((guest, 200), (alice.client, 200), (bob.client, 404)):
            assert client.get(f"/c/{start['conversation']}/").status_code == status
            assert client.get(f"/api/answers/{start['answer']}/stream").status_code == status
    assert Conversation.objects.owned_by(alice.requester).count() == 3
    assert own["conversation"] in guest.get("/").text
    # What was used was used at the address: the ledger is as it was.
    assert [
        Usage.objects.filter(answer=start["answer"]).values().get() for start in starts
    ] == before
    assert before[0]["limit_key"] == "ip:127.0.0.1"


def test_another_guest_at_the_same_address_keeps_theirs(
    site: Site, guest: Client, alice: "Person"
) -> None:
    with Client(site.url) as other:
        foreign = ask(other)
        ask(guest)
        sign_in(guest, alice)
        assert other.get(f"/c/{foreign['conversation']}/").status_code == 200
        assert guest.get(f"/c/{foreign['conversation']}/").status_code == 404


def test_the_session_from_before_is_worth_nothing_afterwards(
    site: Site, guest: Client, alice: "Person"
) -> None:
    start = ask(guest)
    before = guest.http.cookies["sessionid"]
    sign_in(guest, alice)
    assert guest.http.cookies["sessionid"] != before
    assert not Session.objects.filter(session_key=before).exists()
    with Client(site.url) as thief:
        thief.http.cookies.set("sessionid", before)
        assert (
            thief.get(f"/c/{start['conversation']}/")
            .headers["location"]
            .startswith("/accounts/login/")
        )
        assert_refused(thief.get(f"/api/answers/{start['answer']}/stream"), 401, "not_signed_in")


def test_after_signing_out_the_conversations_stay_with_the_account(
    guest: Client, alice: "Person"
) -> None:
    start = ask(guest)
    sign_in(guest, alice)
    assert guest.post("/accounts/logout/").status_code == 302
    assert guest.get(f"/c/{start['conversation']}/").status_code in (302, 404)
    ask(guest)
    assert Conversation.objects.owned_by(alice.requester).count() == 1


def test_one_who_signs_in_over_another_account_takes_nothing_of_it_along(
    guest: Client, alice: "Person", bob: "Person"
) -> None:
    ask(guest)
    sign_in(guest, alice)
    guest.post("/accounts/logout/")
    sign_in(guest, bob)
    assert Conversation.objects.owned_by(bob.requester).count() == 0


def test_a_running_answer_is_followed_and_stopped_after_the_hand_over(
    site: Site, guest: Client, alice: "Person", bob: "Person", upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script([*wire.text("so far"), gate, *wire.answer(" and on")])
    turn = str(uuid4())
    with guest.chat(content=key, turn=turn, altcha=solved()) as stream:
        stream.until_text("so far")
        with Client(site.url) as same:
            same.http.cookies.set("sessionid", guest.http.cookies["sessionid"])
            sign_in(same, alice)
            with same.resume(stream.answer) as resumed:
                resumed.until_text("so far")
            # The same turn, sent again by the account it belongs to now.
            with same.chat(content=key, turn=turn) as again:
                assert again.answer == stream.answer
            assert_refused(bob.client.stop(stream.answer), 404, "not_found")
            assert same.stop(stream.answer).json() == {"status": "stopped", "content": "so far"}
        # Who was reading before reads on to the end.
        stream.read()
        assert stream.ended
    assert len(upstream.requests(key)) == 1
    assert ledger(stream).owner_key.startswith("g:")
    assert Message.objects.get(id=stream.answer).turn_owner == alice.requester.owner_key


def test_a_stateless_answer_stays_with_the_session_that_asked(
    site: Site, guest: Client, alice: "Person", upstream: Upstream
) -> None:
    """Nothing of it is stored, so there is nothing to hand over; it ends with its reader."""
    ask(guest)
    gate = wire.Gate()
    key = upstream.script([*wire.text("so"), gate, *wire.answer(" on")])
    with guest.chat({"messages": [{"role": "user", "content": key}]}) as stream:
        stream.until_text("so")
        assert_refused(alice.client.stop(stream.answer), 404, "not_found")
        assert guest.stop(stream.answer).json() == {"status": "stopped", "content": "so"}


def test_the_readers_of_a_guest_count_for_the_account(
    site: Site, guest: Client, alice: "Person", upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script([*wire.text("so"), gate, *wire.answer(" on")])
    with (
        guest.chat(content=key, altcha=solved()) as stream,
        ExitStack() as stack,
        Client(site.url) as same,
    ):
        stream.until_text("so")
        same.http.cookies.set("sessionid", guest.http.cookies["sessionid"])
        for _ in range(reader_leases.MAX_READERS - 1):
            stack.enter_context(guest.resume(stream.answer)).until("start")
        sign_in(same, alice)
        stack.enter_context(same.resume(stream.answer)).until("start")
        assert_refused(same.resume(stream.answer), 429, "too_many_readers", retry_after=range(2, 3))
        gate.open()
        stream.read()


def test_a_turn_that_begins_while_its_guest_signs_in_is_handed_over_too(
    site: Site, guest: Client, alice: "Person"
) -> None:
    """The turn is sent as a guest's, and written when the hand-over is over."""
    requester = Requester(None, str(uuid4()), "127.0.0.1")
    client = visitor()
    session = client.session
    session[accounts_guests.SESSION_KEY] = requester.guest
    session.save()
    client.cookies["sessionid"] = session.session_key or ""
    client.post("/accounts/login/", {"username": alice.user.username, "password": alice.password})
    late = Conversation.objects.create(guest=requester.guest)
    accounts_guests.transfer_late_turn(requester)
    late.refresh_from_db()
    assert (late.user_id, late.guest) == (alice.user.pk, "")
    other = Conversation.objects.create(guest=str(uuid4()))
    accounts_guests.transfer_late_turn(Requester(None, other.guest, "127.0.0.1"))
    other.refresh_from_db()
    assert other.user_id is None


def test_a_turn_that_both_had_stays_with_both(alice: "Person") -> None:
    """A client that uses one id twice gets no error at its next sign-in."""
    turn, name = uuid4(), str(uuid4())
    own, foreign = (
        Conversation.objects.create(user=alice.user),
        Conversation.objects.create(guest=name),
    )
    for conversation, owner in ((own, alice.requester.owner_key), (foreign, f"g:{name}")):
        Message.objects.create(
            conversation=conversation, role="assistant", turn=turn, turn_owner=owner
        )
    accounts_guests.transfer_to_account(Requester(None, name, ""), alice.requester)
    assert Conversation.objects.owned_by(alice.requester).count() == 2


def test_signing_up_hands_over_as_signing_in_does(guest: Client) -> None:
    SitePolicy.objects.filter(pk=1).update(signup="open")
    try:
        start = ask(guest)
        name = f"eve-{uuid4().hex[:8]}"
        form = {
            "username": name,
            "password1": NEW_PASSWORD,
            "password2": NEW_PASSWORD,
            "altcha": solved(),
        }
        assert guest.post("/accounts/signup/", data=form).headers["location"] == "/"
    finally:
        SitePolicy.objects.filter(pk=1).update(signup="closed")
    assert Conversation.objects.get(id=start["conversation"]).user == User.objects.get(
        username=name
    )


# --- Forgotten ------------------------------------------------------------------------------


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


# --- The pages of a guest ------------------------------------------------------------------


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
