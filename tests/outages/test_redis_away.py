"""Redis emptied, ended or hanging: what was used counts, and clients are told within 2 s."""

from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import redis

from chat.models import ChatModel, Usage
from tests.harness import wire
from tests.harness.answers import wait_until
from tests.harness.client import Client, Stream
from tests.harness.refusals import assert_refused, post
from tests.harness.turns import ask, asked_at_once, bound, finish, held_open, outcomes
from tests.harness.upstream import Upstream
from tests.harness.valkey import Valkey
from tests.harness.visitor import all_at_once

if TYPE_CHECKING:
    from tests.conftest import MakeUser, StartSite

RECOVER_SECONDS = 5
REFUSE_SECONDS = 2


@pytest.fixture
def valkey(start_valkey: Callable[[], Valkey]) -> Valkey:
    """Yields a server that only the site of the test uses."""
    return start_valkey()


def empty(valkey: Valkey) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()


# --- Emptied ---------------------------------------------------------------------


def test_what_the_ledger_has_still_counts_when_redis_was_emptied(
    start_site: "StartSite",
    valkey: Valkey,
    make_user: "MakeUser",
    small_model: ChatModel,
    upstream: Upstream,
) -> None:
    key = upstream.script(wire.answer("dear", prompt=900, completion=900))
    person = make_user(requests="100/d", tokens_per_day=1800 + bound(key) - 1, models=[small_model])
    client = person.client_on(start_site(workers=2, REDIS_URL=valkey.url))
    assert ask(client, content=key).status == 200
    empty(valkey)
    assert ask(client, content=key).json()["error"]["code"] == "tokens_exhausted"


def test_reservations_of_running_answers_still_count_when_redis_was_emptied(
    start_site: "StartSite",
    valkey: Valkey,
    make_user: "MakeUser",
    small_model: ChatModel,
    upstream: Upstream,
    gate: wire.Gate,
) -> None:
    """Counts them from the ledger at once, before the next renewal has come."""
    key = held_open(upstream, gate)
    person = make_user(tokens_per_day=3 * bound(key) - 1, models=[small_model])
    client = person.client_on(start_site(workers=2, REDIS_URL=valkey.url))
    with asked_at_once(client, 1, content=key) as first:
        empty(valkey)
        with asked_at_once(client, 8, content=key) as second:
            assert outcomes([*first, *second]) == {"passed": 2, "tokens_exhausted": 7}
            gate.open()
            finish([*first, *second])
    assert ask(client).status == 200


def test_slots_of_running_answers_are_still_taken_when_redis_was_emptied(
    start_site: "StartSite",
    valkey: Valkey,
    make_user: "MakeUser",
    upstream: Upstream,
    gate: wire.Gate,
) -> None:
    key = held_open(upstream, gate)
    person = make_user(concurrent_streams=2)
    client = person.client_on(start_site(workers=2, REDIS_URL=valkey.url))
    with asked_at_once(client, 2, content=key) as streams:
        empty(valkey)
        assert ask(client).json()["error"]["code"] == "too_many_streams"
        empty(valkey)
        # An end in an emptied Redis frees one slot and does not hide the other.
        assert client.stop(streams[0].answer).status_code == 200
        with asked_at_once(client, 4, content=key) as more:
            assert outcomes(more) == {"passed": 1, "too_many_streams": 3}
            gate.open()
            finish([streams[1], *more])


def test_an_emptied_redis_in_the_middle_of_many_turns_breaks_none_of_them(
    start_site: "StartSite", valkey: Valkey, make_user: "MakeUser", upstream: Upstream
) -> None:
    person = make_user(requests="1000/d", concurrent_streams=50)
    client = person.client_on(start_site(workers=2, REDIS_URL=valkey.url))

    def turns() -> set[int]:
        return {ask(client).status for _ in range(6)}

    def empties() -> set[int]:
        for _ in range(30):
            empty(valkey)
            sleep(0.01)
        return set()

    statuses = set[int]().union(*all_at_once([turns, turns, turns, empties]))
    # Between two commands of one count Redis may lose the counter; that is said, and nothing is
    # started.
    assert statuses <= {200, 503}
    assert 200 in statuses
    assert ask(client).status == 200
    assert not Usage.objects.filter(user=person.user, outcome="running").exists()


# --- Away ------------------------------------------------------------------------


def refused_in_time(client: Client) -> None:
    """Sends one turn, and holds that it is refused with 503 within two seconds."""
    begin = monotonic()
    answer = post(client, {"content": "hi", "turn": str(uuid4())})
    assert monotonic() - begin < REFUSE_SECONDS
    assert_refused(answer, 503, "limits_unavailable", retry_after=range(1, 5))


def passes_again(client: Client) -> None:
    deadline = monotonic() + RECOVER_SECONDS
    while ask(client).status != 200:
        assert monotonic() < deadline, "the limits did not come back"
        sleep(0.1)


@pytest.fixture(params=["ended", "hanging"])
def take_away(
    request: pytest.FixtureRequest, valkey: Valkey
) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    """Yields what takes Redis away, ended or hanging, and what brings it back."""
    yield (valkey.stop, valkey.start) if request.param == "ended" else (valkey.pause, valkey.resume)
    if valkey.running:
        valkey.resume()


def test_without_redis_a_turn_is_refused_in_time_and_passes_again_when_it_is_back(
    start_site: "StartSite",
    valkey: Valkey,
    make_user: "MakeUser",
    upstream: Upstream,
    take_away: tuple[Callable[[], None], Callable[[], None]],
) -> None:
    leave, come_back = take_away
    person = make_user(requests="100/d", concurrent_streams=3)
    site = start_site(REDIS_URL=valkey.url)
    client = person.client_on(site)
    assert ask(client).status == 200
    leave()
    before = len(upstream.requests())
    refused_in_time(client)
    all_at_once([lambda: refused_in_time(client)] * 20)
    assert len(upstream.requests()) == before
    assert Usage.objects.filter(user=person.user).count() == 1
    come_back()
    passes_again(client)
    assert "Traceback" not in site.log()


