"""A model that said 429 is left alone by everybody until its Retry-After has passed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Any
from uuid import uuid4

import pytest
import redis
from pytest_django import Settings

from chat import redis_client, redis_keys
from chat.models import ChatModel
from chat.upstream import waits
from chat.upstream.client import make_client
from chat.upstream.cooldown import Cooldown
from chat.upstream.retry import Upstream
from tests.harness import wire
from tests.harness.answers import client_of_worker, other_worker, owner_pid
from tests.harness.calls import Asked, prompt, target
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream as FakeUpstream
from tests.harness.valkey import Valkey


@pytest.fixture
async def worker() -> AsyncIterator[Callable[[], Upstream]]:
    """Makes what a worker's answers share: two of them are two workers."""
    made: list[Upstream] = []
    stores = []

    def make() -> Upstream:
        stores.append(redis_client.async_client())
        made.append(Upstream(make_client(), Cooldown(stores[-1])))
        return made[-1]

    yield make
    for upstream in made:
        await upstream.client.close()
    for store in stores:
        await store.aclose()


@pytest.fixture
def patient(settings: Any) -> None:
    settings.UPSTREAM_RETRIES = 0


# --- The memory of it -------------------------------------------------------------


async def test_all_workers_know_and_the_longest_time_holds(worker: Callable[[], Upstream]) -> None:
    here, there, slug = worker().cooldown, worker().cooldown, str(uuid4())
    assert await there.remaining_seconds(slug) == 0
    await here.begin(slug, 6)
    await here.begin(slug, 0.1)
    assert 5 < await there.remaining_seconds(slug) <= 6
    await there.begin(slug, 20)
    assert 19 < await here.remaining_seconds(slug) <= 20
    assert await here.remaining_seconds(str(uuid4())) == 0


async def test_it_ends_by_itself_and_leaves_no_key(
    worker: Callable[[], Upstream], redis_client: redis.Redis
) -> None:
    here, there, slug = worker().cooldown, worker().cooldown, str(uuid4())
    before = set(redis_client.keys(redis_keys.cooldown("*")))
    await here.begin(slug, 0.5)
    (key,) = set(redis_client.keys(redis_keys.cooldown("*"))) - before
    assert 0 < redis_client.pttl(key) <= 500
    await asyncio.sleep(0.51)
    assert (await here.remaining_seconds(slug), await there.remaining_seconds(slug)) == (0, 0)
    assert not redis_client.exists(key)


async def test_another_account_is_not_meant(
    worker: Callable[[], Upstream], settings: Settings
) -> None:
    here, slug = worker().cooldown, str(uuid4())
    await here.begin(slug, 20)
    settings.OPENAI_API_KEY = "another"
    assert await worker().cooldown.remaining_seconds(slug) == 0


async def test_absurd_times_are_no_more_than_a_day(worker: Callable[[], Upstream]) -> None:
    here, slug = worker().cooldown, str(uuid4())
    await here.begin(slug, 1e12)
    assert await here.remaining_seconds(slug) <= 86_400
    assert await worker().cooldown.remaining_seconds(slug) <= 86_400


@pytest.mark.parametrize("how", ["pause", "stop"])
async def test_without_redis_the_process_remembers_by_itself(
    start_valkey: Callable[[], Valkey], settings: Any, worker: Callable[[], Upstream], how: str
) -> None:
    valkey, slug = start_valkey(), str(uuid4())
    settings.REDIS_URL = valkey.url
    here, there = worker().cooldown, worker().cooldown
    getattr(valkey, how)()
    began = monotonic()
    await here.begin(slug, 20)
    assert 17 < await here.remaining_seconds(slug) <= 20
    assert await there.remaining_seconds(slug) == 0
    for _ in range(50):
        await there.remaining_seconds(slug)
    # One attempt finds out, which takes half a second, and those right behind it do not.
    assert monotonic() - began < 12


async def test_answer_that_is_stopped_while_redis_is_silent_does_not_go_on(
    start_valkey: Callable[[], Valkey], settings: Any, worker: Callable[[], Upstream]
) -> None:
    valkey = start_valkey()
    settings.REDIS_URL = valkey.url
    valkey.pause()
    for delay in (0.0, 0.3, redis_client.SOCKET_SECONDS - 0.002, redis_client.SOCKET_SECONDS):
        here = worker().cooldown
        asking = asyncio.create_task(here.remaining_seconds("model"))
        await asyncio.sleep(delay)
        if asking.done():
            continue
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking


# --- What turns do -----------------------------------------------------------------


