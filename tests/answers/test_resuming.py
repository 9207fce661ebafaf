"""An answer that is read again from any place, on any worker."""

from typing import Any
from uuid import uuid4

import pytest

from tests.harness import wire
from tests.harness.answers import client_of_worker, message, other_worker, owner_pid, wait_until
from tests.harness.ends import whole
from tests.harness.people import Person
from tests.harness.running import Running
from tests.harness.site import Site
from tests.harness.sse import Decoder, text_of
from tests.harness.turns import said
from tests.harness.upstream import Upstream


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
    response = running.person.client.get(
        f"/api/answers/{first.answer}/stream?after={len('Hello, ')}"
    )
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


def test_reader_on_another_worker_keeps_the_answer_alive(
    running: Running, site2: Site, upstream: Upstream
) -> None:
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

        def a_reader_lease_is_free() -> bool:
            with running.person.client.resume(first.answer) as reader:
                return reader.status == 200

        wait_until(a_reader_lease_is_free)
        for reader in readers:
            reader.close()


def test_stranger_finds_neither_stream_nor_stop_nor_conversation(
    running: Running, bob: Person
) -> None:
    with running.begin() as stream:
        with bob.client.resume(stream.answer) as refused:
            assert (refused.status, refused.json()["error"]["code"]) == (404, "not_found")
        assert bob.client.stop(stream.answer).status_code == 404
        attempts: list[dict[str, Any]] = [{}, {"parent": stream.answer}]
        for fields in attempts:
            with bob.client.chat(
                content="Hello", conversation=stream.events[0].data["conversation"], **fields
            ) as refused:
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
