"""Who the client is on a running site, alone and behind a trusted proxy."""

import json
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

import pytest
from django.contrib.sessions.models import Session

from chat.models import Quota
from chat.requester import Requester
from tests.harness.challenge import solved
from tests.harness.client import Client as SiteClient
from tests.harness.footprint import used
from tests.harness.site import Site

if TYPE_CHECKING:
    from tests.conftest import MakeUser
    from tests.harness.environment import Environment

CLAIMS = [
    {"X-Forwarded-For": "203.0.113.7"},
    {"X-Forwarded-For": "203.0.113.7, 127.0.0.1"},
    {"X-Forwarded-For": "127.0.0.1, 203.0.113.8"},
    {"X-Real-IP": "203.0.113.9"},
    {"Forwarded": "for=203.0.113.10"},
    {
        "True-Client-IP": "203.0.113.11",
        "CF-Connecting-IP": "203.0.113.11",
        "X-Client-IP": "203.0.113.11",
    },
    {"X-Forwarded-Host": "elsewhere.example", "X-Forwarded-Port": "443"},
]
_hours = count(2)


@pytest.fixture
def guests(db_ready: None) -> Iterator[Quota]:
    """Guests may chat: two turns each, in a window that no other test's guests have used."""
    quota = Quota.objects.create(name="Guests", for_guests=True, requests=f"2/{next(_hours)}h")
    yield quota
    quota.delete()


@pytest.fixture(scope="module")
def proxied(environment: "Environment", db_ready: None) -> Iterator[Site]:
    """Yields a site that trusts loopback as its proxy, like one behind nginx on its machine."""
    site = environment.start_site(TRUSTED_PROXIES="127.0.0.1/32")
    yield site
    site.stop()


def ask_as_guest(site: Site, *headers: tuple[str, str]) -> int:
    """The status of one turn by somebody new."""
    with SiteClient(site.url) as guest:
        sent = [
            ("X-CSRFToken", guest.csrf),
            ("Cookie", f"csrftoken={guest.csrf}"),
            ("Content-Type", "application/json"),
            *headers,
        ]
        raw = [(name.encode(), value.encode("latin-1")) for name, value in sent]
        return guest.http.post(
            "/api/chat", headers=raw, content=json.dumps({"content": "hello", "altcha": solved()})
        ).status_code


def uses(guests: Quota, address: str) -> int:
    return used(Requester(user_id=None, guest="", ip=address), guests.requests)[0]


def test_no_header_of_a_client_gives_it_another_allowance(site: Site, guests: Quota) -> None:
    assert [ask_as_guest(site, *claim.items()) for claim in CLAIMS] == [200, 200] + [429] * (
        len(CLAIMS) - 2
    )
    assert uses(guests, "127.0.0.1") == 2
    assert {uses(guests, f"203.0.113.{number}") for number in range(7, 12)} == {0}


def test_behind_a_trusted_proxy_the_hop_that_it_saw_is_counted(
    proxied: Site, guests: Quota
) -> None:
    seen = ("X-Forwarded-For", "203.0.113.20")
    assert [ask_as_guest(proxied, seen) for _ in range(3)] == [200, 200, 429]
    assert ask_as_guest(proxied, ("X-Forwarded-For", "203.0.113.21")) == 200
    assert (
        uses(guests, "203.0.113.20"),
        uses(guests, "203.0.113.21"),
        uses(guests, "127.0.0.1"),
    ) == (2, 1, 0)


def test_behind_a_trusted_proxy_a_clients_own_claims_change_nothing(
    proxied: Site, guests: Quota
) -> None:
    forged = [
        [("X-Forwarded-For", "203.0.113.31, 203.0.113.30")],
        [("X-Forwarded-For", "203.0.113.32"), ("X-Forwarded-For", "203.0.113.30")],
        [("X-Forwarded-For", "unknown, 203.0.113.30, 127.0.0.1")],
        [
            ("X-Forwarded-For", "203.0.113.30:4711"),
            ("X-Real-IP", "203.0.113.33"),
            ("Forwarded", "for=203.0.113.33"),
        ],
        [("X-Forwarded-For", "::ffff:203.0.113.30")],
    ]
    assert [ask_as_guest(proxied, *headers) for headers in forged] == [200, 200, 429, 429, 429]
    assert uses(guests, "203.0.113.30") == 2
    assert {uses(guests, f"203.0.113.{number}") for number in (31, 32, 33)} == {0}


def test_behind_a_trusted_proxy_what_is_no_address_counts_for_the_proxy(
    proxied: Site, guests: Quota
) -> None:
    for garbage in ("", "unknown", "_secret", "203.0.113.300", "203.0.113.40, nobody", "\xff"):
        ask_as_guest(proxied, ("X-Forwarded-For", garbage))
    assert (uses(guests, "127.0.0.1"), uses(guests, "203.0.113.40")) == (2, 0)


def test_a_household_of_ipv6_has_one_allowance(proxied: Site, guests: Quota) -> None:
    addresses = [
        "2001:db8:1:2::1",
        "2001:db8:1:2:ffff::9",
        "[2001:db8:1:2::3]:443",
        "2001:db8:1:3::1",
    ]
    assert [ask_as_guest(proxied, ("X-Forwarded-For", address)) for address in addresses] == [
        200,
        200,
        429,
        200,
    ]


def test_a_signed_in_person_is_counted_by_who_they_are_and_not_where(
    proxied: Site, make_user: "MakeUser", guests: Quota
) -> None:
    person = make_user(requests="2/d")
    client = person.client_on(proxied)

    def ask(address: str) -> int:
        with client.chat(content="hello", headers={"X-Forwarded-For": address}) as stream:
            stream.read()
            return stream.status

    assert [ask(f"203.0.113.{number}") for number in (50, 51)] == [200, 200]
    refused = client.post(
        "/api/chat", json={"content": "hello"}, headers={"X-Forwarded-For": "203.0.113.52"}
    )
    assert refused.status_code == 429
    assert uses(guests, "203.0.113.50") == 0


def test_guests_may_chat_only_while_there_is_a_quota_for_them(site: Site, guests: Quota) -> None:
    assert ask_as_guest(site) == 200
    guests.for_guests = False
    guests.save()
    assert ask_as_guest(site) == 401


def test_a_refused_guest_leaves_no_session_behind(site: Site, guests: Quota) -> None:
    guests.requests = "0/d"
    guests.save()
    before = Session.objects.count()
    with SiteClient(site.url) as guest:
        assert (
            guest.post("/api/chat", json={"content": "hello", "altcha": solved()}).status_code
            == 403
        )
        assert guest.post("/api/chat", json={"content": ""}).status_code == 400
        assert "sessionid" not in guest.http.cookies
    assert Session.objects.count() == before


def test_a_guest_comes_back_to_what_is_theirs_and_to_nothing_else(
    site: Site, guests: Quota
) -> None:
    guests.requests = ""
    guests.save()
    with SiteClient(site.url) as one, SiteClient(site.url) as other:
        starts = []
        for guest in (one, other):
            with guest.chat(content="hello", altcha=solved()) as stream:
                stream.read()
                starts.append(stream.named("start")[0])
        own, foreign = starts
        with one.resume(own["answer"]) as stream:
            assert stream.status == 200
        with one.chat(content="and", conversation=own["conversation"]) as stream:
            assert stream.status == 200
            stream.read()
        assert one.get(f"/api/answers/{foreign['answer']}/stream").status_code == 404
        assert one.stop(foreign["answer"]).status_code == 404
        assert (
            one.post(
                "/api/chat", json={"content": "hi", "conversation": foreign["conversation"]}
            ).status_code
            == 404
        )
