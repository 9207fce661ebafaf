"""Answers that a person stops or leaves: closed at the upstream, saved, and paid so far."""

import asyncio
import contextlib
import json
import socket
from time import monotonic, sleep
from uuid import uuid4

import pytest
import redis

from chat import redis_client as chat_redis
from chat.answers.held_leases import HeldLeases
from chat.answers.tasks import Tasks
from chat.answers.worker_bus import WorkerBus
from chat.limits.leases import Lease
from chat.models import Usage
from tests.harness import wire
from tests.harness.answers import (
    client_of_worker,
    ledger,
    message,
    other_worker,
    owner_pid,
    wait_until,
)
from tests.harness.client import Client
from tests.harness.ends import check_end, check_slot_is_free, figures, whole
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import DEFAULT_TEXT, Upstream

GRACE_SECONDS = 2  # of the common site


# --- Stopped ---------------------------------------------------------------


def test_stop_closes_the_upstream_within_a_second_and_keeps_the_text(
    steady: Client, upstream: Upstream
) -> None:
    key = upstream.script([*wire.text("some", " text"), wire.Stall()])
    with steady.chat(content=key) as stream:
        stream.until_text("some text")
        stopped_at = monotonic()
        response = steady.stop(stream.answer)
        assert (response.status_code, response.json()) == (
            200,
            {"status": "stopped", "content": "some text"},
        )
        assert message(stream).status == "stopped"
        stream.read()
    assert upstream.wait_for_close(upstream.requests(key)[0]) - stopped_at < 1
    row = check_end(stream, steady, upstream, "stopped", finish="stopped")
    assert row.estimated
    assert row.completion_tokens >= 2
    assert row.prompt_tokens >= len(key) // 4


@pytest.mark.parametrize(
    "head", [[], [wire.HEADERS, wire.role()]], ids=["no headers", "headers and a role"]
)
def test_stop_before_the_first_token(steady: Client, upstream: Upstream, head: wire.Script) -> None:
    key = upstream.script([*head, wire.Stall()])
    with steady.chat(content=key) as stream:
        stream.until("start")
        request = upstream.wait_for_request(key)
        stopped_at = monotonic()
        assert steady.stop(stream.answer).json() == {"status": "stopped", "content": ""}
        stream.read()
    assert upstream.wait_for_close(request) - stopped_at < 1
    row = check_end(stream, steady, upstream, "stopped", finish="stopped")
    assert (row.completion_tokens, row.estimated, row.first_token_ms) == (0, True, None)


def test_stop_while_waiting_to_try_again_sends_no_more(
    steady: Client, upstream: Upstream, slug: str
) -> None:
    key = upstream.script(wire.refused(429, retry_after="30"))
    with steady.chat(content=key, model=slug) as stream:
        stream.until("status")
        steady.stop(stream.answer)
        stream.read()
    row = check_end(stream, steady, upstream, "stopped", finish="stopped")
    assert figures(row) == (0, 0, False)
    assert len(upstream.requests(key)) == 1


@pytest.mark.parametrize(
    "head", [[], wire.text("some text")], ids=["before the first token", "after some text"]
)
def test_stop_from_another_worker(
    person: Person, site2: Site, upstream: Upstream, head: wire.Script
) -> None:
    key = upstream.script([*head, wire.Stall()])
    client = person.client_on(site2)
    with client.chat(content=key) as stream:
        if head:
            stream.until_text("some text")
        else:
            stream.until("start")
        request = upstream.wait_for_request(key)
        elsewhere = client_of_worker(person, site2, other_worker(site2, owner_pid(stream)))
        stopped_at = monotonic()
        assert elsewhere.stop(stream.answer).json() == {
            "status": "stopped",
            "content": "some text" if head else "",
        }
        stream.read()
    assert upstream.wait_for_close(request) - stopped_at < 1
    check_end(stream, client, upstream, "stopped", finish="stopped")


def test_stateless_answer_stopped_from_another_worker_is_told_whole(
    person: Person, site2: Site, upstream: Upstream, redis_client: redis.Redis
) -> None:
    key = upstream.script([*wire.text("some text"), wire.Stall()])
    with person.client_on(site2).chat(messages=[{"role": "user", "content": key}]) as stream:
        stream.until_text("some text")
        elsewhere = client_of_worker(person, site2, other_worker(site2, owner_pid(stream)))
        assert elsewhere.stop(stream.answer).json() == {"status": "stopped", "content": "some text"}
    # Whoever asks later is not told: nothing of it is kept.
    assert elsewhere.stop(stream.answer).json() == {"status": "stopped", "content": ""}
    assert redis_client.keys(f"*{stream.answer}*") == []


