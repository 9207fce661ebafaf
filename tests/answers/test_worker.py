"""A worker's name, leases, looks at the database, and threads."""

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Collection
from time import monotonic
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
import redis

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
from chat.models import Usage
from chat.models.conversations import MessageQuerySet
from chat.models.usage import RunningRow, UsageQuerySet
from tests.harness import wire
from tests.harness.ends import whole
from tests.harness.people import Person
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import StartSite


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


async def test_worker_whose_own_lease_is_missing_takes_no_other_for_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A Redis that is full, or a replica, can be read, but forgets every lease."""
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


def threads_of(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def test_threads_do_not_grow_with_open_streams(
    alice: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    # On a busy machine the first stream is silent for long until the last is open.
    site, gate = start_site(UPSTREAM_IDLE_SECONDS="300"), wire.Gate()
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
