"""An answer as it streams: events and headers, exact text, one turn paid once, resuming anywhere, branches, what is sent upstream."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import redis
from django.db.models import F

from chat.models import ChatModel, Conversation, Message, Usage
from tests.harness import wire
from tests.harness.answers import client_of_worker, ledger, message, other_worker, owner_pid, wait_until
from tests.harness.client import Client, Stream
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.sse import Decoder, text_of
from tests.harness.upstream import DEFAULT_TEXT, Upstream
from tests.harness.visitor import all_at_once

if TYPE_CHECKING:
    from tests.conftest import MakeUser


def whole(stream: Stream) -> Stream:
    """The stream, read to its end."""
    with stream:
        stream.read()
    return stream


def said(person: Person, content: str, **fields: Any) -> Stream:
    """A turn of the person, read to its end."""
    return whole(person.client.chat(content=content, **fields))


def names(stream: Stream) -> list[str]:
    """The names of the events read, repeated ones once."""
    seen = [event.name for event in stream.events]
    return [name for place, name in enumerate(seen) if place == 0 or seen[place - 1] != name]


@pytest.fixture
def running(alice: Person, upstream: Upstream) -> "Running":
    return Running(alice, upstream)


class Running:
    """An answer of Alice's that has said "Hello, " and waits at `gate` before it says "wörld."."""

    def __init__(self, person: Person, upstream: Upstream) -> None:
        self.gate = wire.Gate()
        self.key = upstream.script([wire.role(), *wire.text("Hello, "), self.gate, *wire.text("wörld."), *wire.answer()[1:]])
        self.person = person

    def begin(self, client: Client | None = None, **fields: Any) -> Stream:
        stream = (client or self.person.client).chat({"content": self.key, **fields})
        stream.until_text("Hello, ")
        return stream


# --- Events and headers -----------------------------------------------------


def test_events_come_in_the_order_of_the_contract(alice: Person) -> None:
    stream = said(alice, "Hello")
    assert names(stream) == ["start", "delta", "done", "message"]
    assert (stream.ended, stream.rest) == (True, b"")
    start, done = stream.events[0].data, stream.named("done")[0]
    answer = message(stream)
    assert start == {
        "conversation": str(answer.conversation_id),
        "message": str(answer.parent_id),
        "answer": str(answer.id),
        "model": "gpt-4o-mini",
        "title": "Hello",
    }
    assert done == {
        "status": "complete",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "estimated": False},
        "html": f"<p>{DEFAULT_TEXT}</p>\n",
    }


def test_ids_stand_on_deltas_and_done_and_count_up(alice: Person) -> None:
    stream = said(alice, "Hello")
    ids = [int(event.id) for event in stream.events if event.id is not None]
    assert [event.name for event in stream.events if event.id is not None][-1] == "done"
    assert ids == sorted(ids)
    assert ids[-1] == len(DEFAULT_TEXT.encode())


def test_answer_and_ledger_are_saved_when_done_is_sent(alice: Person) -> None:
    with alice.client.chat(content="Hello") as stream:
        stream.until("done")
        answer, row = message(stream), ledger(stream)
    assert (answer.status, answer.finish_reason, answer.content, answer.error_code) == ("complete", "stop", DEFAULT_TEXT, "")
    assert (row.outcome, row.prompt_tokens, row.completion_tokens, row.estimated) == ("complete", 11, 7, False)
    assert row.duration_ms is not None
    assert row.first_token_ms is not None
    assert row.duration_ms >= row.first_token_ms >= 0
    assert (row.user_id, row.owner_key, row.quota) == (alice.user.pk, f"u:{alice.user.pk}", alice.quota.name)


@pytest.mark.parametrize("encodings", ["gzip, br", "gzip", "*", "identity"])
def test_headers_are_exactly_those_of_the_contract_and_nothing_is_compressed(alice: Person, encodings: str) -> None:
    with alice.client.chat(content="Hello", headers={"Accept-Encoding": encodings}) as stream:
        posted = stream.headers
        answer = stream.answer
        stream.read()
    with alice.client.resume(answer, headers={"Accept-Encoding": encodings}) as again:
        followed = again.headers
    for headers in (posted, followed):
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert headers["cache-control"] == "no-cache, no-transform"
        assert headers["x-accel-buffering"] == "no"
        assert "content-encoding" not in headers
        assert "content-length" not in headers


