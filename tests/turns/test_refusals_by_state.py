"""Turns that are right but come at a wrong time: 409, 429 and 503."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from chat.models import Message, SitePolicy
from tests.harness import wire
from tests.harness.footprint import footprint
from tests.harness.raw_turn import raw_post, read
from tests.harness.refusals import assert_refused, post
from tests.harness.turns import talk
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser, StartSite
    from tests.harness.people import Person


# --- 409 ----------------------------------------------------------------------------------


def test_a_prompt_after_a_running_answer_is_409_and_costs_nothing(
    carol: "Person", upstream: Upstream
) -> None:
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
    assert_refused(
        post(carol.client, {"content": "hello", "model": "no-such-model", "turn": turn}),
        400,
        "invalid_request",
        limit="model",
    )
    assert talk(carol, turn=turn)["title"] == "hello"


def test_a_turn_is_ones_own_even_if_a_stranger_has_the_same(alice: "Person", bob: "Person") -> None:
    turn = str(uuid4())
    assert talk(alice, turn=turn)["answer"] != talk(bob, turn=turn)["answer"]


# --- 429 ----------------------------------------------------------------------------------


def test_more_readers_than_twenty_are_429_and_a_place_comes_free(
    carol: "Person", upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script([*wire.text("so"), gate, *wire.answer(" on")])
    with ExitStack() as stack:
        turn = str(uuid4())
        stream = stack.enter_context(carol.client.chat(content=key, turn=turn))
        answer = stream.answer
        stream.until_text("so")
        readers = [stack.enter_context(carol.client.resume(answer)) for _ in range(20)]
        assert {reader.status for reader in readers} == {200}
        assert_refused(
            carol.client.get(f"/api/answers/{answer}/stream"),
            429,
            "too_many_readers",
            retry_after=range(2, 3),
        )
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
        assert_refused(
            answer, 429, "rate_limited", retry_after=range(1, 86401), limit="1/d", word="1 a day"
        )
    assert (footprint(person.requester), upstream.requests(key)) == (before, [])


# --- 503 ----------------------------------------------------------------------------------


@pytest.fixture
def pause() -> Iterator[Callable[[str], None]]:
    def begin(notice: str) -> None:
        SitePolicy.objects.filter(pk=1).update(paused=True, notice=notice)

    yield begin
    SitePolicy.objects.filter(pk=1).update(paused=False, notice="")


def test_a_paused_site_takes_no_turns_and_says_the_notice(
    carol: "Person", pause: Callable[[str], None], upstream: Upstream
) -> None:
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
        assert_refused(
            post(carol.client, body),
            503,
            "paused",
            retry_after=range(1, 3600),
            word="Back at noon.",
        )
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


def test_a_worker_that_ends_takes_no_new_turns(
    start_site: "StartSite", carol: "Person", upstream: Upstream
) -> None:
    site = start_site()
    gate = wire.Gate()
    key, refused_key = (
        upstream.script([*wire.text("so"), gate, *wire.answer(" on")]),
        upstream.key(),
    )
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
