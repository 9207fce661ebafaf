"""One turn is one answer, paid once, however often it is sent."""

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from chat.models import Message, Usage
from tests.harness import wire
from tests.harness.answers import client_of_worker
from tests.harness.ends import whole
from tests.harness.people import Person
from tests.harness.running import Running
from tests.harness.site import Site
from tests.harness.turns import said
from tests.harness.upstream import DEFAULT_TEXT, Upstream
from tests.harness.visitor import all_at_once

if TYPE_CHECKING:
    from tests.conftest import MakeUser


@pytest.mark.parametrize("limits", [{}, {"concurrent_streams": 1}, {"requests": "1/m"}], ids=str)
def test_same_turn_at_once_is_one_answer_paid_once(
    make_user: "MakeUser", site: Site, upstream: Upstream, limits: dict[str, Any]
) -> None:
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


def test_same_turn_at_once_in_a_conversation_there_is_is_one_answer(
    alice: Person, site: Site, upstream: Upstream
) -> None:
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


def test_same_turn_on_two_workers_at_once_is_one_answer(
    alice: Person, site2: Site, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script([gate, *wire.answer("one answer")])
    clients = [client_of_worker(alice, site2, pid) for pid in site2.worker_pids() * 2]
    body = {"content": key, "turn": str(uuid4())}
    streams = all_at_once([lambda client=client: client.chat(body) for client in clients])
    assert [stream.status for stream in streams] == [200] * 4
    gate.open()
    assert {whole(stream).text for stream in streams} == {"one answer"}
    assert len(upstream.requests(key)) == 1


def test_same_turn_later_gives_the_same_answer_and_costs_nothing(
    make_user: "MakeUser", upstream: Upstream
) -> None:
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


def test_same_turn_of_another_person_is_a_turn_of_its_own(
    alice: Person, bob: Person, upstream: Upstream
) -> None:
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