def test_text_is_sent_as_it_comes_and_not_at_the_end(running: Running) -> None:
    with running.begin() as stream:
        assert stream.text == "Hello, "
        assert message(stream).status == "streaming"
        running.gate.open()
        stream.read()
    assert stream.text == "Hello, wörld."


def test_conversation_is_named_by_its_first_prompt(alice: Person) -> None:
    long = "Tell me " + "very " * 30 + "much"
    title = said(alice, f"  {long}\n").events[0].data["title"]
    assert title.startswith("Tell me very very")
    assert title.endswith("…")
    assert len(title) <= 60


# --- The exact text ---------------------------------------------------------


TEXTS = {
    "leading spaces": ("  ", " two", " spaces "),
    "newlines": ("\n\nfirst\n", "\n", "second\n\n"),
    "done inside": ("[DONE]", "data: [DONE]\n\n", "data: x"),
    "CRLF": ("a\r", "\nb\r\n\r\nc\r", "d"),
    "separators": ("\u2028a\u2029\x85", "\x0b\x0c\x1c"),
    "emoji": ("👩‍👩‍👧", "🙂é", "汉字\U0010fffd"),
    "quotes": ('"', "\\", '\\"}\n\n{"'),
    "controls": ("\x01\x1b[31m", "\x7f\ufeff"),
    "one space": (" ",),
    "html": ("<script>alert(1)</script>", "&amp;"),
}


