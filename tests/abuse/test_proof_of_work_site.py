"""The proof of work on a running site: asked for before anything else counts."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session

from chat.abuse import proof_of_work
from chat.models import Conversation, Quota
from chat.requester import Requester
from tests.harness import wire
from tests.harness.challenge import solution, solved
from tests.harness.client import Client
from tests.harness.footprint import footprint
from tests.harness.refusals import assert_refused
from tests.harness.site import Site
from tests.harness.upstream import Upstream
from tests.harness.valkey import Valkey
from tests.harness.visitor import all_at_once, visitor

if TYPE_CHECKING:
    from pytest_django import Settings

    from tests.conftest import StartSite

PASSWORD = "another-fine-day-in-may"
NOBODY = Requester(None, "", "127.0.0.1")


# --- Turns on a running site -----------------------------------------------


def test_a_challenge_is_given_out_to_anybody_and_kept_nowhere(site: Site) -> None:
    with Client(site.url) as client:
        one, other = (client.get("/api/challenge") for _ in range(2))
    assert one.json().keys() == {"algorithm", "challenge", "salt", "signature", "maxnumber"}
    assert one.json()["challenge"] != other.json()["challenge"]
    assert one.headers["Cache-Control"] == "no-store"
    assert "set-cookie" not in one.headers
    proof_of_work.use(solution(one.json()))


def test_challenges_are_limited_by_address(static_files: None, settings: "Settings") -> None:
    client = visitor()
    answers = [client.get("/api/challenge") for _ in range(61)]
    assert [answer.status_code for answer in answers] == [200] * 60 + [429]
    assert answers[-1].json()["error"]["code"] == "rate_limited"
    assert 1 <= int(answers[-1]["Retry-After"]) <= 61
    assert visitor().get("/api/challenge").status_code == 200


@pytest.mark.parametrize("bad", [None, "", "nonsense"])
def test_a_turn_without_a_solution_costs_nothing_and_leaves_nothing(
    site: Site, guests: Quota, upstream: Upstream, bad: str | None
) -> None:
    guests.requests = "10/d"
    guests.save()
    before, sessions = footprint(NOBODY), Session.objects.count()
    conversations = Conversation.objects.count()
    key = upstream.key()
    with Client(site.url) as client:
        for body in ({"content": key}, {"messages": [{"role": "user", "content": key}]}):
            assert_refused(
                client.post("/api/chat", json=body | {"altcha": bad}), 403, "challenge_required"
            )
        assert "sessionid" not in client.http.cookies
    assert (footprint(NOBODY), Session.objects.count(), Conversation.objects.count()) == (
        before,
        sessions,
        conversations,
    )
    assert upstream.requests(key) == []


def test_one_solution_opens_a_session_and_not_a_second_one(site: Site, guests: Quota) -> None:
    answer = solved()
    with Client(site.url) as client, Client(site.url) as other:
        with client.chat(content="hello", altcha=answer) as stream:
            stream.read()
        with client.chat(content="and more") as stream:
            assert stream.status == 200
            stream.read()
        assert_refused(
            other.post("/api/chat", json={"content": "hello", "altcha": answer}),
            403,
            "challenge_required",
        )


def test_on_several_workers_too_a_solution_opens_one_session(site2: Site, guests: Quota) -> None:
    answer = solved()

    def ask() -> int:
        with Client(site2.url) as client, client.chat(content="hello", altcha=answer) as stream:
            stream.read() if stream.status == 200 else stream.json()
            return stream.status

    assert sorted(all_at_once([ask] * 8)) == [200] + [403] * 7


def test_a_new_guests_turn_sent_again_without_a_cookie_is_the_same_turn(
    site: Site, guests: Quota, upstream: Upstream
) -> None:
    """The answer with the cookie was lost on its way."""
    key = upstream.script(wire.answer("once"))
    body = {"content": key, "turn": str(uuid4()), "altcha": solved()}
    with Client(site.url) as lost, lost.chat(body) as stream:
        stream.read()
        first = stream.answer
    with Client(site.url) as client:
        with client.chat(body) as stream:
            stream.read()
            assert (stream.answer, stream.text) == (first, "once")
        with client.resume(first) as stream:
            assert stream.status == 200
    assert len(upstream.requests(key)) == 1


def test_a_refused_turn_gives_its_solution_back(site: Site, guests: Quota) -> None:
    answer = solved()
    with Client(site.url) as client:
        nowhere = {"content": "hello", "conversation": str(uuid4()), "altcha": answer}
        assert_refused(client.post("/api/chat", json=nowhere), 404, "not_found")
        with client.chat(content="hello", altcha=answer) as stream:
            assert stream.status == 200
            stream.read()


def test_who_is_signed_in_needs_none(alice: Any) -> None:
    with alice.client.chat(content="hello", altcha="whatever") as stream:
        assert stream.status == 200
        stream.read()


def test_a_form_posted_by_a_guest_without_a_solution_is_refused_with_its_prompt(
    site: Site, guests: Quota
) -> None:
    with Client(site.url) as client:
        answer = client.post("/", data={"content": "keep this", "turn": str(uuid4())})
    assert answer.status_code == 403
    assert "keep this" in answer.text


def test_without_redis_guests_are_refused_with_503_or_pass_where_it_is_allowed(
    start_site: "StartSite", start_valkey: Callable[[], Valkey], guests: Quota
) -> None:
    valkey = start_valkey()
    strict, lax = (
        start_site(REDIS_URL=valkey.url),
        start_site(REDIS_URL=valkey.url, LIMITS_WHEN_REDIS_DOWN="allow"),
    )
    valkey.stop()
    with Client(strict.url) as client:
        assert_refused(
            client.get("/api/challenge"), 503, "limits_unavailable", retry_after=range(2, 3)
        )
        assert_refused(
            client.post("/api/chat", json={"content": "hello", "altcha": solved()}),
            503,
            "limits_unavailable",
            retry_after=range(2, 3),
        )
    with Client(lax.url) as client:
        answer = solution(client.get("/api/challenge").json())
        assert_refused(
            client.post("/api/chat", json={"content": "hello"}), 403, "challenge_required"
        )
        with client.chat(content="hello", altcha=answer) as stream:
            assert stream.status == 200
            stream.read()


# --- Signing up ------------------------------------------------------------


@pytest.mark.parametrize("bad", [None, "", "nonsense", json.dumps({})])
def test_a_sign_up_without_a_solution_makes_no_account_and_counts_nothing(
    static_files: None, fast_passwords: None, open_signup: None, bad: str | None
) -> None:
    client = visitor()
    name = f"eve-{uuid4().hex[:8]}"
    form = {"username": name, "password1": PASSWORD, "password2": PASSWORD} | (
        {} if bad is None else {"altcha": bad}
    )
    for _ in range(12):
        page = client.post("/accounts/signup/", form)
        assert page.status_code == 403
    assert "check of your browser" in page.content.decode()
    assert f'value="{name}"' in page.content.decode()
    assert PASSWORD not in page.content.decode()
    assert not User.objects.filter(username=name).exists()
    assert client.post("/accounts/signup/", form | {"altcha": solved()}).status_code == 302


def test_a_solution_signs_up_once(
    static_files: None, fast_passwords: None, open_signup: None
) -> None:
    form = {"password1": PASSWORD, "password2": PASSWORD, "altcha": solved()}
    names = [f"eve-{uuid4().hex[:8]}" for _ in range(4)]
    answers = all_at_once(
        [
            lambda name=name: (
                visitor().post("/accounts/signup/", form | {"username": name}).status_code
            )
            for name in names
        ]
    )
    assert sorted(answers) == [302, 403, 403, 403]
