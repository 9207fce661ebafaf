"""When the right to read or to chat ends, the stream ends within a second on every worker."""

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection

from chat.models import Pause, Quota
from tests.harness import wire
from tests.harness.answers import ledger, message, wait_until
from tests.harness.challenge import solved
from tests.harness.client import Client
from tests.harness.people import Person
from tests.harness.readers import SOON_SECONDS, Reading, read_to_the_end, same_browser
from tests.harness.refusals import assert_refused
from tests.harness.site import Site
from tests.harness.upstream import Upstream
from tests.harness.visitor import visitor

if TYPE_CHECKING:
    from tests.conftest import MakeUser


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


# --- People ----------------------------------------------------------------


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
    """Reads the rest with both readers, later than they would have been ended."""
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


# --- Guests ----------------------------------------------------------------


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