@pytest.mark.parametrize("pieces", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("escape", [False, True])
def test_text_shown_is_text_stored_is_text_sent(alice: Person, upstream: Upstream, pieces: tuple[str, ...], escape: bool) -> None:
    key = upstream.script(wire.answer(*pieces, escape=escape))
    stream = said(alice, key)
    sent = "".join(pieces)
    assert stream.text == sent
    assert message(stream).content == sent
    assert whole(alice.client.resume(stream.answer)).text == sent


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("escape", [False, True])
def test_text_survives_packets_of_a_few_bytes(alice: Person, upstream: Upstream, size: int, escape: bool) -> None:
    text = " é\r\n[DONE]\u2028👩‍👧\\"
    key = upstream.script(wire.cut_every(size, wire.answer(text[:5], text[5:], escape=escape)))
    stream = said(alice, key)
    assert (stream.text, message(stream).content) == (text, text)
    assert stream.named("done")[0]["usage"] == {"prompt_tokens": 11, "completion_tokens": 7, "estimated": False}


def test_every_place_to_cut_a_character_gives_the_same_text(alice: Person, upstream: Upstream) -> None:
    text = "🙂é"
    data = wire.joined(wire.answer(text))
    first = data.index("🙂".encode())
    for place in range(first, first + len(text.encode()) + 1):
        assert said(alice, upstream.script([data[:place], data[place:]])).text == text


def test_nul_and_lone_surrogates_are_replaced_before_they_are_shown(alice: Person, upstream: Upstream) -> None:
    key = upstream.script(wire.answer("a\0b", "\ud83d", "\ude42", "\ud800", "c", "\udc00", escape=True))
    stream = said(alice, key)
    assert stream.text == message(stream).content == "a\ufffdb🙂\ufffdc\ufffd"


def test_upstream_with_crlf_comments_and_empty_chunks_is_understood(alice: Person, upstream: Upstream) -> None:
    steps = [wire.HEADERS, wire.comment(), wire.role(), wire.null_content(), wire.empty_choices(), *wire.answer("a", "b")]
    assert said(alice, upstream.script(wire.with_crlf(steps))).text == "ab"


def test_long_answer_is_whole(alice: Person, upstream: Upstream) -> None:
    pieces = [f"line {number} 🙂\n" for number in range(20_000)]
    key = upstream.script([wire.joined(wire.answer(*pieces[:10_000])[:-3]), wire.joined(wire.answer(*pieces[10_000:]))])
    model = ChatModel.objects.create(slug=f"long-{uuid4()}", max_output_tokens=30_000)
    stream = said(alice, key, model=model.slug)
    assert stream.text == message(stream).content == "".join(pieces)


# --- One turn, paid once ------------------------------------------------------


@pytest.mark.parametrize("limits", [{}, {"concurrent_streams": 1}, {"requests": "1/m"}], ids=str)
def test_same_turn_at_once_is_one_answer_paid_once(make_user: "MakeUser", site: Site, upstream: Upstream, limits: dict[str, Any]) -> None:
    person, gate = make_user("alice", **limits), wire.Gate()
    key = upstream.script([gate, *wire.answer("one answer")])
    body = {"content": key, "turn": str(uuid4())}
    clients = [person.client_on(site) for _ in range(4)]
    streams = all_at_once([lambda client=client: client.chat(body) for client in clients])
    assert [stream.status for stream in streams] == [200] * 4
    gate.open()
    for stream in streams:
        whole(stream)
    assert {stream.text for stream in streams} == {"one answer"}
    assert len({stream.answer for stream in streams}) == 1
    assert len(upstream.requests(key)) == 1
    assert Usage.objects.filter(user=person.user).count() == 1
    assert Message.objects.filter(conversation__user=person.user).count() == 2


def test_same_turn_at_once_in_a_conversation_there_is_is_one_answer(alice: Person, site: Site, upstream: Upstream) -> None:
    conversation = said(alice, "Hello").events[0].data["conversation"]
    gate = wire.Gate()
    key = upstream.script([gate, *wire.answer("one answer")])
    body = {"content": key, "conversation": conversation, "turn": str(uuid4())}
    clients = [alice.client_on(site) for _ in range(4)]
    streams = all_at_once([lambda client=client: client.chat(body) for client in clients])
    assert [stream.status for stream in streams] == [200] * 4
    gate.open()
    assert {whole(stream).text for stream in streams} == {"one answer"}
    assert len(upstream.requests(key)) == 1


def test_same_turn_on_two_workers_at_once_is_one_answer(alice: Person, site2: Site, upstream: Upstream) -> None:
    gate = wire.Gate()
    key = upstream.script([gate, *wire.answer("one answer")])
    clients = [client_of_worker(alice, site2, pid) for pid in site2.worker_pids() * 2]
    body = {"content": key, "turn": str(uuid4())}
    streams = all_at_once([lambda client=client: client.chat(body) for client in clients])
    assert [stream.status for stream in streams] == [200] * 4
    gate.open()
    assert {whole(stream).text for stream in streams} == {"one answer"}
    assert len(upstream.requests(key)) == 1


def test_same_turn_later_gives_the_same_answer_and_costs_nothing(make_user: "MakeUser", upstream: Upstream) -> None:
    person = make_user("alice", requests="1/m")
    body = {"content": upstream.key(), "turn": str(uuid4())}
    first, again = whole(person.client.chat(body)), whole(person.client.chat(body))
    assert (again.status, again.answer, again.text) == (200, first.answer, first.text)
    assert again.events[0].data == first.events[0].data
    assert again.named("done") == first.named("done")
    assert len(upstream.requests(body["content"])) == 1
    assert Usage.objects.filter(user=person.user).count() == 1


def test_same_turn_while_the_answer_runs_follows_it_from_its_beginning(running: Running) -> None:
    turn = str(uuid4())
    with running.begin(turn=turn) as first, running.begin(turn=turn) as second:
        running.gate.open()
        assert whole(first).text == whole(second).text == "Hello, wörld."
        assert first.answer == second.answer


def test_same_turn_with_another_body_is_a_conflict(alice: Person, upstream: Upstream) -> None:
    turn, key = str(uuid4()), upstream.key()
    said(alice, f"{key} one", turn=turn)
    with alice.client.chat(content=f"{key} two", turn=turn) as refused:
        assert (refused.status, refused.json()["error"]["code"]) == (409, "turn_conflict")
    assert len(upstream.requests(key)) == 1


def test_same_turn_of_another_person_is_a_turn_of_its_own(alice: Person, bob: Person, upstream: Upstream) -> None:
    body = {"content": upstream.key(), "turn": str(uuid4())}
    assert whole(alice.client.chat(body)).answer != whole(bob.client.chat(body)).answer


def test_refused_turn_is_not_remembered(make_user: "MakeUser", upstream: Upstream) -> None:
    person, gate = make_user("alice", concurrent_streams=1), wire.Gate()
    key = upstream.script([gate, *wire.answer("a")])
    with person.client.chat(content=key) as stream:
        stream.until("start")
        turn = {"content": "later", "turn": str(uuid4())}
        with person.client.chat(turn) as refused:
            assert refused.status == 429
        gate.open()
        stream.read()
    assert whole(person.client.chat(turn)).text == DEFAULT_TEXT


# --- Resuming -------------------------------------------------------------------


def test_reload_in_the_middle_goes_on_from_the_cursor(running: Running) -> None:
    first = running.begin()
    first.close()
    with running.person.client.resume(first.answer, first.cursor) as second:
        second.until("start")
        running.gate.open()
        second.read()
    assert first.text + second.text == message(first).content == "Hello, wörld."
    assert second.events[0].data == first.events[0].data
    assert second.ended


def test_cursor_may_stand_in_the_address(running: Running) -> None:
    first = running.begin()
    running.gate.open()
    whole(first)
    response = running.person.client.get(f"/api/answers/{first.answer}/stream?after={len('Hello, ')}")
    assert text_of(Decoder().feed(response.content)) == "wörld."


def test_finished_answer_is_told_from_any_cursor(alice: Person, upstream: Upstream) -> None:
    text = "é\n🙂z"
    stream = said(alice, upstream.script(wire.answer(text)))
    for index in range(len(text) + 1):
        again = whole(alice.client.resume(stream.answer, str(len(text[:index].encode()))))
        assert again.text == text[index:]
        assert again.named("done") == stream.named("done")
        assert again.ended


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "0x1", "1e3", " ", "9" * 13, "%D9%A3", "1"])
def test_garbage_cursor_is_refused(alice: Person, upstream: Upstream, cursor: str) -> None:
    stream = said(alice, upstream.script(wire.answer("é")))
    response = alice.client.get(f"/api/answers/{stream.answer}/stream?after={cursor}")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_request")


