"""What is Alice's does not exist for Bob or for a person without an account, at any address."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.urls import URLPattern, get_resolver, reverse

from chat.models import Conversation, Message, Usage
from tests.harness import wire
from tests.harness.client import Client
from tests.harness.footprint import footprint
from tests.harness.refusals import assert_refused, post
from tests.harness.site import Site
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.harness.people import Person

SECRET = "aardvark"
ANSWER = "zebra"

# Every address that names a thing of somebody's, with the methods it takes.
OWNED_PAGES = {
    "conversation": ["GET", "POST"],
    "conversation_rename": ["POST"],
    "conversation_delete": ["POST"],
    "answer": ["GET"],
    "export_md": ["GET"],
    "export_json": ["GET"],
}
OWNED_API = {"api_answer_stream": ["GET"], "api_answer_stop": ["POST"]}
# Pages and addresses that show a person what is theirs, without naming it.
PERSONAL = ["home", "search", "usage", "api_limits"]
# What belongs to nobody in particular, or to whoever is signed in and to nobody else.
OTHERS = [
    "api_answer_streams",  # it names answers in its query: tests/answers/test_answer_streams.py
    "api_challenge",
    "api_chat",
    "api_probe",
    "login",
    "logout",
    "signup",
    "password_change",
    "password_change_done",
    "password_reset",
    "password_reset_done",
    "password_reset_confirm",
    "password_reset_complete",
    "setup",
    "healthz",
    "readyz",
    "metrics",
]


@dataclass
class Things:
    """A conversation with one answer that has ended and one that is running."""

    conversation: str
    message: str
    answer: str
    running: str
    stream: Any


@pytest.fixture
def things(site: Site, alice: "Person", upstream: Upstream) -> Iterator[Things]:
    gate = wire.Gate()
    with alice.client.chat(content=f"{SECRET} {upstream.script(wire.answer(ANSWER))}") as stream:
        stream.read()
        start = stream.named("start")[0]
    key = upstream.script([*wire.text(ANSWER), gate, *wire.answer("!")])
    with alice.client.chat(content=f"{SECRET} {key}", conversation=start["conversation"]) as stream:
        stream.until_text(ANSWER)
        yield Things(
            start["conversation"], start["message"], start["answer"], stream.answer, stream
        )
        gate.open()
        stream.read()
        assert stream.ended
        assert stream.text == f"{ANSWER}!"


def owned(things: Things) -> list[tuple[str, str]]:
    """Method and path of every address that leads to one of these things."""
    found = []
    for name, methods in {**OWNED_PAGES, **OWNED_API}.items():
        for answer in (things.answer, things.running):
            names = {"conversation_id": things.conversation, "answer_id": answer}
            taken = {key: value for key, value in names.items() if key in arguments(name)}
            found += [(method, reverse(name, kwargs=taken)) for method in methods]
    return sorted(set(found))


def arguments(name: str) -> set[str]:
    pattern = next(
        pattern
        for pattern in get_resolver().url_patterns
        if isinstance(pattern, URLPattern) and pattern.name == name
    )
    return set(pattern.pattern.converters)


def nowhere(path: str) -> str:
    """The same address with ids that nothing has."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", lambda _: str(uuid4()), path)


def request(client: Client, method: str, path: str) -> Any:
    form = {"content": f"hello from elsewhere {path}", "title": "mine now"}
    return client.post(path, data=form) if method == "POST" else client.get(path)


def shape(page: str) -> str:
    """Returns a page without what differs between requests: ids, tokens, the address itself."""
    return re.sub(r'[0-9a-f]{8}-[0-9a-f-]{27}|value="[A-Za-z0-9]{64}"', "…", page)


def test_every_address_is_known_to_these_tests() -> None:
    names = {
        pattern.name
        for pattern in get_resolver().url_patterns
        if isinstance(pattern, URLPattern) and pattern.name
    }
    assert names == {*OWNED_PAGES, *OWNED_API, *PERSONAL, *OTHERS}


def test_the_owner_comes_to_all_of_it(alice: "Person", things: Things) -> None:
    for method, path in owned(things):
        if method == "GET" and things.running not in path:
            assert alice.client.get(path, follow_redirects=True).status_code == 200, path


def test_a_stranger_is_told_that_nothing_is_there_on_every_address(
    alice: "Person", bob: "Person", things: Things
) -> None:
    before, bobs = footprint(alice.requester), footprint(bob.requester)
    for method, path in owned(things):
        answer, missing = (
            request(bob.client, method, path),
            request(bob.client, method, nowhere(path)),
        )
        assert answer.status_code == 404, (method, path)
        assert SECRET not in answer.text
        assert ANSWER not in answer.text
        # Nothing tells somebody else's from nobody's.
        assert (missing.status_code, shape(missing.text)) == (404, shape(answer.text)), (
            method,
            path,
        )
        assert set(missing.headers) == set(answer.headers)
    assert (footprint(alice.requester), footprint(bob.requester)) == (before, bobs)
    assert SECRET in Conversation.objects.get(id=things.conversation).title


