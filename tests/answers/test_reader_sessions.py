"""When a session ends, its readers' streams end within a second, and no others."""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone

from chat.models import Quota
from tests.harness import wire
from tests.harness.answers import ledger, message, wait_until
from tests.harness.challenge import solved
from tests.harness.chat_page import ask, open_chat
from tests.harness.client import Client
from tests.harness.people import Person
from tests.harness.readers import SOON_SECONDS, Reading, read_to_the_end, same_browser, session_of
from tests.harness.refusals import assert_refused
from tests.harness.site import Site
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from playwright.sync_api import Browser


# --- Sessions --------------------------------------------------------------


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


# --- Guests ----------------------------------------------------------------


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


# --- The page --------------------------------------------------------------


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
