"""What is a guest's follows them into their account when they sign in, and no one else's."""

from contextlib import ExitStack
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session

from chat.accounts import guests as accounts_guests
from chat.limits import reader_leases
from chat.models import Conversation, Message, SitePolicy, Usage
from chat.requester import Requester
from tests.harness import wire
from tests.harness.answers import ledger
from tests.harness.challenge import solved
from tests.harness.client import Client
from tests.harness.guests import ask
from tests.harness.refusals import assert_refused
from tests.harness.site import Site
from tests.harness.upstream import Upstream
from tests.harness.visitor import visitor

if TYPE_CHECKING:
    from tests.harness.people import Person

pytestmark = pytest.mark.usefixtures("guests")
NEW_PASSWORD = "another-fine-day-in-may"


def sign_in(client: Client, person: "Person") -> None:
    assert client.sign_in(person.user.username, person.password).status_code == 302
    # The token was renewed with the session: the client's own is none any more.
    old, *new = (cookie for cookie in client.http.cookies.jar if cookie.name == "csrftoken")
    if new:
        client.http.cookies.jar.clear(old.domain, old.path, old.name)


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
