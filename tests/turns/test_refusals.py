"""Every refusal of the API on a running site: its status, its code, its body, and that it has cost nothing anywhere."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

from chat.models import ChatModel, Message, Quota, SitePolicy
from tests.harness import wire
from tests.harness.client import Client
from tests.harness.footprint import Footprint, footprint
from tests.harness.invalid_bodies import INVALID
from tests.harness.refusals import JSON, assert_refused, post
from tests.harness.site import Site
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser, StartSite
    from tests.harness.people import Person

LIMIT_BYTES = 4 * 1024 * 1024
NOTHING = Footprint(windows=[0], slots=0, reservations=0, ledger=0, conversations=0, messages=0)


@pytest.fixture
def carol(make_user: "MakeUser") -> "Person":
    """Everything of hers is limited, so that whatever is taken can be seen; nothing of it is used yet."""
    return make_user("carol", requests="10/d", concurrent_streams=3, tokens_per_day=1_000_000, spend_per_month_usd=100)


def talk(person: "Person", **fields: Any) -> dict[str, Any]:
    """A turn to its end; the payload of its start event."""
    with person.client.chat(content="hello", **fields) as stream:
        stream.read()
        assert stream.ended
        start: dict[str, Any] = stream.named("start")[0]
        return start


# --- 400 -----------------------------------------------------------------------------


def test_every_invalid_body_is_400_and_costs_nothing(carol: "Person", upstream: Upstream) -> None:
    before = len(upstream.requests())
    for name, (body, word) in INVALID.items():
        answer = post(carol.client, body)
        limit = "model" if name == "model empty" else None
        assert_refused(answer, 400, "invalid_request", word=word, limit=limit)
    assert footprint(carol.requester) == NOTHING
    assert len(upstream.requests()) == before


@pytest.mark.parametrize("slug", ["no-such-model", "gpt\u0000", "x" * 5000, "GPT-4O-MINI"])
def test_an_unknown_model_is_400_and_named(carol: "Person", slug: str) -> None:
    for body in ({"content": "hi"}, {"messages": [{"role": "user", "content": "hi"}]}):
        assert_refused(post(carol.client, {**body, "model": slug}), 400, "invalid_request", limit="model", word="model")
    assert footprint(carol.requester) == NOTHING


def test_a_forbidden_or_disabled_model_is_400_like_an_unknown_one(carol: "Person", upstream: Upstream) -> None:
    allowed = ChatModel.objects.create(slug=f"allowed-{uuid4().hex}")
    forbidden = ChatModel.objects.create(slug=f"forbidden-{uuid4().hex}")
    disabled = ChatModel.objects.create(slug=f"disabled-{uuid4().hex}", enabled=False)
    carol.quota.models.set([allowed, disabled])
    messages = {
        assert_refused(post(carol.client, {"content": "hi", "model": slug}), 400, "invalid_request", limit="model")["message"]
        for slug in (forbidden.slug, disabled.slug, "no-such-model")
    }
    assert len(messages) == 1
    assert footprint(carol.requester) == NOTHING
    assert talk(carol, model=allowed.slug)["model"] == allowed.slug
    for model in (allowed, forbidden, disabled):
        model.delete()


def test_a_parent_that_is_a_prompt_is_400(carol: "Person") -> None:
    start = talk(carol)
    before = footprint(carol.requester)
    body = {"content": "hi", "conversation": start["conversation"], "parent": start["message"]}
    assert_refused(post(carol.client, body), 400, "invalid_request", word="parent")
    assert footprint(carol.requester) == before


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "1 ", "٣", "9" * 30, "0x1"])
def test_a_garbage_cursor_is_400(carol: "Person", cursor: str) -> None:
    answer = talk(carol)["answer"]
    if cursor.isascii() and cursor == cursor.strip():
        assert_refused(
            carol.client.get(f"/api/answers/{answer}/stream", headers={"Last-Event-ID": cursor}), 400, "invalid_request", limit="after"
        )
    assert_refused(carol.client.get(f"/api/answers/{answer}/stream", params={"after": cursor}), 400, "invalid_request", limit="after")


def test_a_host_that_is_not_ours_is_400(carol: "Person") -> None:
    assert_refused(post(carol.client, {"content": "hi"}, headers={"Host": "evil.example"}), 400, "invalid_request")


# --- 401, 403, 405, 415 ---------------------------------------------------------------


def test_whoever_is_not_signed_in_is_401_everywhere(site: Site) -> None:
    with Client(site.url) as stranger:
        assert_refused(post(stranger, {"content": "hi"}), 401, "not_signed_in")
        assert_refused(post(stranger, b"rubbish"), 401, "not_signed_in")
        assert_refused(stranger.get(f"/api/answers/{uuid4()}/stream"), 401, "not_signed_in")
        assert_refused(stranger.stop(str(uuid4())), 401, "not_signed_in")
        assert_refused(stranger.get("/api/limits"), 401, "not_signed_in")


def test_a_session_that_is_made_up_or_over_is_401(site: Site, alice: "Person") -> None:
    with Client(site.url) as client:
        client.http.cookies.set("sessionid", "0" * 32)
        assert_refused(post(client, {"content": "hi"}), 401, "not_signed_in")
    client = alice.client_on(site)
    alice.user.is_active = False
    alice.user.save()
    assert_refused(post(client, {"content": "hi"}), 401, "not_signed_in")


@pytest.mark.parametrize("headers", [{"X-CSRFToken": ""}, {"X-CSRFToken": "x" * 32}, {"Origin": "https://evil.example"}])
def test_a_post_without_our_token_or_from_elsewhere_is_403(carol: "Person", upstream: Upstream, headers: dict[str, str]) -> None:
    key = upstream.key()
    assert_refused(post(carol.client, {"content": key}, headers=headers), 403, "csrf_failed")
    assert_refused(carol.client.post(f"/api/answers/{uuid4()}/stop", headers=headers), 403, "csrf_failed")
    assert (footprint(carol.requester), upstream.requests(key)) == (NOTHING, [])


def test_whom_no_quota_names_is_403_while_there_is_no_default(carol: "Person") -> None:
    carol.quota.users.clear()
    default = Quota.objects.filter(is_default=True)
    pk = default.get().pk
    default.update(is_default=False)
    try:
        assert_refused(post(carol.client, {"content": "hi"}), 403, "forbidden")
        assert footprint(carol.requester) == NOTHING
    finally:
        Quota.objects.filter(pk=pk).update(is_default=True)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/chat", "POST"),
        ("PUT", "/api/chat", "POST"),
        ("DELETE", "/api/chat", "POST"),
        ("POST", f"/api/answers/{UUID(int=0)}/stream", "GET"),
        ("GET", f"/api/answers/{UUID(int=0)}/stop", "POST"),
        ("POST", "/api/limits", "GET"),
    ],
)
def test_a_wrong_method_is_405_and_says_which_is_right(carol: "Person", method: str, path: str, allowed: str) -> None:
    answer = carol.client.http.request(method, path, headers={"X-CSRFToken": carol.client.csrf})
    assert_refused(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "multipart/form-data; boundary=x"]
)
def test_another_content_type_is_415(carol: "Person", kind: str) -> None:
    assert_refused(post(carol.client, {"content": "hi"}, headers={"Content-Type": kind}), 415, "unsupported_media_type")
    assert footprint(carol.requester) == NOTHING


def test_json_with_a_charset_is_json(carol: "Person") -> None:
    answer = post(carol.client, {"content": "hi"}, headers={"Content-Type": "application/json; charset=utf-8"})
    assert answer.status_code == 200


# --- 404 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/api/", "/api/nothing", "/api/chat/", "/api/answers/1/stream", "/api/answers//stop", f"/api/answers/{UUID(int=0)}"]
)
def test_an_address_that_is_none_is_404_as_json(carol: "Person", path: str) -> None:
    assert_refused(carol.client.get(path), 404, "not_found")


def test_what_does_not_exist_is_404_and_costs_nothing(carol: "Person") -> None:
    start = talk(carol)
    conversation, nothing = start["conversation"], str(uuid4())
    before = footprint(carol.requester)
    for body in (
        {"content": "hi", "conversation": nothing},
        {"content": "hi", "conversation": None, "parent": nothing},
        {"content": "hi", "parent": start["answer"]},
        {"content": "hi", "conversation": conversation, "parent": nothing},
        {"conversation": conversation, "regenerate": nothing},
        {"conversation": conversation, "regenerate": start["message"]},
        {"conversation": nothing, "regenerate": start["answer"]},
    ):
        assert_refused(post(carol.client, body), 404, "not_found")
    assert_refused(carol.client.get(f"/api/answers/{start['message']}/stream"), 404, "not_found")
    assert_refused(carol.client.stop(start["message"]), 404, "not_found")
    assert_refused(carol.client.stop(nothing), 404, "not_found")
    assert footprint(carol.requester) == before


def test_an_answer_of_another_conversation_of_ones_own_is_404(carol: "Person") -> None:
    one, other = talk(carol), talk(carol)
    before = footprint(carol.requester)
    assert_refused(post(carol.client, {"content": "hi", "conversation": one["conversation"], "parent": other["answer"]}), 404, "not_found")
    assert_refused(post(carol.client, {"conversation": one["conversation"], "regenerate": other["answer"]}), 404, "not_found")
    assert footprint(carol.requester) == before


# --- 413 ----------------------------------------------------------------------------------


def json_of(size: int) -> bytes:
    """A valid turn of exactly that many bytes."""
    return b'{"content": "' + b"a" * (size - 15) + b'"}'


def test_the_largest_body_is_taken_and_one_byte_more_is_413(carol: "Person") -> None:
    carol.quota.max_prompt_chars = 10
    carol.quota.save()
    assert_refused(post(carol.client, json_of(LIMIT_BYTES)), 413, "prompt_too_long", limit="max_prompt_chars")
    assert_refused(post(carol.client, json_of(LIMIT_BYTES + 1)), 413, "body_too_large")
    assert footprint(carol.requester) == NOTHING


def test_a_chunked_body_is_measured_while_it_comes(carol: "Person", site: Site) -> None:
    """It declares no length; the refusal comes before its end, which never comes here."""
    with raw_post(site, carol, {"Transfer-Encoding": "chunked"}) as connection:
        piece = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
        connection.sendall(piece * (LIMIT_BYTES // 0x10000) + b"1\r\na\r\n")
        assert_refused(read(connection), 413, "body_too_large")
    assert footprint(carol.requester) == NOTHING


def test_a_chunked_body_of_the_right_size_is_taken(carol: "Person", site: Site) -> None:
    with raw_post(site, carol, {"Transfer-Encoding": "chunked"}) as connection:
        connection.sendall(b'b\r\n{"content":\r\n4\r\n"hi"\r\n1\r\n}\r\n0\r\n\r\n')
        assert read(connection).status == 200


@pytest.mark.parametrize("length", [LIMIT_BYTES + 1, 10**12])
def test_a_body_that_is_declared_too_large_is_refused_before_it_is_sent(carol: "Person", site: Site, length: int) -> None:
    with raw_post(site, carol, {"Content-Length": str(length)}) as connection:
        assert_refused(read(connection), 413, "body_too_large")
    with raw_post(site, carol, {"Content-Length": str(length), "Expect": "100-continue"}) as connection:
        assert_refused(read(connection), 413, "body_too_large")


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "5, 6"])
def test_a_length_that_is_none_is_refused_by_the_server(carol: "Person", site: Site, length: str) -> None:
    with raw_post(site, carol, {"Content-Length": length}) as connection:
        assert read(connection).status == 400


def test_what_is_sent_beyond_the_declared_length_is_no_part_of_the_body(carol: "Person", site: Site) -> None:
    with raw_post(site, carol, {"Content-Length": "4"}) as connection:
        connection.sendall(b'{"content": "hi"}')
        assert read(connection).status == 400
    assert footprint(carol.requester) == NOTHING


def test_without_a_length_there_is_no_body(carol: "Person", site: Site) -> None:
    with raw_post(site, carol, {}) as connection:
        assert_refused(read(connection), 400, "invalid_request")


def test_who_leaves_before_the_body_is_whole_has_asked_nothing(carol: "Person", site: Site, upstream: Upstream) -> None:
    key = upstream.key()
    with raw_post(site, carol, {"Content-Length": "100"}) as connection:
        connection.sendall(b'{"content": "' + key.encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert talk(carol)["answer"]
    assert (footprint(carol.requester).ledger, upstream.requests(key)) == (1, [])


@contextmanager
def raw_post(site: Site, person: "Person", headers: dict[str, str]) -> Iterator[socket.socket]:
    """A connection on which the head of a POST was sent; the body is the test's."""
    head = {"Host": f"127.0.0.1:{site.port}", **JSON, "X-CSRFToken": person.client.csrf, **headers}
    head["Cookie"] = f"sessionid={person.new_session()}; csrftoken={person.client.csrf}"
    lines = ["POST /api/chat HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as connection:
        connection.sendall("\r\n".join(lines).encode())
        yield connection


class Raw:
    """A response read from a socket, as far as its head; `json` reads on."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self._response = response

    def json(self) -> Any:
        return json.loads(self._response.read())


def read(connection: socket.socket) -> Raw:
    response = HTTPResponse(connection, method="POST")
    response.begin()
    return Raw(response)


@pytest.mark.parametrize("character", ["a", "é", "\U0001f600"])
def test_a_prompt_of_the_limit_passes_and_one_character_more_is_413(make_user: "MakeUser", upstream: Upstream, character: str) -> None:
    person = make_user(requests="10/d", max_prompt_chars=20)
    key = upstream.key()
    long = key + character * (20 - len(key))
    assert_refused(post(person.client, {"content": long + character}), 413, "prompt_too_long", limit="max_prompt_chars", word="20")
    both = [{"role": "system", "content": character}, {"role": "user", "content": long}]
    assert_refused(post(person.client, {"messages": both}), 413, "prompt_too_long", limit="max_prompt_chars")
    assert (footprint(person.requester), upstream.requests(key)) == (NOTHING, [])
    assert post(person.client, {"content": long}).status_code == 200


def test_messages_to_the_limit_pass_and_one_more_is_413(make_user: "MakeUser") -> None:
    person = make_user(requests="10/d", max_messages=3)
    messages = [{"role": "user", "content": "hi"}] * 4
    assert_refused(post(person.client, {"messages": messages}), 413, "too_many_messages", limit="max_messages", word="3")
    assert footprint(person.requester) == NOTHING
    assert post(person.client, {"messages": messages[:3]}).status_code == 200


def test_a_prompt_larger_than_the_whole_budget_is_413(make_user: "MakeUser", upstream: Upstream) -> None:
    person = make_user(requests="10/d", tokens_per_day=100)
    key = upstream.key()
    assert_refused(post(person.client, {"content": key + "a" * 100}), 413, "prompt_too_long", limit="budget")
    assert (footprint(person.requester), upstream.requests(key)) == (NOTHING, [])


# --- 409 ----------------------------------------------------------------------------------


def test_a_prompt_after_a_running_answer_is_409_and_costs_nothing(carol: "Person", upstream: Upstream) -> None:
    gate = wire.Gate()
    key = upstream.script([*wire.text("so"), gate, *wire.answer(" on")])
    with carol.client.chat(content=key) as stream:
        start = stream.until("start").data
        before = footprint(carol.requester)
        assert (before.windows, before.slots, before.reservations) == ([1], 1, 1)
        conversation = start["conversation"]
        for body in (
            {"content": "hi", "conversation": conversation},
            {"content": "hi", "conversation": conversation, "parent": start["answer"]},
            {"conversation": conversation, "regenerate": start["answer"]},
        ):
            assert_refused(post(carol.client, body), 409, "conversation_busy")
        assert footprint(carol.requester) == before
        gate.open()
        stream.read()
    assert post(carol.client, {"content": "hi", "conversation": conversation}).status_code == 200


def test_a_turn_sent_again_with_another_body_is_409(carol: "Person", upstream: Upstream) -> None:
    turn = str(uuid4())
    start = talk(carol, turn=turn)
    before = footprint(carol.requester)
    for body in (
        {"content": "something else"},
        {"content": "hello", "parent": None},
        {"content": "hello", "conversation": start["conversation"]},
        {"conversation": start["conversation"], "regenerate": start["answer"]},
    ):
        assert_refused(post(carol.client, {**body, "turn": turn}), 409, "turn_conflict")
    assert footprint(carol.requester) == before


def test_a_refused_turn_is_not_remembered(carol: "Person") -> None:
    turn = str(uuid4())
    assert_refused(post(carol.client, {"content": "hello", "model": "no-such-model", "turn": turn}), 400, "invalid_request", limit="model")
    assert talk(carol, turn=turn)["title"] == "hello"


def test_a_turn_is_ones_own_even_if_a_stranger_has_the_same(alice: "Person", bob: "Person") -> None:
    turn = str(uuid4())
    assert talk(alice, turn=turn)["answer"] != talk(bob, turn=turn)["answer"]


# --- 429 ----------------------------------------------------------------------------------


def test_more_readers_than_twenty_are_429_and_a_place_comes_free(carol: "Person", upstream: Upstream) -> None:
    gate = wire.Gate()
    key = upstream.script([*wire.text("so"), gate, *wire.answer(" on")])
    with ExitStack() as stack:
        turn = str(uuid4())
        stream = stack.enter_context(carol.client.chat(content=key, turn=turn))
        answer = stream.answer
        stream.until_text("so")
        readers = [stack.enter_context(carol.client.resume(answer)) for _ in range(20)]
        assert {reader.status for reader in readers} == {200}
        assert_refused(carol.client.get(f"/api/answers/{answer}/stream"), 429, "too_many_readers", retry_after=range(2, 3))
        again = post(carol.client, {"content": key, "turn": turn})
        assert_refused(again, 429, "too_many_readers", retry_after=range(2, 3))
        assert again.headers["RateLimit"].startswith('"d";r=9;t=')
        page = carol.client.get(f"/c/{stream.events[0].data['conversation']}/answers/{answer}/")
        assert (page.status_code, page.headers["retry-after"]) == (429, "2")
        gate.open()
        for reader in readers:
            reader.read()
    with carol.client.resume(answer) as again:
        assert again.status == 200


def test_a_full_window_is_429_and_counts_nothing(make_user: "MakeUser", upstream: Upstream) -> None:
    person = make_user(requests="1/d", concurrent_streams=3, tokens_per_day=1_000_000)
    talk(person)
    before = footprint(person.requester)
    key = upstream.key()
    for _ in range(3):
        answer = post(person.client, {"content": key})
        assert_refused(answer, 429, "rate_limited", retry_after=range(1, 86401), limit="1/d", word="1 a day")
    assert (footprint(person.requester), upstream.requests(key)) == (before, [])


# --- 503 ----------------------------------------------------------------------------------


@pytest.fixture
def pause() -> Iterator[Callable[[str], None]]:
    def begin(notice: str) -> None:
        SitePolicy.objects.filter(pk=1).update(paused=True, notice=notice)

    yield begin
    SitePolicy.objects.filter(pk=1).update(paused=False, notice="")


def test_a_paused_site_takes_no_turns_and_says_the_notice(carol: "Person", pause: Callable[[str], None], upstream: Upstream) -> None:
    turn = str(uuid4())
    start = talk(carol, turn=turn)
    before = footprint(carol.requester)
    pause("Back at noon.")
    key = upstream.key()
    for body in (
        {"content": key},
        {"content": key, "conversation": start["conversation"]},
        {"messages": [{"role": "user", "content": key}]},
        {"conversation": start["conversation"], "regenerate": start["answer"]},
    ):
        assert_refused(post(carol.client, body), 503, "paused", retry_after=range(1, 3600), word="Back at noon.")
    assert (footprint(carol.requester), upstream.requests(key)) == (before, [])


def test_a_paused_site_still_shows_stops_and_repeats_what_there_is(
    carol: "Person", pause: Callable[[str], None], upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script([*wire.text("so"), gate, *wire.answer(" on")])
    turn = str(uuid4())
    with carol.client.chat(content=key, turn=turn) as stream:
        stream.until_text("so")
        pause("")
        with carol.client.chat(content=key, turn=turn) as again:
            again.until_text("so")
            assert again.answer == stream.answer
        assert carol.client.stop(stream.answer).json() == {"status": "stopped", "content": "so"}
        assert stream.read()[-1].is_end


def test_a_worker_that_ends_takes_no_new_turns(start_site: "StartSite", carol: "Person", upstream: Upstream) -> None:
    site = start_site()
    gate = wire.Gate()
    key, refused_key = upstream.script([*wire.text("so"), gate, *wire.answer(" on")]), upstream.key()
    with ExitStack() as stack:
        # Opened before the end begins: uvicorn takes no new connections then.
        late = stack.enter_context(raw_post(site, carol, {"Content-Length": "36"}))
        stream = stack.enter_context(carol.client_on(site).chat(content=key))
        stream.until_text("so")
        before = footprint(carol.requester)
        site.terminate()
        assert not [event for event in stream.read() if event.is_end]
        late.sendall(json.dumps({"content": refused_key}).ljust(36).encode())
        assert_refused(read(late), 503, "draining", retry_after=range(1, 10))
        assert (footprint(carol.requester), upstream.requests(refused_key)) == (before, [])
        gate.open()
        site.process.wait(20)
    assert Message.objects.get(id=stream.answer).status == "complete"
