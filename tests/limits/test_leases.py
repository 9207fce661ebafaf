"""Slots and reservations in Redis: all or nothing, on its clock, and by a current ledger."""

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
import redis

from chat.limits import leases
from chat.limits.leases import Headroom, Lease
from tests.harness.visitor import all_at_once

_numbers = count(1)

Take = Callable[..., str]


@pytest.fixture
def subject() -> str:
    """Somebody whom no other test knows."""
    return f"test-slots-{next(_numbers)}"


@pytest.fixture
def take(subject: str, redis_client: redis.Redis) -> Take:
    """Takes for the subject under an id: `take("a", Headroom(slots=1), tokens=5)`."""

    def take(answer: str, headroom: Headroom, tokens: int = 0, micro_usd: int = 0) -> str:
        return leases.take(
            redis_client, subject, Lease(answer, (subject,), tokens, micro_usd), headroom
        )

    return take


def version(client: redis.Redis, subject: str, *running: Lease) -> str:
    return leases.version(client, subject, lambda: running)


def reserved(client: redis.Redis, subject: str) -> dict[bytes, bytes]:
    reserved: Any = client.hgetall(f"chatsite:{{{subject}}}:reserved")
    return dict(reserved)


def expire(client: redis.Redis, subject: str, answer: str, seconds_ago: int) -> None:
    seconds, _ = client.time()
    client.zadd(f"chatsite:{{{subject}}}:slots", {answer: (seconds - seconds_ago) * 1000})


def test_of_many_at_once_as_many_as_there_are_slots_pass(
    take: Take, subject: str, redis_client: redis.Redis
) -> None:
    results = all_at_once(
        [lambda number=number: take(str(number), Headroom(slots=3)) for number in range(20)]
    )
    assert sorted(results) == ["ok"] * 3 + ["slots"] * 17
    assert leases.in_use(redis_client, subject) == 3


def test_of_many_at_once_as_many_as_there_is_room_for_pass(take: Take) -> None:
    results = all_at_once(
        [
            lambda number=number: take(str(number), Headroom(tokens=35, micro_usd=1000), 10, 1)
            for number in range(12)
        ]
    )
    assert sorted(results) == ["ok"] * 3 + ["tokens reserved"] * 9


@pytest.mark.parametrize(
    ("headroom", "refusal"),
    [
        (Headroom(slots=1), "slots"),
        (Headroom(tokens=19), "tokens reserved"),
        (Headroom(micro_usd=29), "money reserved"),
        (Headroom(slots=0), "slots"),
    ],
)
def test_whoever_is_refused_takes_nothing(
    take: Take, subject: str, redis_client: redis.Redis, headroom: Headroom, refusal: str
) -> None:
    assert take("a", Headroom(), 10, 15) == "ok"
    assert take("b", headroom, 10, 15) == refusal
    assert (leases.in_use(redis_client, subject), reserved(redis_client, subject)) == (
        1,
        {b"a": b"10:15:0"},
    )


def test_room_is_used_to_the_last_token_and_a_room_of_less_than_nothing_is_none(take: Take) -> None:
    assert take("a", Headroom(tokens=10), 10) == "ok"
    assert take("b", Headroom(tokens=10), 1) == "tokens reserved"
    assert take("c", Headroom(tokens=-5), 1) == "tokens"
    assert take("d", Headroom(tokens=10), 0) == "ok"


def test_what_is_released_can_be_taken_again_and_releasing_twice_does_no_harm(
    take: Take, subject: str, redis_client: redis.Redis
) -> None:
    for answer in ("a", "b"):
        assert take(answer, Headroom(slots=1, tokens=10), 10) == "ok"
        for _ in range(2):
            leases.release(redis_client, Lease(answer, (subject,), 10, 0))
    assert (leases.in_use(redis_client, subject), reserved(redis_client, subject)) == (0, {})


