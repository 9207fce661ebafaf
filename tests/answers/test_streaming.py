"""An answer as it streams: events and headers, exact text, and turns that are not stored."""

from uuid import uuid4

import pytest
import redis

from chat import redis_keys
from chat.models import ChatModel, Conversation, Message
from tests.harness import wire
from tests.harness.answers import ledger, message, wait_until
from tests.harness.ends import whole
from tests.harness.people import Person
from tests.harness.running import Running
from tests.harness.turns import event_names, said
from tests.harness.upstream import DEFAULT_TEXT, Upstream

# --- Events and headers -----------------------------------------------------


def test_events_come_in_the_order_of_the_contract(alice: Person) -> None:
    stream = said(alice, "Hello")
    assert event_names(stream) == ["start", "delta", "done", "message"]
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
    assert (answer.status, answer.finish_reason, answer.content, answer.error_code) == (
        "complete",
        "stop",
        DEFAULT_TEXT,
        "",
    )
    assert (row.outcome, row.prompt_tokens, row.completion_tokens, row.estimated) == (
        "complete",
        11,
        7,
        False,
    )
    assert row.duration_ms is not None
    assert row.first_token_ms is not None
    assert row.duration_ms >= row.first_token_ms >= 0
    assert (row.user_id, row.owner_key, row.quota) == (
        alice.user.pk,
        f"u:{alice.user.pk}",
        alice.quota.name,
    )


@pytest.mark.parametrize("encodings", ["gzip, br", "gzip", "*", "identity"])
def test_headers_are_exactly_those_of_the_contract_and_nothing_is_compressed(
    alice: Person, encodings: str
) -> None:
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
def test_text_shown_is_text_stored_is_text_sent(
    alice: Person, upstream: Upstream, pieces: tuple[str, ...], escape: bool
) -> None:
    key = upstream.script(wire.answer(*pieces, escape=escape))
    stream = said(alice, key)
    sent = "".join(pieces)
    assert stream.text == sent
    assert message(stream).content == sent
    assert whole(alice.client.resume(stream.answer)).text == sent


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("escape", [False, True])
def test_text_survives_packets_of_a_few_bytes(
    alice: Person, upstream: Upstream, size: int, escape: bool
) -> None:
    text = " é\r\n[DONE]\u2028👩‍👧\\"
    key = upstream.script(wire.cut_every(size, wire.answer(text[:5], text[5:], escape=escape)))
    stream = said(alice, key)
    assert (stream.text, message(stream).content) == (text, text)
    assert stream.named("done")[0]["usage"] == {
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "estimated": False,
    }


def test_every_place_to_cut_a_character_gives_the_same_text(
    alice: Person, upstream: Upstream
) -> None:
    text = "🙂é"
    data = wire.joined(wire.answer(text))
    first = data.index("🙂".encode())
    for place in range(first, first + len(text.encode()) + 1):
        assert said(alice, upstream.script([data[:place], data[place:]])).text == text


def test_nul_and_lone_surrogates_are_replaced_before_they_are_shown(
    alice: Person, upstream: Upstream
) -> None:
    key = upstream.script(
        wire.answer("a\0b", "\ud83d", "\ude42", "\ud800", "c", "\udc00", escape=True)
    )
    stream = said(alice, key)
    assert stream.text == message(stream).content == "a\ufffdb🙂\ufffdc\ufffd"


def test_upstream_with_crlf_comments_and_empty_chunks_is_understood(
    alice: Person, upstream: Upstream
) -> None:
    steps = [
        wire.HEADERS,
        wire.comment(),
        wire.role(),
        wire.null_content(),
        wire.empty_choices(),
        *wire.answer("a", "b"),
    ]
    assert said(alice, upstream.script(wire.with_crlf(steps))).text == "ab"


def test_long_answer_is_whole(alice: Person, upstream: Upstream) -> None:
    pieces = [f"line {number} 🙂\n" for number in range(20_000)]
    key = upstream.script(
        [
            wire.joined(wire.answer(*pieces[:10_000])[:-3]),
            wire.joined(wire.answer(*pieces[10_000:])),
        ]
    )
    model = ChatModel.objects.create(slug=f"long-{uuid4()}", max_output_tokens=30_000)
    stream = said(alice, key, model=model.slug)
    assert stream.text == message(stream).content == "".join(pieces)


# --- Stateless ----------------------------------------------------------------------


def test_stateless_turn_stores_no_text_and_is_in_the_ledger(
    alice: Person, upstream: Upstream
) -> None:
    key = upstream.script(wire.answer("forgotten"))
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "One"}]
    messages += [{"role": "assistant", "content": "1"}, {"role": "user", "content": key}]
    stream = whole(alice.client.chat(messages=messages))
    assert (stream.text, event_names(stream), stream.ended) == (
        "forgotten",
        ["start", "delta", "done", "message"],
        True,
    )
    start = stream.events[0].data
    assert (start["conversation"], start["message"], start["title"]) == (None, None, None)
    assert not Conversation.objects.filter(user=alice.user).exists()
    assert not Message.objects.filter(id=stream.answer).exists()
    row = ledger(stream)
    assert (row.outcome, row.prompt_tokens, row.completion_tokens, row.estimated) == (
        "complete",
        11,
        7,
        False,
    )
    assert upstream.requests(key)[0].body["messages"] == messages


def test_stateless_text_is_not_in_redis_either(
    alice: Person, upstream: Upstream, redis_client: redis.Redis
) -> None:
    gate = wire.Gate()
    key = upstream.script([*wire.text("forgotten"), gate, *wire.answer()])
    with alice.client.chat(messages=[{"role": "user", "content": key}]) as stream:
        stream.until_text("forgotten")
        # A stored answer's text is there within a flush; this waits for one.
        stored = said(alice, "Hello")
        wait_until(lambda: redis_client.keys(f"*{stored.answer}*"))
        assert not redis_client.exists(redis_keys.answer_text(stream.answer))
        gate.open()
        stream.read()


def test_stateless_answer_is_stopped_by_its_id(alice: Person, upstream: Upstream) -> None:
    key = upstream.script([*wire.text("some"), wire.Stall()])
    with alice.client.chat(messages=[{"role": "user", "content": key}]) as stream:
        stream.until_text("some")
        response = alice.client.stop(stream.answer)
        assert (response.status_code, response.json()) == (
            200,
            {"status": "stopped", "content": "some"},
        )
        assert whole(stream).named("done")[0]["status"] == "stopped"
    assert ledger(stream).outcome == "stopped"
    upstream.wait_for_close(upstream.requests(key)[0])


def test_upstream_of_a_stateless_answer_closes_within_a_second_of_its_reader_leaving(
    alice: Person, upstream: Upstream
) -> None:
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