def test_garbage_cursor_of_a_running_answer_is_refused(running: Running) -> None:
    with running.begin() as stream, running.person.client.resume(stream.answer, "x") as refused:
        assert refused.status == 400


def test_two_readers_at_once_get_the_same(running: Running) -> None:
    with running.begin() as first, running.person.client.resume(first.answer) as second:
        second.until_text("Hello, ")
        running.gate.open()
        assert whole(first).text == whole(second).text == "Hello, wörld."
        assert first.named("done") == second.named("done")


def test_other_worker_follows_the_answer(running: Running, site2: Site) -> None:
    with running.begin(running.person.client_on(site2)) as first:
        elsewhere = client_of_worker(running.person, site2, other_worker(site2, owner_pid(first)))
        with elsewhere.resume(first.answer, "3") as second:
            second.until_text("lo, ")
            running.gate.open()
            whole(first)
            whole(second)
    assert first.text == "Hello, wörld."
    assert second.text == "lo, wörld."
    assert second.named("done") == first.named("done")
    assert second.events[0].data == first.events[0].data


def test_reader_on_another_worker_keeps_the_answer_alive(running: Running, site2: Site, upstream: Upstream) -> None:
    first = running.begin(running.person.client_on(site2))
    elsewhere = client_of_worker(running.person, site2, other_worker(site2, owner_pid(first)))
    with elsewhere.resume(first.answer) as second:
        second.until_text("Hello, ")
        first.close()
        request = upstream.wait_for_request(running.key)
        assert not request.over.wait(5)  # more than the grace time
        running.gate.open()
        assert whole(second).text == "Hello, wörld."


def test_finished_answer_is_told_by_any_worker(running: Running, site2: Site) -> None:
    running.gate.open()
    first = whole(running.begin(running.person.client_on(site2)))
    for pid in site2.worker_pids():
        again = whole(client_of_worker(running.person, site2, pid).resume(first.answer, "3"))
        assert (again.text, again.ended) == ("lo, wörld.", True)


def test_twentyfirst_reader_is_refused_until_one_leaves(running: Running) -> None:
    with running.begin() as first:
        readers = [running.person.client.resume(first.answer) for _ in range(20)]
        assert {reader.status for reader in readers} == {200}
        for reader in readers:
            reader.until_text("Hello, ")
        with running.person.client.resume(first.answer) as refused:
            assert (refused.status, refused.json()["error"]["code"]) == (429, "too_many_readers")
            assert int(refused.headers["retry-after"]) >= 1
        readers[0].close()

        def a_seat_is_free() -> bool:
            with running.person.client.resume(first.answer) as reader:
                return reader.status == 200

        wait_until(a_seat_is_free)
        for reader in readers:
            reader.close()