def test_a_redis_that_is_full_is_one_that_is_away(
    start_site: "StartSite", valkey: Valkey, make_user: "MakeUser"
) -> None:
    person = make_user(requests="100/d")
    site = start_site(REDIS_URL=valkey.url)
    client = person.client_on(site)
    with redis.Redis.from_url(valkey.url) as there:
        there.config_set("maxmemory", "1")
        refused_in_time(client)
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["redis"]) == (503, "unavailable")
        there.config_set("maxmemory", "0")
    passes_again(client)
    assert "Traceback" not in site.log()


def test_without_redis_nothing_of_the_site_breaks(
    start_site: "StartSite",
    valkey: Valkey,
    make_user: "MakeUser",
    take_away: tuple[Callable[[], None], Callable[[], None]],
) -> None:
    leave, _ = take_away
    person = make_user(requests="100/d", concurrent_streams=3, tokens_per_day=1_000_000)
    site = start_site(REDIS_URL=valkey.url)
    client = person.client_on(site)
    stream = ask(client)
    leave()
    begin = monotonic()
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    limits = client.get("/api/limits")
    assert (limits.status_code, limits.json()["requests"]) == (200, None)
    with client.resume(stream.answer) as again:
        finish([again])
        assert again.text == stream.text
    assert client.stop(stream.answer).status_code == 200
    conversation = f"/c/{stream.named('start')[0]['conversation']}/"
    paths = (
        "/usage/",
        "/",
        conversation,
        f"{conversation}export.json",
        f"{conversation}export.md",
        "/search/?q=cat",
    )
    for path in paths:
        assert client.get(path).status_code == 200
    assert monotonic() - begin < REFUSE_SECONDS * len(paths)
    assert "Traceback" not in site.log()


def test_an_answer_that_runs_while_redis_goes_ends_and_is_paid_once(
    start_site: "StartSite",
    valkey: Valkey,
    make_user: "MakeUser",
    upstream: Upstream,
    gate: wire.Gate,
) -> None:
    key = held_open(upstream, gate)
    person = make_user(requests="100/d", concurrent_streams=1, tokens_per_day=100_000)
    client = person.client_on(start_site(REDIS_URL=valkey.url))
    with client.chat(content=key) as stream:
        stream.until_text("so")
        valkey.stop()
        gate.open()
        finish([stream])
        assert stream.text == "so on"
    assert [row.outcome for row in Usage.objects.filter(user=person.user)] == ["complete"]
    valkey.start()
    passes_again(client)


def test_what_an_answer_held_that_ended_while_redis_hung_is_free_as_soon_as_it_is_back(
    start_site: "StartSite",
    valkey: Valkey,
    make_user: "MakeUser",
    upstream: Upstream,
    gate: wire.Gate,
) -> None:
    key = held_open(upstream, gate)
    person = make_user(concurrent_streams=1, tokens_per_day=100_000)
    client = person.client_on(start_site(REDIS_URL=valkey.url))
    subject = f"chatsite:{{{person.requester.limit_key}}}"
    with redis.Redis.from_url(valkey.url) as there, client.chat(content=key) as stream:
        stream.until_text("so")
        assert there.zcard(f"{subject}:slots") == 1
        valkey.pause()
        refused_in_time(client)  # for a moment after this Redis is not even asked
        gate.open()
        finish([stream])
        valkey.resume()
        # Long before the lease runs out, which is 12 s.
        wait_until(
            lambda: there.zcard(f"{subject}:slots") == there.hlen(f"{subject}:reserved") == 0, 5
        )


# --- Away, and allowed -------------------------------------------------------------


def test_where_it_is_allowed_turns_pass_without_redis(
    start_site: "StartSite",
    valkey: Valkey,
    make_user: "MakeUser",
    take_away: tuple[Callable[[], None], Callable[[], None]],
) -> None:
    leave, come_back = take_away
    person = make_user(requests="2/d", concurrent_streams=1)
    client = person.client_on(start_site(REDIS_URL=valkey.url, LIMITS_WHEN_REDIS_DOWN="allow"))
    leave()
    for _ in range(4):
        begin = monotonic()
        with client.chat(content="hello", turn=str(uuid4())) as stream:
            assert stream.status == 200
            assert monotonic() - begin < REFUSE_SECONDS
            finish([stream])
    come_back()
    passes_again(client)
    assert Usage.objects.filter(user=person.user, outcome="complete").count() == 5


def test_where_it_is_allowed_the_budgets_of_the_ledger_hold_for_many_at_once(
    start_site: "StartSite",
    valkey: Valkey,
    make_user: "MakeUser",
    small_model: ChatModel,
    upstream: Upstream,
    gate: wire.Gate,
) -> None:
    key = held_open(upstream, gate)
    person = make_user(tokens_per_day=3 * bound(key) - 1, models=[small_model])
    client = person.client_on(
        start_site(workers=2, REDIS_URL=valkey.url, LIMITS_WHEN_REDIS_DOWN="allow")
    )
    valkey.stop()
    with asked_at_once(client, 10, content=key) as streams:
        assert outcomes(streams) == {"passed": 2, "tokens_exhausted": 8}
        # What runs without Redis is in Redis as soon as that is back.
        valkey.start()
        refused: Stream = ask(client, content=key)
        assert refused.json()["error"]["code"] == "tokens_exhausted"
        gate.open()
        finish(streams)
    assert len(upstream.requests(key)) == 2
    passes_again(client)
