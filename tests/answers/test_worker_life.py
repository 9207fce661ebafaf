"""What becomes of answers when their worker is killed or told to stop, when their conversation is
deleted, when Redis goes.
"""

import asyncio
import os
import re
import signal
import socket
import threading
from collections.abc import AsyncIterator, Collection
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import httpx2
import pytest
import redis
from django.utils import timezone

from chat import redis_client as chat_redis
from chat import redis_keys, threads
from chat.answers import recovery
from chat.answers.answer_store import AnswerStore
from chat.answers.live_answer import LiveAnswer
from chat.answers.remote_answers import RemoteAnswers
from chat.answers.tasks import Tasks
from chat.answers.worker import Worker
from chat.answers.worker_bus import WorkerBus
from chat.limits import leases
from chat.limits.leases import Lease
from chat.models import Conversation, Message, Usage
from chat.models.conversations import MessageQuerySet
from chat.models.usage import RunningRow, UsageQuerySet
from chat.upstream.cost import Bill, RunningCost
from tests.harness import wire
from tests.harness.answers import (
    client_of_worker,
    ledger,
    message,
    other_worker,
    owner_pid,
    serving_pid,
    wait_until,
)
from tests.harness.client import Client, Stream
from tests.harness.ends import check_slot_is_free, whole
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser, StartApart, StartSite

CLAIMED_SECONDS = 15


@pytest.fixture
async def locked_threads() -> AsyncIterator[threading.Event]:
    """All threads for blocking work wait until it is set, as they do for a locked database."""
    unlocked, waiting = threading.Event(), threading.Barrier(threads.THREADS + 1)

    def wait() -> None:
        waiting.wait(5)
        unlocked.wait(20)

    work = [asyncio.ensure_future(threads.in_thread(wait)) for _ in range(threads.THREADS)]
    await asyncio.to_thread(waiting.wait, 5)
    yield unlocked
    unlocked.set()
    await asyncio.gather(*work)


async def test_workers_name_fits_the_ledger_on_a_host_with_a_long_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "h" * 64)
    here = Worker()
    await here.stop()
    longest = Usage._meta.get_field("worker").max_length
    assert longest is not None
    assert len(here.id) <= longest


async def test_readers_of_other_workers_answers_cost_one_look_at_the_database_a_second_all_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, tasks, looks = chat_redis.async_client(), Tasks(), list[int]()
    remote = RemoteAnswers(AnswerStore(client), WorkerBus(client, "here"), tasks.spawn)

    def streaming_ids(queryset: MessageQuerySet, answers: Collection[UUID]) -> set[UUID]:
        looks.append(len(answers))
        return set(answers)

    monkeypatch.setattr(MessageQuerySet, "streaming_ids", streaming_ids)
    for _ in range(10):
        remote.follow(uuid4(), {}, "another worker", ended=False)
    for _ in range(2):
        remote.close_ended(monotonic())
        await asyncio.gather(*tasks.running)
    assert looks == [10]
    await client.aclose()


# --- Killed -------------------------------------------------------------------


def test_answer_of_a_killed_worker_is_claimed_by_another(
    person: Person, start_apart: "StartApart", upstream: Upstream
) -> None:
    apart = start_apart(person, workers=2)
    key = upstream.script([*wire.text("some text"), wire.Stall()])
    stream = apart.client().chat(content=key)
    stream.until_text("some text")
    answer = stream.answer
    killed = apart.owner(answer)
    with apart.client_elsewhere(answer).resume(answer) as reader:
        reader.until_text("some text")
        apart.site.kill9(killed)
        killed_at = monotonic()
        whole(reader)
        assert monotonic() - killed_at < CLAIMED_SECONDS
    with pytest.raises(httpx2.TransportError):
        stream.read()
    assert reader.named("error")[0]["code"] == "worker_lost"
    (done,) = reader.named("done")
    assert (done["status"], done["usage"]["estimated"]) == ("interrupted", True)
    assert apart.answer(answer) == ("interrupted", "some text", "worker_lost")
    assert apart.usage(answer) == ("interrupted", True)
    apart.site.wait_for_workers(without=killed)
    check_slot_is_free(apart.client())