async def test_stops_of_stateless_answers_leave_connections_to_the_leases() -> None:
    client = chat_redis.async_client()
    bus, held, answer = WorkerBus(client, "worker"), HeldLeases(client, Tasks().spawn), uuid4()
    async with contextlib.AsyncExitStack() as subscriptions:
        hear = [await subscriptions.enter_async_context(bus.subscribe(answer)) for _ in range(40)]
        await held.release(Lease("a", ("nobody",), 0, 0))
        assert not held.redis_is_away
        await bus.publish_final_text(answer, b"some text")
        heard = await asyncio.gather(*(one() for one in hear))
    async with bus.subscribe(answer) as again:
        await bus.publish_final_text(answer, b"some text")
        assert await again() == "some text"
    await client.aclose()
    assert set(heard) == {"some text", ""}


def test_stopping_what_has_ended_changes_nothing(steady: Client, upstream: Upstream) -> None:
    stream = whole(steady.chat(content="Hello"))
    for _ in range(2):
        response = steady.stop(stream.answer)
        assert (response.status_code, response.json()) == (
            200,
            {"status": "complete", "content": DEFAULT_TEXT},
        )
    assert figures(ledger(stream)) == (11, 7, False)


def test_stop_from_two_tabs_at_once_is_one_end(
    person: Person, steady: Client, site: Site, upstream: Upstream
) -> None:
    key = upstream.script([*wire.text("some"), wire.Stall()])
    with steady.chat(content=key) as stream, person.client_on(site).resume(stream.answer) as second:
        second.until_text("some")
        person.client_on(site).stop(stream.answer)
        steady.stop(stream.answer)
        whole(second)
        whole(stream)
    assert second.named("done") == stream.named("done")
    check_end(stream, steady, upstream, "stopped", finish="stopped")


# --- Abandoned -------------------------------------------------------------


def test_closed_tab_ends_the_answer_after_the_grace_time(
    steady: Client, upstream: Upstream
) -> None:
    key = upstream.script([*wire.text("some text"), wire.Stall()])
    stream = steady.chat(content=key)
    stream.until_text("some text")
    left_at = monotonic()
    stream.close()
    closed_at = upstream.wait_for_close(upstream.requests(key)[0])
    assert GRACE_SECONDS <= closed_at - left_at < GRACE_SECONDS + 1
    wait_until(lambda: ledger(stream).outcome != "running")
    answer, row = message(stream), ledger(stream)
    assert (answer.status, answer.content, answer.finish_reason) == (
        "stopped",
        "some text",
        "abandoned",
    )
    assert (row.outcome, row.estimated) == ("stopped", True)
    check_slot_is_free(steady)
    again = whole(steady.resume(stream.answer))
    assert (again.text, again.named("done")[0]["status"]) == ("some text", "stopped")


def test_tab_closed_before_the_first_token_ends_the_answer_too(
    person: Person, upstream: Upstream
) -> None:
    client, key = person.client, upstream.script([wire.Stall()])
    stream = client.chat(content=key)
    stream.until("start")
    request = upstream.wait_for_request(key)
    stream.close()
    upstream.wait_for_close(request)
    wait_until(lambda: ledger(stream).outcome == "stopped")
    check_slot_is_free(client)


def send_and_leave(client: Client, site: Site, prompt: str, seconds: float) -> None:
    """Asks statelessly, and leaves after so many seconds without having read anything."""
    body = json.dumps({"messages": [{"role": "user", "content": prompt}]}).encode()
    head = (
        f"POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nX-CSRFToken:"
        f" {client.csrf}\r\nContent-Type: application/json\r\n"
    )
    head += "Cookie: " + "; ".join(
        f"{cookie.name}={cookie.value}" for cookie in client.http.cookies.jar
    )
    with socket.create_connection(("127.0.0.1", site.port)) as connection:
        connection.sendall(f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        sleep(seconds)


def test_stateless_answer_whose_reader_left_before_it_began_is_closed_within_a_second(
    alice: Person, site: Site, upstream: Upstream
) -> None:
    key = upstream.script([wire.HEADERS, wire.Stall()])
    # Some leave before the turn is known, some while it begins, some after that.
    for milliseconds in range(2, 30, 2):
        send_and_leave(alice.client, site, key, milliseconds / 1000)
    wait_until(lambda: upstream.requests(key) and not upstream.running(key))
    assert (
        max(
            upstream.wait_for_close(request) - request.received_at
            for request in upstream.requests(key)
        )
        < 1
    )
    wait_until(lambda: not Usage.objects.filter(user=alice.user, outcome="running").exists())


def test_answer_goes_on_for_a_reader_that_comes_back_in_time(
    steady: Client, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script([*wire.text("some "), gate, *wire.answer("text")])
    first = steady.chat(content=key)
    first.until_text("some ")
    first.close()
    with steady.resume(first.answer, first.cursor) as second:
        second.until("start")
        assert not upstream.requests(key)[0].over.wait(GRACE_SECONDS + 0.5)
        gate.open()
        assert whole(second).text == "text"
    assert message(first).content == "some text"
