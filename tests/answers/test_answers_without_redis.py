"""Answers are read, stopped and saved while Redis is killed, emptied or hangs."""

import asyncio
from time import monotonic
from typing import TYPE_CHECKING
from uuid import uuid4

from chat import redis_client as chat_redis
from chat.answers.answer_store import AnswerStore
from chat.answers.live_answer import LiveAnswer
from tests.harness import wire
from tests.harness.ends import whole
from tests.harness.people import Person
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import StartApart


def test_reader_notices_nothing_when_redis_is_killed_and_the_answer_is_saved(
    alice: Person, start_apart: "StartApart", upstream: Upstream
) -> None:
    apart, gate, second_gate = start_apart(alice), wire.Gate(), wire.Gate()
    key = upstream.script(
        [*wire.text("some "), gate, *wire.text("more "), second_gate, *wire.answer("text")]
    )
    with apart.client().chat(content=key) as stream:
        stream.until_text("some ")
        apart.valkey.stop()
        gate.open()
        stream.until_text("more ")
        second_gate.open()
        stream.read()
    assert [event.name for event in stream.events if event.name not in ("start", "delta")] == [
        "done",
        "message",
    ]
    assert stream.text == "some more text"
    assert apart.answer(stream.answer) == ("complete", "some more text", "")
    assert apart.usage(stream.answer) == ("complete", False)
    again = whole(apart.client().resume(stream.answer, "5"))
    assert again.text == "more text"


def test_reader_on_another_worker_is_told_the_end_though_redis_is_gone(
    alice: Person, start_apart: "StartApart", upstream: Upstream
) -> None:
    apart, gate = start_apart(alice, workers=2), wire.Gate()
    key = upstream.script([*wire.text("some "), gate, *wire.answer("text")])
    first = apart.client().chat(content=key)
    first.until_text("some ")
    with apart.client_elsewhere(first.answer).resume(first.answer) as second:
        second.until_text("some ")
        apart.valkey.stop()
        gate.open()
        assert whole(second).text == whole(first).text == "some text"
        assert second.named("done") == first.named("done")


def test_answer_is_stopped_from_another_worker_though_redis_is_gone(
    alice: Person, start_apart: "StartApart", upstream: Upstream
) -> None:
    apart = start_apart(alice, workers=2)
    key = upstream.script([*wire.text("some text"), wire.Stall()])
    stream = apart.client().chat(content=key)
    stream.until_text("some text")
    elsewhere = apart.client_elsewhere(stream.answer)
    apart.valkey.stop()
    assert elsewhere.stop(stream.answer).json() == {"status": "stopped", "content": "some text"}
    assert apart.answer(stream.answer) == ("stopped", "some text", "")
    assert whole(stream).named("done")[0]["finish_reason"] == "stopped"


def test_stateless_answer_is_stopped_from_another_worker_though_redis_is_gone(
    alice: Person, start_apart: "StartApart", upstream: Upstream
) -> None:
    apart = start_apart(alice, workers=2)
    key = upstream.script([*wire.text("some text"), wire.Stall()])
    with apart.client().chat(messages=[{"role": "user", "content": key}]) as stream:
        stream.until_text("some text")
        elsewhere = apart.client_elsewhere(stream.answer)
        apart.valkey.stop()
        # The text is kept nowhere that the other worker could read.
        assert elsewhere.stop(stream.answer).json() == {"status": "stopped", "content": ""}
        upstream.wait_for_close(upstream.requests(key)[0])
        assert whole(stream).named("done")[0]["finish_reason"] == "stopped"
    assert apart.usage(stream.answer) == ("stopped", True)


def test_answer_read_on_another_worker_outlasts_a_redis_away_beyond_the_grace_time(
    alice: Person, start_apart: "StartApart", upstream: Upstream
) -> None:
    apart, gate = start_apart(alice, workers=2, RESUME_GRACE_SECONDS="0"), wire.Gate()
    key = upstream.script([*wire.text("some "), gate, *wire.answer("text")])
    first = apart.client().chat(content=key)
    first.until_text("some ")
    (request,) = upstream.requests(key)
    with apart.client_elsewhere(first.answer).resume(first.answer) as second:
        second.until_text("some ")
        assert not request.over.wait(0.5)
        first.close()
        assert not request.over.wait(0.5)
        apart.valkey.stop()
        # Longer than the word of the other worker's reader holds.
        assert not request.over.wait(6.5)
        apart.valkey.start()
        gate.open()
        assert whole(second).text == "some text"
    assert apart.answer(first.answer) == ("complete", "some text", "")


def test_reader_on_another_worker_gets_the_exact_text_after_redis_was_emptied(
    alice: Person, start_apart: "StartApart", upstream: Upstream
) -> None:
    apart, gate, last = start_apart(alice, workers=2), wire.Gate(), wire.Gate()
    key = upstream.script(
        [*wire.text("ab"), gate, *wire.text("0123456789"), last, *wire.answer("!")]
    )
    first = apart.client().chat(content=key)
    first.until_text("ab")
    elsewhere = apart.client_elsewhere(first.answer)
    with elsewhere.resume(first.answer) as second:
        second.until_text("ab")
        apart.empty_redis()
        gate.open()
        second.until_text("9")
        assert second.text == "ab0123456789"
        last.open()
        assert whole(second).text == whole(first).text == "ab0123456789!"


async def test_text_on_its_way_from_redis_is_not_added_to_an_answer_that_ended_meanwhile() -> None:
    client, answer_id = chat_redis.async_client(), uuid4()
    store, here, elsewhere = (
        AnswerStore(client),
        LiveAnswer(answer_id, {}),
        LiveAnswer(answer_id, {}),
    )
    elsewhere.append("some text")
    pipeline = client.pipeline(transaction=False)
    store.queue_texts(pipeline, [elsewhere], verify=False)
    await pipeline.execute()
    reading = asyncio.ensure_future(store.read([here]))
    await asyncio.sleep(0)
    here.append("some text")
    here.end({})
    await reading
    await client.aclose()
    assert here.text == b"some text"


def test_emptied_redis_kills_no_living_answer(
    alice: Person, start_apart: "StartApart", upstream: Upstream
) -> None:
    apart, gate = start_apart(alice, workers=2), wire.Gate()
    key = upstream.script([*wire.text("some "), gate, *wire.answer("text")])
    with apart.client().chat(content=key) as stream:
        stream.until_text("some ")
        apart.empty_redis()
        # Longer than it takes to take a worker for lost.
        assert not upstream.requests(key)[0].over.wait(8)
        assert apart.text_in_redis(stream.answer) == b"some "
        gate.open()
        assert whole(stream).text == "some text"
    assert apart.answer(stream.answer) == ("complete", "some text", "")


def test_answers_that_end_while_redis_hangs_do_not_wait_for_each_other(
    alice: Person, start_apart: "StartApart", upstream: Upstream
) -> None:
    apart, gate = start_apart(alice), wire.Gate()
    client = apart.client()
    key = upstream.script([*wire.text("some "), gate, *wire.answer("text")])
    streams = [client.chat(content=key) for _ in range(30)]
    for stream in streams:
        stream.until_text("some ")
    apart.valkey.pause()
    paused_at = monotonic()
    gate.open()
    assert {whole(stream).text for stream in streams} == {"some text"}
    # One of them finds out that Redis does not answer, which takes half a second.
    assert monotonic() - paused_at < 10
    apart.valkey.resume()