def test_answer_of_the_only_worker_is_claimed_when_it_is_back(
    person: Person, start_apart: "StartApart", upstream: Upstream
) -> None:
    apart = start_apart(person)
    key = upstream.script([*wire.text("some text"), wire.Stall()])
    stream = apart.client().chat(content=key)
    stream.until_text("some text")
    answer = stream.answer
    wait_until(lambda: apart.mirrored(answer) == b"some text")
    apart.site.kill9()
    killed_at = monotonic()
    apart.site.start()
    wait_until(lambda: apart.answer(answer)[0] != "streaming", CLAIMED_SECONDS)
    assert monotonic() - killed_at < CLAIMED_SECONDS
    assert apart.answer(answer) == ("interrupted", "some text", "worker_lost")
    assert apart.usage(answer) == ("interrupted", True)
    client = apart.client()
    again = whole(client.resume(answer, "5"))
    assert (again.text, again.named("error")[0]["code"], again.ended) == (
        "text",
        "worker_lost",
        True,
    )
    check_slot_is_free(client)


def test_worker_that_stood_still_closes_what_was_claimed_meanwhile(
    person: Person, start_site: "StartSite", upstream: Upstream, redis_client: redis.Redis
) -> None:
    # Of a site of its own: uvicorn kills a worker that does not answer when it has started several.
    site = start_site(UPSTREAM_IDLE_SECONDS="60")
    key = upstream.script([*wire.text("some text"), wire.Stall()])
    stream = person.client_on(site).chat(content=key)
    stream.until_text("some text")
    answer = stream.answer
    elsewhere = person.client
    # With no text in Redis yet, the claim would call it failed.
    wait_until(lambda: redis_client.get(redis_keys.answer_text(answer)) == b"some text")
    os.kill(site.process.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: message(answer).status == Message.Status.INTERRUPTED, CLAIMED_SECONDS)
    finally:
        os.kill(site.process.pid, signal.SIGCONT)
    wait_until(lambda: not upstream.running(key))
    stream.read()
    assert not stream.ended  # sent to where the saved end is told
    (done,) = whole(elsewhere.resume(answer, stream.cursor)).named("done")
    assert (done["status"], done["usage"]["estimated"]) == ("interrupted", True)
    check_slot_is_free(elsewhere)


def test_lost_answers_without_text_or_without_a_row_are_settled_too(
    make_user: "MakeUser", start_apart: "StartApart", upstream: Upstream
) -> None:
    person = make_user("alice", concurrent_streams=2)
    apart = start_apart(person)
    client = apart.client()
    key = upstream.script([wire.Stall()])
    silent = client.chat(content=key).answer
    stateless = client.chat(messages=[{"role": "user", "content": key}]).answer
    apart.site.kill9()
    apart.site.start()
    wait_until(
        lambda: apart.usage(silent)[0] != "running" and apart.usage(stateless)[0] != "running",
        CLAIMED_SECONDS,
    )
    assert apart.answer(silent) == ("failed", "", "worker_lost")
    assert (apart.usage(silent), apart.usage(stateless)) == (("failed", True), ("failed", True))
    check_slot_is_free(apart.client())


def test_answer_of_a_host_whose_clock_was_ahead_is_claimed(person: Person) -> None:
    ahead = timezone.now() + timedelta(hours=1)
    usage = Usage.objects.create(
        answer=uuid4(),
        owner_key="u:0",
        limit_key="u:0",
        model="gpt-4o-mini",
        worker="lost",
        created=ahead,
    )
    assert recovery.claim(usage.answer, "some text", RunningCost("", Bill()))
    usage.refresh_from_db()
    assert (usage.outcome, usage.duration_ms) == ("interrupted", 0)


