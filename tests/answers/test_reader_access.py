"""Whose right to read or to chat ends while an answer streams: the stream ends with it, on every
worker, within a second.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from chat.models import Pause, Quota
from tests.harness import wire
from tests.harness.answers import (
    client_of_worker,
    ledger,
    message,
    other_worker,
    owner_pid,
    wait_until,
)
from tests.harness.challenge import solved
from tests.harness.chat_page import ask, open_chat
from tests.harness.client import Client, Stream
from tests.harness.people import Person
from tests.harness.refusals import assert_refused
from tests.harness.site import Site
from tests.harness.upstream import Upstream
from tests.harness.visitor import visitor

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.conftest import MakeUser

# A second is what is promised; the rest is for a machine that runs other tests beside this one.
SOON_SECONDS = 1.8


def session_of(client: Client) -> str:
    return client.http.cookies["sessionid"]


def same_browser(client: Client, site: Site) -> Client:
    """Another tab: the same cookies."""
    tab = Client(site.url)
    tab.http.cookies.set("sessionid", session_of(client))
    return tab


def by_sql(user: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE auth_user SET is_active = %s WHERE id = %s", [False, user.pk])


def by_save(user: User) -> None:
    user.is_active = False
    user.save()


def by_admin_list(user: User) -> None:
    admin = User.objects.create(username=f"admin-{uuid4()}", is_staff=True, is_superuser=True)
    form = {
        "username": user.username,
        "email": user.email,
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
    }
    prefixes = ("pause", "grants")
    management = {
        f"{prefix}-{name}_FORMS": "0" for prefix in prefixes for name in ("TOTAL", "INITIAL")
    }
    answer = visitor(admin).post(f"/admin/auth/user/{user.pk}/change/", {**form, **management})
    assert answer.status_code == 302, answer.content.decode()


DEACTIVATIONS: dict[str, Callable[[User], object]] = {
    "save": by_save,
    "update": lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
    "SQL": by_sql,
    "the admin's form": by_admin_list,
    "deletion": lambda user: User.objects.filter(pk=user.pk).delete(),
}


class Reading:
    """An answer of `person` with a reader on its worker and one on another, both in one browser and
    both at "so far".
    """

    def __init__(self, person: Person, site: Site, upstream: Upstream, stack: ExitStack) -> None:
        self.gate = wire.Gate()
        self.key = upstream.script([*wire.text("so far"), self.gate, *wire.answer(" and on")])
        self.client = person.client_on(site)
        self.near = stack.enter_context(self.client.chat(content=self.key))
        self.near.until_text("so far")
        elsewhere = client_of_worker(person, site, other_worker(site, owner_pid(self.near)))
        elsewhere.http.cookies.set("sessionid", session_of(self.client))
        self.far = stack.enter_context(elsewhere.resume(self.near.answer))
        self.far.until_text("so far")
        self.streams = (self.near, self.far)


@pytest.fixture
def reading(alice: Person, site2: Site, upstream: Upstream) -> Iterator[Reading]:
    with ExitStack() as stack:
        reading = Reading(alice, site2, upstream, stack)
        yield reading
        reading.gate.open()


def read_to_the_end(stream: Stream, since: float) -> None:
    stream.read()
    assert monotonic() - since < SOON_SECONDS


# --- People ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("static_files")
@pytest.mark.parametrize("way", DEACTIVATIONS)
def test_answers_and_readers_of_somebody_who_is_let_in_no_more_end_on_every_worker(
    way: str, alice: Person, reading: Reading, upstream: Upstream
) -> None:
    request = upstream.wait_for_request(reading.key)
    user = User.objects.get(pk=alice.user.pk)
    DEACTIVATIONS[way](user)
    since = monotonic()
    assert upstream.wait_for_close(request) - since < SOON_SECONDS
    for stream in reading.streams:
        read_to_the_end(stream, since)
        assert stream.text == "so far"
    wait_until(lambda: ledger(reading.near).outcome != "running")
    assert (ledger(reading.near).outcome, ledger(reading.near).estimated) == ("stopped", True)
    if way != "deletion":
        assert (message(reading.near).status, message(reading.near).content) == (
            "stopped",
            "so far",
        )
        for stream in reading.streams:
            assert stream.ended
            assert stream.named("done")[0]["status"] == "stopped"
    assert_refused(
        reading.client.get(f"/api/answers/{reading.near.answer}/stream"), 401, "not_signed_in"
    )


def test_stateless_answer_of_somebody_who_is_deactivated_ends(
    alice: Person, site: Site, upstream: Upstream
) -> None:
    key = upstream.script([*wire.text("so far"), wire.Stall()])
    with alice.client_on(site).chat({"messages": [{"role": "user", "content": key}]}) as stream:
        stream.until_text("so far")
        since = monotonic()
        User.objects.filter(pk=alice.user.pk).update(is_active=False)
        assert upstream.wait_for_close(upstream.wait_for_request(key)) - since < SOON_SECONDS
        read_to_the_end(stream, since)
        assert stream.ended
    assert ledger(stream).outcome == "stopped"


def test_answer_that_waits_for_its_first_word_ends_too(
    alice: Person, site: Site, upstream: Upstream
) -> None:
    key = upstream.script([wire.HEADERS, wire.Stall()])
    with alice.client_on(site).chat(content=key) as stream:
        request = upstream.wait_for_request(key)
        since = monotonic()
        User.objects.filter(pk=alice.user.pk).update(is_active=False)
        assert upstream.wait_for_close(request) - since < SOON_SECONDS
        read_to_the_end(stream, since)
    assert (message(stream).status, message(stream).content) == ("stopped", "")


def test_nobody_else_is_ended(alice: Person, bob: Person, reading: Reading) -> None:
    User.objects.filter(pk=bob.user.pk).update(is_active=False)
    Session.objects.filter(session_key=bob.new_session()).delete()
    check_reads_on(reading)


def check_reads_on(reading: Reading) -> None:
    """Both readers are there after the time in which they would have been ended, and read the rest."""
    begun = monotonic()
    wait_until(lambda: monotonic() - begun > 1.2)
    reading.gate.open()
    for stream in reading.streams:
        stream.read()
        assert (stream.text, stream.ended) == ("so far and on", True)


def test_limits_that_let_nobody_chat_any_more_end_nothing_that_runs(
    alice: Person, reading: Reading
) -> None:
    Quota.objects.filter(pk=alice.quota.pk).update(
        requests="0/m", concurrent_streams=0, tokens_per_day=0
    )
    Pause.objects.create(user=alice.user)
    assert_refused(
        reading.client.post("/api/chat", json={"content": "more"}),
        503,
        "paused",
        retry_after=range(1, 60),
    )
    check_reads_on(reading)


# --- Sessions -----------------------------------------------------------------------------------


def sign_out(reading: Reading, person: Person, site: Site) -> None:
    with same_browser(reading.client, site) as tab:
        assert tab.post("/accounts/logout/").status_code == 302


def delete_session(reading: Reading, person: Person, site: Site) -> None:
    Session.objects.filter(session_key=session_of(reading.client)).delete()


def expire_session(reading: Reading, person: Person, site: Site) -> None:
    Session.objects.filter(session_key=session_of(reading.client)).update(
        expire_date=timezone.now() - timedelta(seconds=1)
    )


@pytest.mark.parametrize("end", [sign_out, delete_session, expire_session])
def test_the_end_of_a_session_ends_its_readers_on_every_worker_and_nothing_else(
    end: Callable[[Reading, Person, Site], None], alice: Person, site2: Site, reading: Reading
) -> None:
    with alice.client_on(site2).resume(reading.near.answer) as other_browser:
        other_browser.until_text("so far")
        since = monotonic()
        end(reading, alice, site2)
        for stream in reading.streams:
            read_to_the_end(stream, since)
            # Between frames, and without an end: it is to be resumed, by whoever may.
            assert (stream.ended, stream.rest, stream.named("done")) == (False, b"", [])
        assert_refused(
            reading.client.resume(reading.near.answer, reading.near.cursor), 401, "not_signed_in"
        )
        assert message(reading.near).status == "streaming"
        reading.gate.open()
        other_browser.read()
        assert (other_browser.text, other_browser.ended) == ("so far and on", True)
    assert message(reading.near).status == "complete"


def test_password_that_is_changed_elsewhere_ends_the_readers_of_all_other_sessions(
    alice: Person, site2: Site, reading: Reading
) -> None:
    password = make_password("another-fine-day-in-may")
    since = monotonic()
    User.objects.filter(pk=alice.user.pk).update(password=password)
    for stream in reading.streams:
        read_to_the_end(stream, since)
        assert not stream.ended
    alice.user.refresh_from_db()
    with alice.client_on(site2).resume(reading.near.answer) as renewed:
        reading.gate.open()
        renewed.read()
        assert (renewed.text, renewed.ended) == ("so far and on", True)


def test_stateless_answer_ends_with_the_session_that_asked(
    alice: Person, site: Site, upstream: Upstream
) -> None:
    key = upstream.script([*wire.text("so far"), wire.Stall()])
    client = alice.client_on(site)
    with (
        client.chat({"messages": [{"role": "user", "content": key}]}) as stream,
        same_browser(client, site) as tab,
    ):
        stream.until_text("so far")
        since = monotonic()
        tab.post("/accounts/logout/")
        assert upstream.wait_for_close(upstream.wait_for_request(key)) - since < SOON_SECONDS
        read_to_the_end(stream, since)
        assert not stream.ended
    wait_until(lambda: ledger(stream).outcome == "stopped")


def test_lease_of_a_reader_that_was_ended_is_free(
    alice: Person, site: Site, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script([*wire.text("so far"), gate, *wire.answer(" and on")])
    client = alice.client_on(site)
    with client.chat(content=key) as stream, ExitStack() as stack:
        stream.until_text("so far")
        for _ in range(20):
            stack.enter_context(client.resume(stream.answer)).until_text("so far")
        again = alice.client_on(site)
        assert_refused(
            again.resume(stream.answer), 429, "too_many_readers", retry_after=range(2, 3)
        )
        client.post("/accounts/logout/")
        stream.read()

        def is_let_in() -> bool:
            with again.resume(stream.answer) as reader:
                return reader.status == 200

        wait_until(is_let_in)
        gate.open()


def test_page_without_javascript_ends_with_the_session(
    alice: Person, site: Site, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script([*wire.text("so far"), gate, *wire.answer(" and on")])
    client = alice.client_on(site)
    with client.chat(content=key) as stream, same_browser(client, site) as tab:
        stream.until_text("so far")
        path = f"/c/{stream.events[0].data['conversation']}/answers/{stream.answer}/"
        with tab.http.stream("GET", path) as page:
            text = iter(page.iter_text())
            seen = next(text)
            while "so far" not in seen:
                seen += next(text)
            client.post("/accounts/logout/")
            rest = "".join(text)
        assert "[…]" in rest
        gate.open()
        assert "and on" not in rest


# --- Guests -------------------------------------------------------------------------------------


def test_guest_who_signs_out_reads_no_more(site: Site, guests: Quota, upstream: Upstream) -> None:
    gate = wire.Gate()
    key = upstream.script([*wire.text("so far"), gate, *wire.answer(" and on")])
    with (
        Client(site.url) as guest,
        guest.chat(content=key, altcha=solved()) as stream,
        same_browser(guest, site) as tab,
    ):
        stream.until_text("so far")
        since = monotonic()
        tab.post("/accounts/logout/")
        read_to_the_end(stream, since)
        assert not stream.ended
        gate.open()


def test_answer_of_a_guest_goes_on_when_guests_are_switched_off(
    site: Site, guests: Quota, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script([*wire.text("so far"), gate, *wire.answer(" and on")])
    with Client(site.url) as guest, guest.chat(content=key, altcha=solved()) as stream:
        stream.until_text("so far")
        guests.for_guests = False
        guests.save()
        begun = monotonic()
        wait_until(lambda: monotonic() - begun > 1.2)
        gate.open()
        stream.read()
        assert (stream.text, stream.ended) == ("so far and on", True)


def test_answer_that_a_guest_began_ends_with_the_account_that_it_belongs_to(
    site: Site, guests: Quota, make_user: "MakeUser", upstream: Upstream
) -> None:
    alice = make_user("alice")
    key = upstream.script([*wire.text("so far"), wire.Stall()])
    with (
        Client(site.url) as guest,
        guest.chat(content=key, altcha=solved()) as stream,
        same_browser(guest, site) as tab,
    ):
        stream.until_text("so far")
        assert tab.sign_in(alice.user.username, alice.password).status_code == 302
        begun = monotonic()
        wait_until(lambda: monotonic() - begun > 1.2)
        since = monotonic()
        User.objects.filter(pk=alice.user.pk).update(is_active=False)
        assert upstream.wait_for_close(upstream.wait_for_request(key)) - since < SOON_SECONDS
        read_to_the_end(stream, since)
        assert stream.named("done")[0]["status"] == "stopped"


# --- The page -----------------------------------------------------------------------------------


def test_page_whose_browser_has_signed_out_says_so_and_asks_no_more(
    alice: Person, site: Site, browser: "Browser", upstream: Upstream
) -> None:
    from tests.harness.browser import new_context

    gate = wire.Gate()
    key = upstream.script([*wire.text("so far"), gate, *wire.answer(" and on")])
    with new_context(browser) as context:
        page = context.new_page()
        open_chat(page, site, alice)
        ask(page, key)
        page.get_by_text("so far").wait_for()
        asked: list[str] = []
        page.on(
            "request",
            lambda request: asked.append(request.url) if "/stream" in request.url else None,
        )
        other = context.new_page()
        other.goto(site.url + "/usage/")
        other.get_by_role("button", name="Sign out").click()
        other.wait_for_url("**/accounts/login/**")
        page.get_by_text("You are signed out. Sign in to go on.", exact=True).wait_for()
        before = len(asked)
        page.wait_for_timeout(2500)
        assert len(asked) == before
        assert page.get_by_text("so far", exact=True).is_visible()
        gate.open()