def test_stranger_finds_neither_stream_nor_stop_nor_conversation(running: Running, bob: Person) -> None:
    with running.begin() as stream:
        with bob.client.resume(stream.answer) as refused:
            assert (refused.status, refused.json()["error"]["code"]) == (404, "not_found")
        assert bob.client.stop(stream.answer).status_code == 404
        attempts: list[dict[str, Any]] = [{}, {"parent": stream.answer}]
        for fields in attempts:
            with bob.client.chat(content="Hello", conversation=stream.events[0].data["conversation"], **fields) as refused:
                assert refused.status == 404
        assert message(stream).status == "streaming"
        running.gate.open()
        assert whole(stream).text == "Hello, wörld."


def test_answer_that_is_not_there_is_not_found(alice: Person) -> None:
    with alice.client.resume(str(uuid4())) as refused:
        assert refused.status == 404
    prompt = str(message(said(alice, "Hello")).parent_id)
    with alice.client.resume(prompt) as refused:
        assert refused.status == 404


# --- Branches ---------------------------------------------------------------------


def sent(upstream: Upstream, key: str) -> list[tuple[str, str]]:
    """Roles and texts of the last request whose prompt contains the key."""
    return [(entry["role"], entry["content"]) for entry in upstream.requests(key)[-1].body["messages"]]


def test_turn_without_parent_follows_the_answer_created_last(alice: Person, upstream: Upstream) -> None:
    one, two = upstream.script(wire.answer("A1")), upstream.key()
    first = said(alice, one)
    second = said(alice, two, conversation=first.events[0].data["conversation"])
    assert message(str(message(second).parent_id)).parent_id == message(first).id
    assert sent(upstream, two) == [("user", one), ("assistant", "A1"), ("user", two)]


def test_messages_are_in_the_order_of_their_turns_though_the_clock_was_set_back(alice: Person, upstream: Upstream) -> None:
    one, two = upstream.script(wire.answer("A1"), wire.answer("A2")), upstream.key()
    first = said(alice, one)
    conversation = first.events[0].data["conversation"]
    Message.objects.filter(conversation=conversation).update(created=F("created") + timedelta(hours=1))
    again = whole(alice.client.chat(conversation=conversation, regenerate=first.answer))
    assert message(again).created > message(first).created
    said(alice, two, conversation=conversation)
    assert sent(upstream, two) == [("user", one), ("assistant", "A2"), ("user", two)]


def test_regenerate_makes_a_sibling(alice: Person, upstream: Upstream) -> None:
    key = upstream.script(wire.answer("A1"), wire.answer("A2"))
    first = said(alice, key)
    again = whole(alice.client.chat(conversation=first.events[0].data["conversation"], regenerate=first.answer))
    assert again.text == "A2"
    assert again.events[0].data["message"] == first.events[0].data["message"]
    assert message(again).parent_id == message(first).parent_id
    assert message(first).content == "A1"
    assert sent(upstream, key) == [("user", key)]
    assert Usage.objects.filter(user=alice.user).count() == 2


def test_prompt_is_edited_by_naming_an_older_answer_as_parent(alice: Person, upstream: Upstream) -> None:
    one, two, edited = upstream.script(wire.answer("A1")), upstream.script(wire.answer("A2")), upstream.key()
    first = said(alice, one)
    conversation = first.events[0].data["conversation"]
    said(alice, two, conversation=conversation)
    branch = said(alice, edited, conversation=conversation, parent=first.answer)
    assert message(str(message(branch).parent_id)).parent_id == message(first).id
    assert sent(upstream, edited) == [("user", one), ("assistant", "A1"), ("user", edited)]


def test_parent_null_begins_the_conversation_anew(alice: Person, upstream: Upstream) -> None:
    first, key = said(alice, "Hello"), upstream.key()
    branch = said(alice, key, conversation=first.events[0].data["conversation"], parent=None)
    assert message(str(message(branch).parent_id)).parent_id is None
    assert message(branch).conversation_id == message(first).conversation_id
    assert sent(upstream, key) == [("user", key)]


def test_parent_must_be_an_answer_of_the_conversation(alice: Person) -> None:
    first, other = said(alice, "Hello"), said(alice, "Hello")
    conversation = first.events[0].data["conversation"]
    for parent, status in ((other.answer, 404), (str(uuid4()), 404), (first.events[0].data["message"], 400)):
        with alice.client.chat(content="Hello", conversation=conversation, parent=parent) as refused:
            assert refused.status == status
    with alice.client.chat(content="Hello", conversation=None, parent=first.answer) as refused:
        assert refused.status == 404


