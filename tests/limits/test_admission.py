"""May this turn run?

Request limits, slots and budgets with real workers: never one more, nothing lost, nothing charged
to the refused.
"""

from time import monotonic, sleep
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import redis

from tests.harness import wire
from tests.harness.footprint import footprint, used, with_time_left
from tests.harness.refusals import assert_refused, post
from tests.harness.site import Site
from tests.harness.turns import ask, asked_at_once, finish, held_open, outcomes
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser


# --- Requests -------------------------------------------------------------------------


def test_of_sixty_turns_at_once_on_two_workers_exactly_ten_pass(
    site2: Site, make_user: "MakeUser", upstream: Upstream
) -> None:
    person = with_time_left(make_user, 25, requests="10/m")
    key = upstream.key()
    with asked_at_once(person.client_on(site2), 60, content=key) as streams:
        assert outcomes(streams) == {"passed": 10, "rate_limited": 50}
        finish(streams)
        for stream in streams:
            if stream.status == 429:
                assert_refused(
                    stream,
                    429,
                    "rate_limited",
                    retry_after=range(1, 61),
                    limit="10/m",
                    word="10 a minute",
                )
                assert stream.headers["RateLimit"].startswith('"m";r=0;t=')
    assert len(upstream.requests(key)) == 10
    after = footprint(person.requester, "10/m")
    assert (after.windows, after.slots, after.reservations, after.ledger, after.messages) == (
        [10],
        0,
        0,
        10,
        20,
    )


def test_a_changed_quota_holds_for_the_next_request_on_every_worker_and_keeps_what_is_used(
    site2: Site, make_user: "MakeUser", upstream: Upstream
) -> None:
    person = with_time_left(make_user, 40, requests="10/m")
    key = upstream.key()

    def passes(limit: str) -> int:
        person.quota.requests = limit
        person.quota.save()
        with asked_at_once(person.client_on(site2), 24, content=key) as streams:
            finish(streams)
            return outcomes(streams)["passed"]

    assert [passes(limit) for limit in ("10/m", "20/m", "5/m", "21/m", "")] == [10, 10, 0, 1, 24]
    assert len(upstream.requests(key)) == 45


def test_the_window_that_refuses_takes_nothing_from_the_others(
    site2: Site, make_user: "MakeUser", upstream: Upstream
) -> None:
    person = make_user(requests="50/h, 3/d")
    key = upstream.key()
    with asked_at_once(person.client_on(site2), 12, content=key) as streams:
        assert outcomes(streams) == {"passed": 3, "rate_limited": 9}
        finish(streams)
    assert used(person.requester, "50/h, 3/d") == [3, 3]
    assert len(upstream.requests(key)) == 3


@pytest.mark.parametrize(
    "nothing", [{"requests": "0/d"}, {"requests": "5/m, 0/d"}, {"concurrent_streams": 0}]
)
def test_a_limit_of_none_at_all_is_forbidden_and_not_a_retry_that_never_passes(
    site: Site, make_user: "MakeUser", upstream: Upstream, nothing: dict[str, Any]
) -> None:
    person = make_user(**nothing)
    key = upstream.key()
    assert_refused(post(person.client, {"content": key}), 403, "forbidden")
    assert upstream.requests(key) == []
    assert footprint(person.requester).ledger == 0


def test_stateless_turns_and_answers_given_again_are_counted_like_any_other(
    site: Site, make_user: "MakeUser"
) -> None:
    person = make_user(requests="3/d")
    start = ask(person.client).named("start")[0]
    assert ask(person.client, conversation=start["conversation"]).status == 200
    with person.client.chat({"messages": [{"role": "user", "content": "hi"}]}) as stateless:
        finish([stateless])
    again = {"conversation": start["conversation"], "regenerate": start["answer"]}
    assert_refused(
        post(person.client, again), 429, "rate_limited", retry_after=range(1, 86401), limit="3/d"
    )
    assert used(person.requester, "3/d") == [3]


def test_a_turn_that_cannot_be_written_gives_back_what_it_took(
    site: Site, make_user: "MakeUser", upstream: Upstream
) -> None:
    """The same turn comes twice at once; the one that loses the race had been admitted."""
    person = make_user(requests="10/d", concurrent_streams=2, tokens_per_day=1_000_000)
    key = upstream.key()
    with asked_at_once(person.client_on(site), 6, content=key, turn=str(uuid4())) as streams:
        assert outcomes(streams) == {"passed": 6}
        finish(streams)
    assert len({stream.answer for stream in streams}) == 1
    after = footprint(person.requester)
    assert (after.windows, after.slots, after.reservations, after.ledger, after.messages) == (
        [1],
        0,
        0,
        1,
        2,
    )
    assert len(upstream.requests(key)) == 1