def test_whoever_is_not_signed_in_is_sent_to_sign_in_or_told_nothing(
    site: Site, alice: "Person", things: Things
) -> None:
    before = footprint(alice.requester)
    with Client(site.url) as nobody:
        for method, path in owned(things):
            answer, missing = request(nobody, method, path), request(nobody, method, nowhere(path))
            assert answer.status_code == missing.status_code
            assert SECRET not in answer.text
            assert ANSWER not in answer.text
            if path.startswith("/api/"):
                assert_refused(answer, 401, "not_signed_in")
            elif method == "GET":
                assert answer.status_code == 302
                assert answer.headers["location"].startswith("/accounts/login/?next=/c/")
            else:
                assert answer.status_code in (302, 401, 404)
    assert footprint(alice.requester) == before
    assert Message.objects.filter(id=things.answer).exists()


def test_a_turn_into_somebody_elses_conversation_is_404_like_one_into_nothing(
    alice: "Person", bob: "Person", things: Things, upstream: Upstream
) -> None:
    with bob.client.chat(content="hello") as stream:
        stream.read()
        own = stream.named("start")[0]["conversation"]
    before, bobs = footprint(alice.requester), footprint(bob.requester)
    key = upstream.key()
    bodies: list[dict[str, str]] = [
        {"content": key, "conversation": things.conversation},
        {"content": key, "conversation": things.conversation, "parent": things.answer},
        {"content": key, "conversation": things.conversation, "parent": things.running},
        {"content": key, "conversation": own, "parent": things.answer},
        {"content": key, "parent": things.answer},
        {"conversation": things.conversation, "regenerate": things.answer},
        {"conversation": things.conversation, "regenerate": things.running},
        {"conversation": own, "regenerate": things.answer},
    ]
    for body in bodies:
        missing = {
            name: value if name == "content" or value == own else str(uuid4())
            for name, value in body.items()
        }
        errors = [
            assert_refused(post(bob.client, each), 404, "not_found") for each in (body, missing)
        ]
        assert errors[0] == errors[1]
    assert (footprint(alice.requester), footprint(bob.requester), upstream.requests(key)) == (
        before,
        bobs,
        [],
    )


def test_a_stranger_neither_reads_nor_stops_a_running_answer(bob: "Person", things: Things) -> None:
    for answer in (things.answer, things.running):
        for after in (None, "0", "3"):
            with bob.client.resume(answer, after) as stream:
                assert_refused(stream, 404, "not_found")
        assert_refused(bob.client.stop(answer), 404, "not_found")
    assert Message.objects.get(id=things.running).status == "streaming"


def test_a_strangers_stateless_answer_is_nobody_elses_to_stop(
    bob: "Person", alice: "Person", upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script([*wire.text("so"), gate, *wire.answer(" on")])
    with alice.client.chat({"messages": [{"role": "user", "content": key}]}) as stream:
        stream.until_text("so")
        assert_refused(bob.client.stop(stream.answer), 404, "not_found")
        assert_refused(bob.client.get(f"/api/answers/{stream.answer}/stream"), 404, "not_found")
        assert Usage.objects.get(answer=stream.answer).outcome == "running"
        assert alice.client.stop(stream.answer).json() == {"status": "stopped", "content": "so"}


def test_ones_own_pages_show_nothing_of_anybody_else(bob: "Person", things: Things) -> None:
    for name in PERSONAL:
        page = bob.client.get(reverse(name), params={"q": SECRET})
        assert page.status_code == 200
        assert things.conversation not in page.text
        assert ANSWER not in page.text
        assert SECRET not in page.text.replace(f'value="{SECRET}"', "").replace(
            f"“{SECRET}”", ""
        ).replace(f"<title>{SECRET}", "")


def test_an_answer_is_found_in_its_own_conversation_only(
    alice: "Person", bob: "Person", things: Things
) -> None:
    with bob.client.chat(content="hello") as stream:
        stream.read()
        own = stream.named("start")[0]
    mixed = f"/c/{own['conversation']}/answers/{things.answer}/"
    assert bob.client.get(mixed).status_code == 404
    assert alice.client.get(mixed).status_code == 404
    page = bob.client.get(f"/c/{own['conversation']}/", params={"at": things.message})
    assert page.status_code == 200
    assert SECRET not in page.text


def test_an_operator_is_a_stranger_too(bob: "Person", things: Things) -> None:
    bob.user.is_staff = bob.user.is_superuser = True
    bob.user.save()
    for method, path in owned(things):
        assert request(bob.client, method, path).status_code == 404, (method, path)


def test_signing_out_closes_the_door(site: Site, alice: "Person", things: Things) -> None:
    client = alice.client_on(site)
    session = client.http.cookies["sessionid"]
    assert client.get(f"/c/{things.conversation}/export.json").status_code == 200
    assert client.post("/accounts/logout/").status_code in (200, 302)
    with Client(site.url) as thief:
        thief.http.cookies.set("sessionid", session)
        assert thief.get(f"/c/{things.conversation}/export.json").status_code == 302
        assert_refused(thief.get(f"/api/answers/{things.answer}/stream"), 401, "not_signed_in")
