"""Slots and reservations in Redis: all or nothing, on its own clock, and never against a ledger that was read too early."""

from collections.abc import Callable
from itertools import count

import pytest
import redis

from chat.limits import leases
from chat.limits.leases import Hold, Room
from tests.harness.visitor import all_at_once

_numbers = count(1)

Take = Callable[..., str]


@pytest.fixture
def holder() -> str:
    """Somebody whom no other test knows."""
    return f"test-slots-{next(_numbers)}"


@pytest.fixture
def take(holder: str, redis_client: redis.Redis) -> Take:
    """Takes for the holder under an id: `take("a", Room(slots=1), tokens=5)`."""

    def take(answer: str, room: Room, tokens: int = 0, micro_usd: int = 0) -> str:
        return leases.take(redis_client, holder, Hold(answer, (holder,), tokens, micro_usd), room)

    return take


def version(client: redis.Redis, holder: str, *running: Hold) -> str:
    return leases.version(client, holder, lambda: running)


def held(client: redis.Redis, holder: str) -> dict[bytes, bytes]:
    return dict(client.hgetall(f"chatsite:{{{holder}}}:held"))


def expire(client: redis.Redis, holder: str, answer: str, seconds_ago: int) -> None:
    seconds, _ = client.time()
    client.zadd(f"chatsite:{{{holder}}}:slots", {answer: (seconds - seconds_ago) * 1000})


def test_of_many_at_once_as_many_as_there_are_slots_pass(take: Take, holder: str, redis_client: redis.Redis) -> None:
    results = all_at_once([lambda number=number: take(str(number), Room(slots=3)) for number in range(20)])
    assert sorted(results) == ["ok"] * 3 + ["slots"] * 17
    assert leases.in_use(redis_client, holder) == 3


def test_of_many_at_once_as_many_as_there_is_room_for_pass(take: Take) -> None:
    results = all_at_once([lambda number=number: take(str(number), Room(tokens=35, micro_usd=1000), 10, 1) for number in range(12)])
    assert sorted(results) == ["ok"] * 3 + ["tokens held"] * 9


@pytest.mark.parametrize(
    ("room", "refusal"),
    [(Room(slots=1), "slots"), (Room(tokens=19), "tokens held"), (Room(micro_usd=29), "money held"), (Room(slots=0), "slots")],
)
def test_whoever_is_refused_takes_nothing(take: Take, holder: str, redis_client: redis.Redis, room: Room, refusal: str) -> None:
    assert take("a", Room(), 10, 15) == "ok"
    assert take("b", room, 10, 15) == refusal
    assert (leases.in_use(redis_client, holder), held(redis_client, holder)) == (1, {b"a": b"10:15:0"})


def test_room_is_used_to_the_last_token_and_a_room_of_less_than_nothing_is_none(take: Take) -> None:
    assert take("a", Room(tokens=10), 10) == "ok"
    assert take("b", Room(tokens=10), 1) == "tokens held"
    assert take("c", Room(tokens=-5), 1) == "tokens"
    assert take("d", Room(tokens=10), 0) == "ok"


def test_what_is_released_can_be_taken_again_and_releasing_twice_does_no_harm(take: Take, holder: str, redis_client: redis.Redis) -> None:
    for answer in ("a", "b"):
        assert take(answer, Room(slots=1, tokens=10), 10) == "ok"
        for _ in range(2):
            leases.release(redis_client, Hold(answer, (holder,), 10, 0))
    assert (leases.in_use(redis_client, holder), held(redis_client, holder)) == (0, {})


def test_a_ledger_that_was_read_before_an_answer_was_settled_decides_nothing(take: Take, holder: str, redis_client: redis.Redis) -> None:
    """Between the reading and the taking a reservation became use: the sum of both would miss it."""
    before = version(redis_client, holder)
    assert take("a", Room(tokens=100, version=before), 60) == "ok"
    leases.release(redis_client, Hold("a", (holder,), 60, 0))
    assert take("b", Room(tokens=100, version=before), 60) == "stale"
    assert take("b", Room(tokens=40, version=version(redis_client, holder)), 60) == "tokens"


def test_an_emptied_redis_makes_what_was_read_before_stale(take: Take, holder: str, redis_client: redis.Redis) -> None:
    before = version(redis_client, holder)
    redis_client.delete(f"chatsite:{{{holder}}}:version")
    assert take("a", Room(tokens=100, version=before), 60) == "stale"


def test_what_runs_is_set_up_again_once_and_not_over_what_there_is(take: Take, holder: str, redis_client: redis.Redis) -> None:
    assert take("a", Room(), 5, 5) == "ok"
    running = [Hold("a", (), 70, 7), Hold("b", (), 20, 2)]
    first = version(redis_client, holder, *running)
    assert held(redis_client, holder) == {b"a": b"5:5:0", b"b": b"20:2:0"}
    assert leases.in_use(redis_client, holder) == 2
    assert version(redis_client, holder, Hold("c", (), 1, 1)) == first
    assert b"c" not in held(redis_client, holder)


def test_of_two_who_set_up_at_once_one_does_and_both_know_the_same(holder: str, redis_client: redis.Redis) -> None:
    assert len(set(all_at_once([lambda: version(redis_client, holder)] * 8))) == 1


def test_a_lease_that_ran_out_frees_the_slot_and_keeps_the_reservation_until_the_answer_is_claimed(
    take: Take, holder: str, redis_client: redis.Redis
) -> None:
    """In between the answer is neither reserved nor used up otherwise, and a budget could be passed."""
    assert take("lost", Room(), 50) == "ok"
    expire(redis_client, holder, "lost", 1)
    assert leases.in_use(redis_client, holder) == 0
    assert take("b", Room(slots=1, tokens=100), 60) == "tokens held"
    assert take("b", Room(slots=1, tokens=100), 50) == "ok"


def test_a_reservation_that_nobody_claims_is_forgotten_in_the_end(take: Take, holder: str, redis_client: redis.Redis) -> None:
    assert take("lost", Room(), 50) == "ok"
    expire(redis_client, holder, "lost", 30)
    assert take("b", Room(tokens=100), 60) == "ok"
    assert set(held(redis_client, holder)) == {b"b"}


def test_a_hold_that_redis_lost_is_written_again_by_its_renewal(take: Take, holder: str, redis_client: redis.Redis) -> None:
    hold = Hold("a", (holder,), 10, 15)
    pipeline = redis_client.pipeline()
    leases.renew(pipeline, hold)
    pipeline.execute()
    assert (leases.in_use(redis_client, holder), held(redis_client, holder)) == (1, {b"a": b"10:15:0"})


def test_nothing_of_a_holder_is_kept_for_more_than_an_hour(take: Take, holder: str, redis_client: redis.Redis) -> None:
    version(redis_client, holder)
    take("a", Room(), 1, 1)
    leases.release(redis_client, Hold("b", (holder,), 0, 0))
    for key in redis_client.scan_iter(f"chatsite:{{{holder}}}:*"):
        assert 0 < redis_client.ttl(key) <= 3600


def test_a_reservation_counts_in_its_own_day_and_month(holder: str, redis_client: redis.Redis) -> None:
    def take(answer: str, day: int) -> str:
        return leases.take(redis_client, holder, Hold(answer, (holder,), 10, 10, day), Room(tokens=10, micro_usd=20))

    assert take("yesterday", 20261129) == "ok"
    assert take("today", 20261130) == "ok"
    assert take("today too", 20261130) == "money held"
    assert take("next month", 20261201) == "ok"
    assert take("next month too", 20261201) == "tokens held"