# --- Slots ----------------------------------------------------------------------------


def test_three_answers_at_once_on_two_workers_and_never_one_more(
    site2: Site, make_user: "MakeUser", upstream: Upstream, gate: wire.Gate
) -> None:
    person = make_user(requests="100/d", concurrent_streams=3)
    client, key = person.client_on(site2), held_open(upstream, gate)
    with asked_at_once(client, 20, content=key) as streams:
        assert outcomes(streams) == {"passed": 3, "too_many_streams": 17}
        refusals = [stream for stream in streams if stream.status == 429]
        assert_refused(
            refusals[0],
            429,
            "too_many_streams",
            retry_after=range(2, 3),
            limit="concurrent_streams",
        )
        running = footprint(person.requester, "100/d")
        assert (running.windows, running.slots, running.reservations, running.ledger) == (
            [3],
            3,
            3,
            3,
        )
        gate.open()
        finish(streams)
    assert len(upstream.requests(key)) == 3
    after = footprint(person.requester, "100/d")
    assert (after.windows, after.slots, after.reservations) == ([3], 0, 0)
    with asked_at_once(client, 3, content="hello") as streams:
        assert outcomes(streams) == {"passed": 3}
        finish(streams)


@pytest.mark.parametrize(
    "script",
    [
        wire.answer("whole"),
        [*wire.text("cut"), wire.Cut()],
        wire.refused(400),
        wire.refused(401),
        [*wire.text("no finish reason"), wire.DONE],
    ],
    ids=["complete", "cut", "refused", "wrong key", "no finish reason"],
)
def test_a_slot_is_free_when_the_answer_has_ended_however_it_ended(
    make_user: "MakeUser", site: Site, upstream: Upstream, script: wire.Script
) -> None:
    person = make_user(concurrent_streams=1, tokens_per_day=1_000_000)
    key = upstream.script(script)
    for _ in range(2):
        assert ask(person.client, content=key).ended
        assert (footprint(person.requester).slots, footprint(person.requester).reservations) == (
            0,
            0,
        )


def test_a_slot_is_free_when_stop_has_answered(
    make_user: "MakeUser", site2: Site, upstream: Upstream, gate: wire.Gate
) -> None:
    person = make_user(concurrent_streams=1)
    client, key = person.client_on(site2), held_open(upstream, gate)
    for _ in range(4):
        with client.chat(content=key) as stream:
            assert stream.status == 200
            assert client.stop(stream.answer).status_code == 200
            assert footprint(person.requester).slots == 0


def test_a_slot_whose_lease_has_run_out_is_free(
    make_user: "MakeUser", site: Site, upstream: Upstream, redis_client: redis.Redis
) -> None:
    """What a worker that was lost leaves behind: nobody renews it and nobody gives it back."""
    person = make_user(concurrent_streams=1)
    key = f"chatsite:{{{person.requester.limit_key}}}:slots"
    assert ask(person.client).status == 200
    seconds, microseconds = redis_client.time()
    now = seconds * 1000 + microseconds // 1000
    redis_client.zadd(key, {str(uuid4()): now + 5000})
    assert_refused(
        post(person.client, {"content": "hi"}),
        429,
        "too_many_streams",
        retry_after=range(2, 3),
        limit="concurrent_streams",
    )
    members: list[Any] = redis_client.zrange(key, 0, -1)
    redis_client.zadd(key, dict.fromkeys(members, now - 1))
    assert ask(person.client).status == 200


def test_a_running_answer_keeps_its_slot_for_longer_than_a_lease(
    make_user: "MakeUser",
    site: Site,
    upstream: Upstream,
    gate: wire.Gate,
    redis_client: redis.Redis,
) -> None:
    """The worker renews it: a lease about to run out is soon a long one again."""
    person = make_user(concurrent_streams=1)
    slots = f"chatsite:{{{person.requester.limit_key}}}:slots"
    with person.client.chat(content=held_open(upstream, gate)) as stream:
        answer = stream.answer
        redis_client.zadd(slots, {answer: 1})
        deadline = monotonic() + 10
        while (redis_client.zscore(slots, answer) or 0) == 1:
            assert monotonic() < deadline, "the lease was not renewed"
            sleep(0.05)
        assert_refused(
            post(person.client, {"content": "hi"}),
            429,
            "too_many_streams",
            retry_after=range(2, 3),
            limit="concurrent_streams",
        )