async def test_turns_of_other_workers_wait_and_are_told(
    worker: Callable[[], Upstream], upstream: FakeUpstream
) -> None:
    busy, next_key = target(), upstream.script(wire.answer("here"))
    key = upstream.script(wire.refused(429, retry_after="1"), wire.answer("at last"))
    first = asyncio.create_task(Asked(worker(), prompt(key), [busy]).run())
    await asyncio.to_thread(upstream.wait_for_request, key)
    elsewhere = worker()
    while not await elsewhere.cooldown.remaining_seconds(busy.slug):
        await asyncio.sleep(0.01)
    second = await Asked(elsewhere, prompt(next_key), [busy]).run()
    assert (await first).received == "at last"
    assert second.received == "here"
    (waiting,) = second.statuses
    assert (waiting["state"], waiting["attempt"], waiting["reason"]) == (
        "waiting",
        1,
        "upstream_rate_limited",
    )
    assert 0 < waiting["retry_in"] <= 1.6
    assert (
        upstream.requests(next_key)[0].received_at - upstream.requests(key)[0].received_at >= 0.99
    )


async def test_429_without_retry_after_cools_for_a_second(
    worker: Callable[[], Upstream], upstream: FakeUpstream, patient: None
) -> None:
    busy, here = target(), worker()
    asked = await Asked(here, prompt(upstream.script(wire.refused(429))), [busy]).run()
    assert asked.code == "upstream_rate_limited"
    assert 0.8 < await here.cooldown.remaining_seconds(busy.slug) <= 1


@pytest.mark.parametrize(
    "script",
    [
        wire.refused(503, retry_after="20"),
        wire.refused(408, retry_after="20"),
        wire.refused(429, code="insufficient_quota", retry_after="20"),
        [wire.Reset()],
        wire.refused(429, retry_after="0"),
    ],
    ids=["503", "408", "no credit", "reset", "no time"],
)
async def test_only_a_429_that_names_a_time_to_come_cools(
    worker: Callable[[], Upstream], upstream: FakeUpstream, patient: None, script: wire.Script
) -> None:
    busy, here = target(), worker()
    await Asked(here, prompt(upstream.script(script)), [busy]).run()
    assert await here.cooldown.remaining_seconds(busy.slug) == 0
    assert await worker().cooldown.remaining_seconds(busy.slug) == 0


async def test_wait_that_does_not_fit_fails_at_once_and_says_how_long(
    worker: Callable[[], Upstream], upstream: FakeUpstream
) -> None:
    busy, here, key = target(), worker(), upstream.script(wire.answer("never asked for"))
    await here.cooldown.begin(busy.slug, 3600)
    asked = await Asked(here, prompt(key), [busy]).run()
    assert asked.error is not None
    assert asked.code == "upstream_rate_limited"
    assert 3590 < (asked.error.retry_after or 0) <= 3600
    assert (upstream.requests(key), asked.statuses, asked.bill.cost_usd) == ([], [], 0)


async def test_model_that_stands_in_is_asked_at_once(
    worker: Callable[[], Upstream], upstream: FakeUpstream
) -> None:
    busy, second, here = target(), target(), worker()
    key = upstream.script(wire.answer("from the second"))
    await here.cooldown.begin(busy.slug, 30)
    asked = await Asked(here, prompt(key), [busy, second]).run()
    assert (asked.received, asked.states, asked.call.model) == (
        "from the second",
        ["fallback"],
        second.slug,
    )
    assert [request.body["model"] for request in upstream.requests(key)] == [second.slug]


async def test_wait_that_grows_meanwhile_is_waited_for_in_full(
    worker: Callable[[], Upstream], upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "SPREAD_SECONDS", 0.0)
    busy, here, key = target(), worker(), upstream.script(wire.answer("here"))
    await here.cooldown.begin(busy.slug, 2)
    asked = Asked(here, prompt(key), [busy])
    asking = asyncio.create_task(asked.run())
    while not asked.statuses:
        await asyncio.sleep(0.01)
    grew = monotonic()
    await worker().cooldown.begin(busy.slug, 4)
    assert (await asking).states == ["waiting", "waiting"]
    assert upstream.requests(key)[0].received_at - grew >= 3.99


def test_another_worker_of_a_site_waits_until_the_retry_after_has_passed(
    alice: Person, site2: Site, upstream: FakeUpstream
) -> None:
    model = ChatModel.objects.create(slug=f"own-{uuid4()}").slug
    key, next_key = (
        upstream.script(wire.refused(429, retry_after="2"), wire.answer("at last")),
        upstream.script(wire.answer("here")),
    )
    client = alice.client_on(site2)
    with client.chat(content=key, model=model) as stream:
        stream.until("status")
        elsewhere = client_of_worker(alice, site2, other_worker(site2, owner_pid(stream)))
        with elsewhere.chat(content=next_key, model=model) as second:
            second.read()
        stream.read()
    assert owner_pid(second) != owner_pid(stream)
    assert (stream.text, second.text) == ("at last", "here")
    assert [status["state"] for status in second.named("status")] == ["waiting"]
    assert upstream.requests(next_key)[0].received_at - upstream.requests(key)[0].received_at >= 2
