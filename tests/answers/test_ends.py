"""Every way an answer can end: told once, saved once, paid once, and nothing held afterwards."""

import asyncio
import contextlib
import itertools
import json
import socket
from decimal import Decimal
from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import redis

from chat import redis_client as chat_redis
from chat.answers.held_leases import HeldLeases
from chat.answers.tasks import Tasks
from chat.answers.worker_bus import WorkerBus
from chat.limits.leases import Lease
from chat.models import ChatModel, Usage
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
from tests.harness.footprint import footprint
from tests.harness.people import Person
from tests.harness.site import Site, free_port
from tests.harness.upstream import DEFAULT_TEXT, Upstream
from tests.harness.visitor import all_at_once

if TYPE_CHECKING:
    from tests.conftest import MakeUser, StartSite

GRACE_SECONDS = 2  # of the common site
CUTS_AT_ONCE = 8


@pytest.fixture
def steady(person: Person) -> Client:
    """On the common site, whose patience with the upstream outlasts every test."""
    return person.client


# --- Complete -----------------------------------------------------------------


def test_complete_answer_is_paid_as_the_upstream_says(client: Client, upstream: Upstream) -> None:
    model = ChatModel.objects.create(
        slug=f"priced-{uuid4()}",
        input_usd_per_million=Decimal(2),
        output_usd_per_million=Decimal(8),
    )
    key = upstream.script(wire.answer("some text", prompt=1000, completion=250))
    row = check_end(
        whole(client.chat(content=key, model=model.slug)),
        client,
        upstream,
        "complete",
        finish="stop",
    )
    assert figures(row) == (1000, 250, False)
    assert row.cost_usd == Decimal("0.004")


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_finish_reason_is_told_as_the_upstream_says_it(
    client: Client, upstream: Upstream, reason: str
) -> None:
    key = upstream.script(wire.answer("some text", reason=reason))
    check_end(whole(client.chat(content=key)), client, upstream, "complete", finish=reason)


def test_complete_answer_without_usage_is_estimated(client: Client, upstream: Upstream) -> None:
    key = upstream.script([*wire.text("some", " text"), wire.finish(), wire.DONE])
    row = check_end(whole(client.chat(content=key)), client, upstream, "complete", finish="stop")
    assert row.estimated
    assert row.completion_tokens >= 2
    assert row.prompt_tokens >= 1


def test_complete_answer_may_be_empty(client: Client, upstream: Upstream) -> None:
    row = check_end(
        whole(client.chat(content=upstream.script(wire.answer()))),
        client,
        upstream,
        "complete",
        finish="stop",
    )
    assert row.first_token_ms is None


@pytest.mark.parametrize(("prompt", "completion"), [(-5, -1), (10**30, 10**30)])
def test_absurd_usage_does_not_keep_the_answer_from_its_end(
    client: Client, upstream: Upstream, prompt: int, completion: int
) -> None:
    key = upstream.script(wire.answer("some text", prompt=prompt, completion=completion))
    check_end(whole(client.chat(content=key)), client, upstream, "complete", finish="stop")


def test_absurd_finish_reason_does_not_keep_the_answer_from_its_end(
    client: Client, upstream: Upstream
) -> None:
    stream = whole(client.chat(content=upstream.script(wire.answer("some text", reason="x" * 500))))
    check_end(stream, client, upstream, "complete", finish="x" * 40)


def test_finish_reason_that_a_database_refuses_does_not_keep_the_answer_from_its_end(
    client: Client, upstream: Upstream
) -> None:
    steps = [
        *wire.text("some text"),
        wire.chunk({}, finish_reason="st\0o\ud800p", escape=True),
        wire.usage(),
        wire.DONE,
    ]
    check_end(
        whole(client.chat(content=upstream.script(steps))),
        client,
        upstream,
        "complete",
        finish="stop",
    )


def test_answer_of_4_mb_in_one_delta_is_shown_stored_and_paid_once(
    steady: Client, upstream: Upstream
) -> None:
    text = "x" * 4_000_000
    key = upstream.script(wire.answer(text))
    stream = whole(steady.chat(content=key))
    assert stream.text == text
    assert figures(check_end(stream, steady, upstream, "complete", finish="stop")) == (11, 7, False)


def in_large_writes(steps: wire.Script) -> wire.Script:
    """Some hundred deltas a write: what is tested is their number."""
    return [wire.joined(steps[start : start + 500]) for start in range(0, len(steps), 500)]