def test_a_ledger_that_was_read_before_an_answer_was_settled_decides_nothing(
    take: Take, subject: str, redis_client: redis.Redis
) -> None:
    """A reservation became use between the reading and the taking: their sum would miss it."""
    before = version(redis_client, subject)
    assert take("a", Headroom(tokens=100, version=before), 60) == "ok"
    leases.release(redis_client, Lease("a", (subject,), 60, 0))
    assert take("b", Headroom(tokens=100, version=before), 60) == "stale"
    assert take("b", Headroom(tokens=40, version=version(redis_client, subject)), 60) == "tokens"


def test_an_emptied_redis_makes_what_was_read_before_stale(
    take: Take, subject: str, redis_client: redis.Redis
) -> None:
    before = version(redis_client, subject)
    redis_client.delete(f"chatsite:{{{subject}}}:version")
    assert take("a", Headroom(tokens=100, version=before), 60) == "stale"


def test_what_runs_is_set_up_again_once_and_not_over_what_there_is(
    take: Take, subject: str, redis_client: redis.Redis
) -> None:
    assert take("a", Headroom(), 5, 5) == "ok"
    running = [Lease("a", (), 70, 7), Lease("b", (), 20, 2)]
    first = version(redis_client, subject, *running)
    assert reserved(redis_client, subject) == {b"a": b"5:5:0", b"b": b"20:2:0"}
    assert leases.in_use(redis_client, subject) == 2
    assert version(redis_client, subject, Lease("c", (), 1, 1)) == first
    assert b"c" not in reserved(redis_client, subject)


def test_of_two_who_set_up_at_once_one_does_and_both_know_the_same(
    subject: str, redis_client: redis.Redis
) -> None:
    assert len(set(all_at_once([lambda: version(redis_client, subject)] * 8))) == 1


def test_a_lease_that_ran_out_frees_the_slot_and_keeps_the_reservation_until_the_claim(
    take: Take, subject: str, redis_client: redis.Redis
) -> None:
    """Until then the answer is not used up yet; unreserved, it would let a budget be passed."""
    assert take("lost", Headroom(), 50) == "ok"
    expire(redis_client, subject, "lost", 1)
    assert leases.in_use(redis_client, subject) == 0
    assert take("b", Headroom(slots=1, tokens=100), 60) == "tokens reserved"
    assert take("b", Headroom(slots=1, tokens=100), 50) == "ok"


def test_a_reservation_that_nobody_claims_is_forgotten_in_the_end(
    take: Take, subject: str, redis_client: redis.Redis
) -> None:
    assert take("lost", Headroom(), 50) == "ok"
    expire(redis_client, subject, "lost", 30)
    assert take("b", Headroom(tokens=100), 60) == "ok"
    assert set(reserved(redis_client, subject)) == {b"b"}


def test_a_lease_that_redis_lost_is_written_again_by_its_renewal(
    take: Take, subject: str, redis_client: redis.Redis
) -> None:
    lease = Lease("a", (subject,), 10, 15)
    pipeline: Any = redis_client.pipeline()
    leases.renew(pipeline, lease)
    pipeline.execute()
    assert (leases.in_use(redis_client, subject), reserved(redis_client, subject)) == (
        1,
        {b"a": b"10:15:0"},
    )


def test_nothing_of_a_subject_is_kept_for_more_than_an_hour(
    take: Take, subject: str, redis_client: redis.Redis
) -> None:
    version(redis_client, subject)
    take("a", Headroom(), 1, 1)
    leases.release(redis_client, Lease("b", (subject,), 0, 0))
    for key in redis_client.scan_iter(f"chatsite:{{{subject}}}:*"):
        assert 0 < redis_client.ttl(key) <= 3600


def test_a_reservation_counts_in_its_own_day_and_month(
    subject: str, redis_client: redis.Redis
) -> None:
    def take(answer: str, day: int) -> str:
        return leases.take(
            redis_client,
            subject,
            Lease(answer, (subject,), 10, 10, day),
            Headroom(tokens=10, micro_usd=20),
        )

    assert take("yesterday", 20261129) == "ok"
    assert take("today", 20261130) == "ok"
    assert take("today too", 20261130) == "money reserved"
    assert take("next month", 20261201) == "ok"
    assert take("next month too", 20261201) == "tokens reserved"