def test_lost_answer_of_which_no_text_is_kept_is_paid_for_as_far_as_it_came(
    make_user: "MakeUser", start_apart: "StartApart", upstream: Upstream
) -> None:
    apart = start_apart(make_user(concurrent_streams=2))
    silent = upstream.script(
        [wire.role(), *[wire.chunk({"reasoning_content": "hm "})] * 300, wire.Stall()]
    )
    spoken = [
        {"role": "user", "content": upstream.script([*wire.text("word " * 200), wire.Stall()])}
    ]
    with (
        apart.client().chat(content=silent) as thinking,
        apart.client().chat(messages=spoken) as stateless,
    ):
        wait_until(
            lambda: (
                min(apart.tokens_so_far(stream.answer) for stream in (thinking, stateless)) >= 250
            )
        )
        apart.site.kill9()
    apart.site.start()
    for stream in (thinking, stateless):
        wait_until(
            lambda stream=stream: apart.usage(stream.answer) == ("failed", True), CLAIMED_SECONDS
        )
        assert apart.rows(
            "SELECT completion_tokens >= 250 FROM chat_usage WHERE answer = ?",
            UUID(stream.answer).hex,
        ) == [(1,)]


# --- Told to stop -----------------------------------------------------------------


def test_drain_lets_readers_go_and_finishes_the_answer(
    alice: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site, gate = start_site(), wire.Gate()
    key = upstream.script([*wire.text("some "), gate, *wire.answer("text")])
    stream = alice.client_on(site).chat(content=key)
    stream.until_text("some ")
    site.terminate()
    whole(stream)
    assert (stream.ended, stream.rest, stream.named("done")) == (False, b"", [])
    assert message(stream).status == "streaming"
    gate.open()
    assert site.process.wait(10) in (0, -signal.SIGTERM)
    assert (message(stream).status, message(stream).content) == ("complete", "some text")
    assert (ledger(stream).outcome, ledger(stream).estimated) == ("complete", False)
    # Whoever comes back is told the rest, by whichever worker there is now.
    again = whole(alice.client.resume(stream.answer, stream.cursor))
    assert (again.text, again.ended) == ("text", True)


def test_drain_outlasts_the_grace_time_without_a_reader(
    alice: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site, gate = start_site(RESUME_GRACE_SECONDS="0"), wire.Gate()
    key = upstream.script([*wire.text("some "), gate, *wire.answer("text")])
    stream = alice.client_on(site).chat(content=key)
    stream.until_text("some ")
    site.terminate()
    whole(stream)
    assert not upstream.requests(key)[0].over.wait(1)
    gate.open()
    site.process.wait(10)
    assert message(stream).status == "complete"


def test_answer_that_outlasts_the_drain_is_interrupted_and_saved(
    person: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site = start_site(DRAIN_SECONDS="1")
    key = upstream.script([*wire.text("some text"), wire.Stall()])
    stream = person.client_on(site).chat(content=key)
    stream.until_text("some text")
    began = monotonic()
    site.stop()
    assert 1 <= monotonic() - began < 15
    upstream.wait_for_close(upstream.requests(key)[0])
    answer = message(stream)
    assert (answer.status, answer.content, answer.error_code, answer.finish_reason) == (
        "interrupted",
        "some text",
        "worker_lost",
        "drained",
    )
    assert (ledger(stream).outcome, ledger(stream).estimated) == ("interrupted", True)
    check_slot_is_free(person.client)


def ask_statelessly(client: Client, key: str) -> Stream:
    return client.chat(messages=[{"role": "user", "content": key}])


def test_stateless_answer_is_read_to_its_end_while_the_site_drains(
    alice: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site, gate, last = start_site(), wire.Gate(), wire.Gate()
    key = upstream.script(
        [*wire.text("some "), gate, *wire.text("more "), last, *wire.answer("text")]
    )
    stream = ask_statelessly(alice.client_on(site), key)
    stream.until_text("some ")
    site.terminate()
    wait_until(lambda: "Shutting down" in site.log())
    gate.open()
    stream.until_text("more ")
    last.open()
    assert (whole(stream).text, stream.ended) == ("some more text", True)
    assert site.process.wait(10) in (0, -signal.SIGTERM)
    assert ledger(stream).outcome == "complete"


def test_stateless_answer_that_outlasts_the_drain_ends_with_a_word(
    alice: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site = start_site(DRAIN_SECONDS="3")
    key = upstream.script([*wire.text("some text"), wire.Stall()])
    stream = ask_statelessly(alice.client_on(site), key)
    stream.until_text("some text")
    site.terminate()
    whole(stream)
    assert [error["code"] for error in stream.named("error")] == ["worker_lost"]
    assert (stream.named("done")[0]["status"], stream.ended) == ("interrupted", True)
    upstream.wait_for_close(upstream.requests(key)[0])
    assert site.process.wait(10) in (0, -signal.SIGTERM)


def test_stateless_answer_whose_reader_leaves_during_the_drain_is_closed(
    alice: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site = start_site()
    key = upstream.script([*wire.text("some text"), wire.Stall()])
    stream = ask_statelessly(alice.client_on(site), key)
    stream.until_text("some text")
    site.terminate()
    wait_until(lambda: "Shutting down" in site.log())
    left_at = monotonic()
    stream.close()
    assert upstream.wait_for_close(upstream.requests(key)[0]) - left_at < 1
    assert site.process.wait(10) in (0, -signal.SIGTERM)


def read_until(connection: socket.socket, end: bytes) -> None:
    received = b""
    while not received.endswith(end):
        more = connection.recv(10_000)
        assert more, f"closed after {received!r}"
        received += more


class SlowRequest:
    """A POST /api/chat whose body the server is waiting for: its connection is open and in use
    while the worker is told to stop.
    """

    def __init__(self, client: Client, site: Site, body: str, pid: int) -> None:
        self._body = body.encode()
        self._socket = self._connection_to(pid, site)
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.http.cookies.jar)
        head = (
            f"POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nCookie:"
            f" {cookies}\r\nX-CSRFToken: {client.csrf}\r\n"
        )
        head += (
            f"Content-Type: application/json\r\nContent-Length: {len(self._body)}\r\nExpect:"
            " 100-continue\r\n\r\n"
        )
        self._socket.sendall(head.encode())
        read_until(self._socket, b" 100 Continue\r\n\r\n")  # the handler waits for the body

    @staticmethod
    def _connection_to(pid: int, site: Site) -> socket.socket:
        for _ in range(100):
            connection = socket.create_connection(("127.0.0.1", site.port), timeout=10)
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            read_until(connection, b"\r\n\r\nok\n")
            if serving_pid(site, connection.getsockname()[1]) == pid:
                return connection
            connection.close()
        raise AssertionError(f"no connection of 100 came to worker {pid}")

    def finish(self) -> str:
        """Sends the body; all that comes until the server closes the connection."""
        with self._socket:
            self._socket.sendall(self._body)
            return b"".join(iter(lambda: self._socket.recv(65536), b"")).decode()


def test_draining_worker_refuses_a_new_turn_on_a_connection_it_still_has(
    alice: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site, gate, key = start_site(), wire.Gate(), upstream.key()
    client = alice.client_on(site)
    slow = SlowRequest(client, site, f'{{"content": "{key}"}}', site.process.pid)
    running = client.chat(
        content=upstream.script([*wire.text("some "), gate, *wire.answer("text")])
    )
    running.until_text("some ")
    site.terminate()
    whole(running)  # let go: it drains
    answer = slow.finish()
    assert answer.startswith("HTTP/1.1 503")
    assert '"code": "draining"' in answer
    assert re.search(r"(?im)^retry-after: \d+", answer)
    assert upstream.requests(key) == []
    assert not Conversation.objects.filter(title=key).exists()
    gate.open()


def test_draining_worker_keeps_no_reader_of_another_workers_answer(
    alice: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site, gate = start_site(workers=2), wire.Gate()
    key = upstream.script([*wire.text("some "), gate, *wire.answer("text")])
    turn = str(uuid4())
    first = alice.client_on(site).chat(content=key, turn=turn)
    first.until_text("some ")
    drained = other_worker(site, owner_pid(first))
    slow = SlowRequest(
        alice.client_on(site), site, f'{{"content": "{key}", "turn": "{turn}"}}', drained
    )
    os.kill(drained, signal.SIGTERM)
    wait_until(lambda: "Shutting down" in site.log())
    assert "[DONE]" not in slow.finish()
    gate.open()
    assert whole(first).text == "some text"


# --- Deleted --------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_deleting_a_conversation_stops_its_answer_which_does_not_come_back(
    person: Person, site2: Site, upstream: Upstream, where: str
) -> None:
    key = upstream.script([*wire.text("some text"), wire.Stall()])
    client = person.client_on(site2)
    stream = client.chat(content=key)
    stream.until_text("some text")
    conversation, owner = stream.events[0].data["conversation"], owner_pid(stream)
    deleting = client_of_worker(
        person, site2, owner if where == "here" else other_worker(site2, owner)
    )
    answer = stream.answer
    assert deleting.post(f"/c/{conversation}/delete/").status_code in (200, 204, 302, 303)
    upstream.wait_for_close(upstream.requests(key)[0], timeout=2)
    whole(stream)
    wait_until(lambda: ledger(answer).outcome == "stopped")
    assert ledger(answer).estimated
    assert not Message.objects.filter(conversation=conversation).exists()
    assert not Conversation.objects.filter(id=conversation).exists()
    with client.resume(answer) as gone:
        assert gone.status == 404
    check_slot_is_free(client)


def test_answer_whose_conversation_vanishes_is_stopped_and_not_brought_back(
    person: Person, upstream: Upstream
) -> None:
    key = upstream.script([*wire.text("some text"), wire.Stall()])
    stream = person.client.chat(content=key)
    stream.until_text("some text")
    Conversation.objects.filter(id=stream.events[0].data["conversation"]).delete()
    upstream.wait_for_close(upstream.requests(key)[0], timeout=10)
    assert whole(stream).ended
    assert not Message.objects.filter(id=stream.answer).exists()
    assert ledger(stream).outcome == "stopped"
    check_slot_is_free(person.client)


# --- Redis ------------------------------------------------------------------------------


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
    with ask_statelessly(apart.client(), key) as stream:
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
        assert apart.mirrored(stream.answer) == b"some "
        gate.open()
        assert whole(stream).text == "some text"
    assert apart.answer(stream.answer) == ("complete", "some text", "")


async def test_worker_whose_own_lease_is_missing_takes_no_other_for_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A Redis that is full, or a replica, is read as before and forgets every lease: nobody can
    write theirs again.
    """
    here, answer, claimed = Worker(), uuid4(), []
    monkeypatch.setattr(
        UsageQuerySet, "running_rows", lambda _: [RunningRow("another worker", answer, False)]
    )
    monkeypatch.setattr(recovery, "claim", lambda answer, *left: claimed.append(answer))
    for _ in range(3):
        await here.recovery.recover()
    assert claimed == []
    await here.start()
    async with asyncio.timeout(10):
        while not claimed:
            await asyncio.sleep(0.05)
    assert claimed == [answer]
    await here.stop()


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


async def test_leases_do_not_wait_for_a_locked_database(
    redis_client: redis.Redis, locked_threads: threading.Event
) -> None:
    here, lease = Worker(), Lease(uuid4().hex, (f"readers:{uuid4()}",), 0, 0)
    await here.start()
    leases.take(redis_client, lease.subjects[0], lease, leases.Headroom())
    frames = here.with_reader_lease(LiveAnswer(uuid4(), {}).frames(0), lease)
    await anext(frames)
    await frames.aclose()
    # The lease is released although no thread is free; a lease is renewed behind that.
    async with asyncio.timeout(5):
        while leases.in_use(redis_client, lease.subjects[0]):
            await asyncio.sleep(0.02)
    redis_client.pexpire(redis_keys.worker_lease(here.id), 3000)
    async with asyncio.timeout(5):
        while redis_client.pttl(redis_keys.worker_lease(here.id)) < 3500:
            await asyncio.sleep(0.02)
    locked_threads.set()
    await here.stop()


# --- Threads ------------------------------------------------------------------------------


def threads_of(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def test_threads_do_not_grow_with_open_streams(
    alice: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site, gate = start_site(), wire.Gate()
    (pid,) = site.worker_pids()
    client = alice.client_on(site)
    whole(client.chat(content="Hello"))
    idle = threads_of(pid)
    key = upstream.script([*wire.text("some "), gate, *wire.answer("text")])
    streams = [
        (
            client.chat(content=key)
            if number % 2
            else client.chat(messages=[{"role": "user", "content": key}])
        )
        for number in range(200)
    ]
    for stream in streams:
        stream.until_text("some ")
    assert threads_of(pid) < idle + 15
    gate.open()
    assert {whole(stream).text for stream in streams} == {"some text"}
    assert upstream.running(key) == 0