@pytest.mark.parametrize("limit", [100_000, 16_384])
def test_answer_of_100_000_deltas_is_shown_stored_and_paid_once(
    steady: Client, upstream: Upstream, limit: int
) -> None:
    model = ChatModel.objects.create(
        slug=f"own-{uuid4()}", context_tokens=10**6, max_output_tokens=limit
    )
    key = upstream.script(
        in_large_writes(wire.answer(*itertools.repeat("x", 100_000), completion=limit))
    )
    stream = whole(steady.chat(content=key, model=model.slug))
    row = check_end(stream, steady, upstream, "complete", finish="stop")
    assert (len(stream.text), row.completion_tokens) == (100_000, limit)


def test_upstream_that_keeps_to_no_limit_is_closed_by_the_site(
    steady: Client, upstream: Upstream
) -> None:
    model = ChatModel.objects.create(slug=f"own-{uuid4()}", max_output_tokens=1000)
    key = upstream.script(in_large_writes(wire.answer(*itertools.repeat("word ", 100_000))))
    stream = whole(steady.chat(content=key, model=model.slug))
    row = check_end(stream, steady, upstream, "complete", finish="length")
    assert 1000 < row.completion_tokens < 10_000
    assert row.estimated
    upstream.wait_for_close(upstream.requests(key)[0])


# --- Stopped --------------------------------------------------------------------


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


# --- Abandoned --------------------------------------------------------------------


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
    # Some leave before the turn is known, some while it begins, some behind that: nobody can tell
    # which.
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


# --- Interrupted --------------------------------------------------------------------

BREAKS: dict[str, tuple[list[Any], str]] = {
    "reset": ([wire.Reset()], "upstream_cut"),
    "cut": ([wire.Cut()], "upstream_cut"),
    "no finish reason": ([], "upstream_cut"),
    "broken chunk": ([b'data: {"choices": [\n\n', wire.Stall()], "upstream_cut"),
    "chunk that is no chunk": ([b'data: "oops"\n\n', wire.Stall()], "upstream_cut"),
    "error object": ([wire.frame(wire.error("Sorry.")), wire.Stall()], "upstream_unavailable"),
    "rate limit inside": (
        [wire.frame(wire.error("Slow down.", code="rate_limit_exceeded")), wire.Stall()],
        "upstream_rate_limited",
    ),
    "silence": ([wire.Stall()], "upstream_timeout"),
    "comments only": ([wire.comment(), wire.Stall()], "upstream_timeout"),
}


@pytest.mark.parametrize(("steps", "code"), BREAKS.values(), ids=BREAKS)
def test_answer_that_breaks_off_is_interrupted_and_keeps_its_text(
    client: Client, upstream: Upstream, steps: wire.Script, code: str
) -> None:
    key = upstream.script(
        [wire.role(), *wire.text("some", " text"), *steps], wire.answer("never asked for")
    )
    stream = whole(client.chat(content=key))
    assert stream.text == "some text"
    row = check_end(stream, client, upstream, "interrupted", code)
    assert len(upstream.requests(key)) == 1
    if "usage" not in str(steps):
        assert row.estimated
        assert row.completion_tokens >= 2


def test_cut_at_every_byte_of_a_short_answer_keeps_what_came_before(
    make_user: "MakeUser", start_site: "StartSite", upstream: Upstream
) -> None:
    site, person = start_site(UPSTREAM_RETRIES="0"), make_user("alice")
    frames = [wire.frame({"choices": [{"delta": {"content": text}}]}) for text in ("Hé", "🙂")]
    frames += [wire.frame({"choices": [{"delta": {}, "finish_reason": "stop"}]}), wire.DONE]
    sent = wire.joined(frames)
    ends = [len(wire.joined(frames[: number + 1])) for number in range(3)]
    clients = [person.client_on(site) for _ in range(CUTS_AT_ONCE)]

    def check(client: Client, places: range) -> None:
        for place in places:
            key = upstream.script([wire.HEADERS, sent[:place], wire.Cut()])
            stream = whole(client.chat(content=f"Cut at a byte: {key}"))
            # Until a blank line has come its event has not. A finish reason says that nothing is
            # missing.
            assert stream.text == (
                "Hé🙂" if place >= ends[1] else "Hé" if place >= ends[0] else ""
            ), place
            expected = (
                "complete" if place >= ends[2] else "interrupted" if stream.text else "failed"
            )
            (done,) = stream.named("done")
            assert (done["status"], message(stream).status, ledger(stream).outcome) == (
                expected,
            ) * 3, place
            assert message(stream).content == stream.text

    all_at_once(
        [
            partial(check, client, range(first, len(sent), CUTS_AT_ONCE))
            for first, client in enumerate(clients)
        ]
    )
    left = footprint(person.requester)
    assert (left.slots, left.reservations, left.ledger) == (0, 0, len(sent))
    wait_until(lambda: upstream.running("Cut at a byte") == 0)