def test_branch_that_still_runs_is_busy(running: Running) -> None:
    with running.begin() as stream:
        conversation = stream.events[0].data["conversation"]
        attempts: list[dict[str, Any]] = [
            {"content": "more"},
            {"content": "more", "parent": stream.answer},
            {"regenerate": stream.answer},
        ]
        for fields in attempts:
            with running.person.client.chat(conversation=conversation, **fields) as refused:
                assert (refused.status, refused.json()["error"]["code"]) == (409, "conversation_busy")
    assert Message.objects.filter(conversation=conversation).count() == 2


def test_branch_beside_a_running_answer_is_allowed(running: Running) -> None:
    first = said(running.person, "Hello")
    conversation = first.events[0].data["conversation"]
    with running.begin(conversation=conversation) as stream:
        for parent in (first.answer, None):
            assert said(running.person, "beside", conversation=conversation, parent=parent).text == DEFAULT_TEXT
        running.gate.open()
        assert whole(stream).text == "Hello, wörld."


def test_answer_without_text_is_not_sent_upstream_but_its_prompt_is(alice: Person, upstream: Upstream) -> None:
    failing, key = upstream.script(wire.refused(400)), upstream.key()
    first = said(alice, failing)
    assert message(first).status == "failed"
    said(alice, key, conversation=first.events[0].data["conversation"])
    assert sent(upstream, key) == [("user", f"{failing}\n\n{key}")]


# --- Stateless ----------------------------------------------------------------------


def test_stateless_turn_stores_no_text_and_is_in_the_ledger(alice: Person, upstream: Upstream) -> None:
    key = upstream.script(wire.answer("forgotten"))
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "One"}]
    messages += [{"role": "assistant", "content": "1"}, {"role": "user", "content": key}]
    stream = whole(alice.client.chat(messages=messages))
    assert (stream.text, names(stream), stream.ended) == ("forgotten", ["start", "delta", "done", "message"], True)
    start = stream.events[0].data
    assert (start["conversation"], start["message"], start["title"]) == (None, None, None)
    assert not Conversation.objects.filter(user=alice.user).exists()
    assert not Message.objects.filter(id=stream.answer).exists()
    row = ledger(stream)
    assert (row.outcome, row.prompt_tokens, row.completion_tokens, row.estimated) == ("complete", 11, 7, False)
    assert upstream.requests(key)[0].body["messages"] == messages


def test_stateless_text_is_not_in_redis_either(alice: Person, upstream: Upstream, redis_client: redis.Redis) -> None:
    gate = wire.Gate()
    key = upstream.script([*wire.text("forgotten"), gate, *wire.answer()])
    with alice.client.chat(messages=[{"role": "user", "content": key}]) as stream:
        stream.until_text("forgotten")
        # A stored answer's text is there within a flush; this waits for one.
        stored = said(alice, "Hello")
        wait_until(lambda: redis_client.keys(f"*{stored.answer}*"))
        assert not redis_client.keys(f"*a:{stream.answer}*")
        gate.open()
        stream.read()


def test_stateless_answer_is_stopped_by_its_id(alice: Person, upstream: Upstream) -> None:
    key = upstream.script([*wire.text("some"), wire.Stall()])
    with alice.client.chat(messages=[{"role": "user", "content": key}]) as stream:
        stream.until_text("some")
        response = alice.client.stop(stream.answer)
        assert (response.status_code, response.json()) == (200, {"status": "stopped", "content": "some"})
        assert whole(stream).named("done")[0]["status"] == "stopped"
    assert ledger(stream).outcome == "stopped"
    upstream.wait_for_close(upstream.requests(key)[0])


def test_upstream_of_a_stateless_answer_closes_within_a_second_of_its_reader_leaving(alice: Person, upstream: Upstream) -> None:
    key = upstream.script([*wire.text("some"), wire.Stall()])
    stream = alice.client.chat(messages=[{"role": "user", "content": key}])
    stream.until_text("some")
    answer = stream.answer
    request = upstream.requests(key)[0]
    assert not request.over.is_set()
    stream.close()
    assert request.over.wait(1)
    wait_until(lambda: ledger(answer).outcome == "stopped")
    assert ledger(answer).estimated


def test_stateless_answer_cannot_be_followed(alice: Person) -> None:
    stream = whole(alice.client.chat(messages=[{"role": "user", "content": "Hello"}]))
    with alice.client.resume(stream.answer) as refused:
        assert refused.status == 404


# --- What is sent upstream ------------------------------------------------------------


@pytest.fixture
def model(request: pytest.FixtureRequest) -> ChatModel:
    """A model of the test's own."""
    return ChatModel.objects.create(slug=f"model-{uuid4()}", max_output_tokens=123, **getattr(request, "param", {}))


def test_upstream_is_asked_to_stream_with_usage_and_a_limit(alice: Person, upstream: Upstream, model: ChatModel) -> None:
    key = upstream.key()
    said(alice, key, model=model.slug)
    assert upstream.requests(key)[0].body == {
        "model": model.slug,
        "messages": [{"role": "user", "content": key}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 123,
    }


@pytest.mark.parametrize("model", [{"legacy_max_tokens": True}], indirect=True)
def test_server_of_the_older_kind_is_sent_max_tokens(alice: Person, upstream: Upstream, model: ChatModel) -> None:
    key = upstream.key()
    said(alice, key, model=model.slug)
    body = upstream.requests(key)[0].body
    assert body["max_tokens"] == 123
    assert "max_completion_tokens" not in body


def test_smaller_limit_of_the_quota_is_sent(make_user: "MakeUser", upstream: Upstream, model: ChatModel) -> None:
    key = upstream.key()
    said(make_user("alice", max_output_tokens=45), key, model=model.slug)
    assert upstream.requests(key)[0].body["max_completion_tokens"] == 45


@pytest.mark.parametrize("model", [{"system_prompt": "Be brief."}], indirect=True)
def test_system_prompts_of_model_and_conversation_stand_first(alice: Person, upstream: Upstream, model: ChatModel) -> None:
    one, two, plain = upstream.script(wire.answer("A1")), upstream.key(), upstream.key()
    first = said(alice, one, model=model.slug)
    assert sent(upstream, one) == [("system", "Be brief."), ("user", one)]
    conversation = first.events[0].data["conversation"]
    Conversation.objects.filter(id=conversation).update(system_prompt="Speak Latin.")
    said(alice, two, conversation=conversation)
    assert sent(upstream, two) == [("system", "Be brief.\n\nSpeak Latin."), ("user", one), ("assistant", "A1"), ("user", two)]
    whole(alice.client.chat(messages=[{"role": "user", "content": plain}], model=model.slug))
    assert sent(upstream, plain) == [("system", "Be brief."), ("user", plain)]


def test_conversation_keeps_the_model_it_began_with(alice: Person, upstream: Upstream, model: ChatModel) -> None:
    key = upstream.key()
    first = said(alice, "Hello", model=model.slug)
    second = said(alice, key, conversation=first.events[0].data["conversation"])
    assert upstream.requests(key)[0].body["model"] == model.slug
    assert (second.events[0].data["model"], message(second).model, ledger(second).model) == (model.slug,) * 3


def test_prompt_reaches_the_upstream_exactly(alice: Person, upstream: Upstream) -> None:
    key = upstream.key()
    prompt = f'  {key}\r\n\u2028🙂 "\\" \n'
    first = said(alice, prompt)
    assert upstream.requests(key)[0].prompt == prompt
    assert message(str(message(first).parent_id)).content == prompt


def test_answer_that_passes_the_limit_it_was_given_is_closed_there(make_user: "MakeUser", upstream: Upstream) -> None:
    key = upstream.script([*wire.text(*["a word as long as no token is "] * 5), wire.Stall()])
    stream = said(make_user("alice", max_output_tokens=4), key)
    assert stream.text.startswith("a word as long")
    assert stream.named("done")[0]["finish_reason"] == "length"
    upstream.wait_for_close(upstream.requests(key)[0])
    assert ledger(stream).completion_tokens >= 5


def test_session_cookie_with_a_nul_is_no_session(site: Site) -> None:
    with Client(site.url) as client:
        response = client.get("/api/limits", headers={"Cookie": r'sessionid="\000aaaaaaaaaaaa"'})
    assert (response.status_code, response.json()["error"]["code"]) == (401, "not_signed_in")