def test_half_a_surrogate_pair_at_the_break_is_replaced(client: Client, upstream: Upstream) -> None:
    key = upstream.script([*wire.text("a\ud83d", escape=True), wire.finish(), wire.DONE])
    stream = whole(client.chat(content=key))
    assert stream.text == "a\ufffd"
    check_end(stream, client, upstream, "complete", finish="stop")


# --- Failed ---------------------------------------------------------------------------


def test_server_that_is_not_there_fails_after_the_last_try(
    person: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    client = person.client_on(
        start_site(OPENAI_BASE_URL=f"http://127.0.0.1:{free_port()}/v1", UPSTREAM_RETRIES="1")
    )
    for _ in range(2):  # the slot of the first is free
        with client.chat(content="Hello") as stream:
            assert stream.status == 200
            whole(stream)
        assert [status["state"] for status in stream.named("status")] == ["retrying"]
        assert stream.named("error")[0]["code"] == "upstream_unavailable"
        assert (message(stream).status, message(stream).error_code) == (
            "failed",
            "upstream_unavailable",
        )
        assert figures(ledger(stream)) == (0, 0, False)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_trouble_that_may_pass_is_tried_again_and_then_fails(
    client: Client, upstream: Upstream, slug: str, status: int
) -> None:
    key = upstream.script(wire.refused(status))
    code = "upstream_rate_limited" if status == 429 else "upstream_unavailable"
    stream = whole(client.chat(content=key, model=slug))
    row = check_end(stream, client, upstream, "failed", code)
    assert (figures(row), row.cost_usd) == ((0, 0, False), 0)
    assert len(upstream.requests(key)) == 2
    (retrying,) = stream.named("status")
    assert (retrying["state"], retrying["attempt"], retrying["reason"], retrying["model"]) == (
        "retrying",
        2,
        code,
        slug,
    )
    assert 0.5 <= retrying["retry_in"] <= 1


REJECTIONS = {
    "400": wire.refused(400),
    "401": wire.refused(401),
    "403": wire.refused(403),
    "404": wire.refused(404),
    "too long": wire.refused(400, code="context_length_exceeded"),
    "filtered": wire.refused(400, code="content_filter"),
    "no credit": wire.refused(429, code="insufficient_quota", retry_after="1"),
    "inside the stream": [wire.frame(wire.error("Bad.", kind="invalid_request_error"))],
}


@pytest.mark.parametrize("script", REJECTIONS.values(), ids=REJECTIONS)
def test_rejection_is_not_tried_again(
    client: Client, upstream: Upstream, script: wire.Script
) -> None:
    key = upstream.script(script, wire.answer("never asked for"))
    stream = whole(client.chat(content=key))
    check_end(stream, client, upstream, "failed", "upstream_rejected")
    assert len(upstream.requests(key)) == 1
    # Who comes later is told the same.
    again = whole(client.resume(stream.answer))
    assert (again.named("error"), again.named("done")) == (
        stream.named("error"),
        stream.named("done"),
    )


def test_upstreams_own_words_are_not_shown(client: Client, upstream: Upstream) -> None:
    key = upstream.script([wire.Http(401, wire.error("Incorrect API key provided: sk-secret"))])
    assert "sk-secret" not in str(whole(client.chat(content=key)).events)


def test_answer_that_is_a_page_fails(client: Client, upstream: Upstream) -> None:
    page = wire.Http(200, b"<html>Welcome to the hotel</html>", {"content-type": "text/html"})
    check_end(
        whole(client.chat(content=upstream.script([page]))),
        client,
        upstream,
        "failed",
        "upstream_unavailable",
    )


@pytest.mark.parametrize(
    "head",
    [[], [wire.HEADERS], [wire.HEADERS, wire.role(), wire.comment()]],
    ids=["nothing", "headers", "a role"],
)
def test_silence_before_the_first_token_is_a_timeout(
    client: Client, upstream: Upstream, head: wire.Script
) -> None:
    key = upstream.script([*head, wire.Stall()])
    began = monotonic()
    stream = whole(client.chat(content=key))
    assert monotonic() - began >= 1
    row = check_end(stream, client, upstream, "failed", "upstream_timeout")
    assert row.estimated
    assert len(upstream.requests(key)) == 1


@pytest.mark.parametrize(
    "steps", [[wire.HEADERS], [wire.role(), wire.DONE]], ids=["nothing", "a role"]
)
def test_stream_that_ends_before_any_text_fails(
    client: Client, upstream: Upstream, steps: wire.Script
) -> None:
    check_end(
        whole(client.chat(content=upstream.script(steps))),
        client,
        upstream,
        "failed",
        "upstream_cut",
    )
