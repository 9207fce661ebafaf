"""May this turn run? Request limits, slots and budgets with real workers: never one more, nothing lost, nothing charged to the refused."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import redis
from django.utils import timezone

from chat.limits import budgets
from chat.models import ChatModel, Message, Usage
from tests.harness import wire
from tests.harness.footprint import footprint, used, with_time_left
from tests.harness.refusals import assert_refused, post
from tests.harness.site import Site
from tests.harness.turns import ask, asked_at_once, bound, finish, held_open, outcomes
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser, StartSite

SETTLED = 18  # what the fake upstream's usage adds up to


# --- Requests -------------------------------------------------------------------------


def test_of_sixty_turns_at_once_on_two_workers_exactly_ten_pass(site2: Site, make_user: "MakeUser", upstream: Upstream) -> None:
    person = with_time_left(make_user, 25, requests="10/m")
    key = upstream.key()
    with asked_at_once(person.client_on(site2), 60, content=key) as streams:
        assert outcomes(streams) == {"passed": 10, "rate_limited": 50}
        finish(streams)
        for stream in streams:
            if stream.status == 429:
                assert_refused(stream, 429, "rate_limited", retry_after=range(1, 61), limit="10/m", word="10 a minute")
                assert stream.headers["RateLimit"].startswith('"m";r=0;t=')
    assert len(upstream.requests(key)) == 10
    after = footprint(person.requester, "10/m")
    assert (after.windows, after.slots, after.reservations, after.ledger, after.messages) == ([10], 0, 0, 10, 20)


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


def test_the_window_that_refuses_takes_nothing_from_the_others(site2: Site, make_user: "MakeUser", upstream: Upstream) -> None:
    person = make_user(requests="50/h, 3/d")
    key = upstream.key()
    with asked_at_once(person.client_on(site2), 12, content=key) as streams:
        assert outcomes(streams) == {"passed": 3, "rate_limited": 9}
        finish(streams)
    assert used(person.requester, "50/h, 3/d") == [3, 3]
    assert len(upstream.requests(key)) == 3


@pytest.mark.parametrize("nothing", [{"requests": "0/d"}, {"requests": "5/m, 0/d"}, {"concurrent_streams": 0}])
def test_a_limit_of_none_at_all_is_forbidden_and_not_a_retry_that_never_passes(
    site: Site, make_user: "MakeUser", upstream: Upstream, nothing: dict[str, Any]
) -> None:
    person = make_user(**nothing)
    key = upstream.key()
    assert_refused(post(person.client, {"content": key}), 403, "forbidden")
    assert upstream.requests(key) == []
    assert footprint(person.requester).ledger == 0


def test_stateless_turns_and_answers_given_again_are_counted_like_any_other(site: Site, make_user: "MakeUser") -> None:
    person = make_user(requests="3/d")
    start = ask(person.client).named("start")[0]
    assert ask(person.client, conversation=start["conversation"]).status == 200
    with person.client.chat({"messages": [{"role": "user", "content": "hi"}]}) as stateless:
        finish([stateless])
    again = {"conversation": start["conversation"], "regenerate": start["answer"]}
    assert_refused(post(person.client, again), 429, "rate_limited", retry_after=range(1, 86401), limit="3/d")
    assert used(person.requester, "3/d") == [3]


def test_a_turn_that_cannot_be_written_gives_back_what_it_took(site: Site, make_user: "MakeUser", upstream: Upstream) -> None:
    """The same turn comes twice at once; the one that loses the race had been admitted."""
    person = make_user(requests="10/d", concurrent_streams=2, tokens_per_day=1_000_000)
    key = upstream.key()
    with asked_at_once(person.client_on(site), 6, content=key, turn=str(uuid4())) as streams:
        assert outcomes(streams) == {"passed": 6}
        finish(streams)
    assert len({stream.answer for stream in streams}) == 1
    after = footprint(person.requester)
    assert (after.windows, after.slots, after.reservations, after.ledger, after.messages) == ([1], 0, 0, 1, 2)
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
        assert_refused(refusals[0], 429, "too_many_streams", retry_after=range(2, 3), limit="concurrent_streams")
        running = footprint(person.requester, "100/d")
        assert (running.windows, running.slots, running.reservations, running.ledger) == ([3], 3, 3, 3)
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
        assert (footprint(person.requester).slots, footprint(person.requester).reservations) == (0, 0)


def test_a_slot_is_free_when_stop_has_answered(make_user: "MakeUser", site2: Site, upstream: Upstream, gate: wire.Gate) -> None:
    person = make_user(concurrent_streams=1)
    client, key = person.client_on(site2), held_open(upstream, gate)
    for _ in range(4):
        with client.chat(content=key) as stream:
            assert stream.status == 200
            assert client.stop(stream.answer).status_code == 200
            assert footprint(person.requester).slots == 0


def test_a_slot_whose_lease_has_run_out_is_free(make_user: "MakeUser", site: Site, upstream: Upstream, redis_client: redis.Redis) -> None:
    """What a worker that was lost leaves behind: nobody renews it and nobody gives it back."""
    person = make_user(concurrent_streams=1)
    key = f"chatsite:{{{person.requester.limit_key}}}:slots"
    assert ask(person.client).status == 200
    seconds, microseconds = redis_client.time()
    now = seconds * 1000 + microseconds // 1000
    redis_client.zadd(key, {str(uuid4()): now + 5000})
    assert_refused(post(person.client, {"content": "hi"}), 429, "too_many_streams", retry_after=range(2, 3), limit="concurrent_streams")
    members: list[Any] = redis_client.zrange(key, 0, -1)
    redis_client.zadd(key, dict.fromkeys(members, now - 1))
    assert ask(person.client).status == 200


def test_a_running_answer_keeps_its_slot_for_longer_than_a_lease(
    make_user: "MakeUser", site: Site, upstream: Upstream, gate: wire.Gate, redis_client: redis.Redis
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
        assert_refused(post(person.client, {"content": "hi"}), 429, "too_many_streams", retry_after=range(2, 3), limit="concurrent_streams")


# --- Budgets -----------------------------------------------------------------------------


def midnight() -> range:
    """Retry-After of a budget of the day, give or take the time a test takes."""
    now = datetime.now(UTC)
    left = int((now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) - now).total_seconds())
    return range(max(1, left - 30), left + 3)


def next_month() -> range:
    now = datetime.now(UTC)
    first = (now.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(day=1)
    left = int((first - now).total_seconds())
    return range(max(1, left - 30), left + 3)


def test_reservations_at_once_never_pass_the_tokens_of_a_day(
    site2: Site, make_user: "MakeUser", small_model: ChatModel, upstream: Upstream, gate: wire.Gate
) -> None:
    key = held_open(upstream, gate)
    person = make_user(requests="100/d", tokens_per_day=3 * bound(key) - 1, models=[small_model])
    with asked_at_once(person.client_on(site2), 12, content=key) as streams:
        assert outcomes(streams) == {"passed": 2, "tokens_exhausted": 10}
        refused = next(stream for stream in streams if stream.status == 429)
        assert_refused(refused, 429, "tokens_exhausted", retry_after=midnight(), limit="tokens_per_day")
        assert used(person.requester, "100/d") == [2]
        gate.open()
        finish(streams)
    # The reservations are settled to what was used; the next turns have the room again.
    rows = Usage.objects.filter(user=person.user)
    assert [(row.prompt_tokens, row.completion_tokens, row.estimated, row.outcome) for row in rows] == [(11, 7, False, "complete")] * 2
    assert footprint(person.requester).reservations == 0
    assert ask(person.client).status == 200
    assert len(upstream.requests(key)) == 2


def test_reservations_at_once_never_pass_the_money_of_a_month(
    site2: Site, make_user: "MakeUser", small_model: ChatModel, upstream: Upstream, gate: wire.Gate
) -> None:
    key = held_open(upstream, gate)
    cost = Decimal(10) * bound(key) / 1_000_000
    person = make_user(requests="100/d", spend_per_month_usd=(cost * 4 - Decimal("0.0001")).quantize(Decimal("1e-4")), models=[small_model])
    with asked_at_once(person.client_on(site2), 12, content=key) as streams:
        assert outcomes(streams) == {"passed": 3, "spend_exhausted": 9}
        refused = next(stream for stream in streams if stream.status == 429)
        assert_refused(refused, 429, "spend_exhausted", retry_after=next_month(), limit="spend_per_month_usd")
        gate.open()
        finish(streams)
    assert {row.cost_usd for row in Usage.objects.filter(user=person.user)} == {Decimal("0.00018")}
    assert ask(person.client).status == 200


def test_turns_one_after_the_other_use_up_a_budget_to_the_last_turn_that_fits(
    site: Site, make_user: "MakeUser", small_model: ChatModel, upstream: Upstream
) -> None:
    key = upstream.script(wire.answer("dear", prompt=400, completion=600))
    person = make_user(tokens_per_day=2000 + bound(key), models=[small_model])
    for _ in range(3):
        assert ask(person.client, content=key, conversation=None).status == 200
    assert_refused(post(person.client, {"content": key}), 429, "tokens_exhausted", retry_after=midnight(), limit="tokens_per_day")
    assert len(upstream.requests(key)) == 3
    assert budgets.spent(person.requester.limit_key, timezone.localdate()).tokens == 3000


def test_of_several_gates_that_refuse_the_one_that_takes_longest_is_told(site: Site, make_user: "MakeUser", small_model: ChatModel) -> None:
    person = make_user(requests="1/m", tokens_per_day=2000, spend_per_month_usd=Decimal("0.02"), models=[small_model])
    assert ask(person.client).status == 200
    Usage.objects.filter(user=person.user).update(prompt_tokens=1900)
    assert_refused(post(person.client, {"content": "hi"}), 429, "tokens_exhausted", retry_after=midnight(), limit="tokens_per_day")
    Usage.objects.filter(user=person.user).update(cost_usd=Decimal("0.02"))
    assert_refused(post(person.client, {"content": "hi"}), 429, "spend_exhausted", retry_after=next_month(), limit="spend_per_month_usd")


def test_a_budget_that_only_running_answers_hold_says_so(
    site: Site, make_user: "MakeUser", small_model: ChatModel, upstream: Upstream, gate: wire.Gate
) -> None:
    key = held_open(upstream, gate)
    person = make_user(tokens_per_day=bound(key) + 10, models=[small_model])
    with person.client.chat(content=key) as stream:
        stream.until_text("so")
        answer = post(person.client, {"content": "hi"})
        assert_refused(answer, 429, "tokens_exhausted", retry_after=midnight(), limit="tokens_per_day", word="still running")
        gate.open()
        finish([stream])


def test_use_of_yesterday_and_of_last_month_is_no_use_of_today(site: Site, make_user: "MakeUser", small_model: ChatModel) -> None:
    person = make_user(tokens_per_day=2000, spend_per_month_usd=Decimal("0.02"), models=[small_model])
    assert ask(person.client).status == 200
    Usage.objects.filter(user=person.user).update(prompt_tokens=1500)
    assert ask(person.client).status == 429
    Usage.objects.filter(user=person.user).update(day=timezone.localdate() - timedelta(days=1), cost_usd=Decimal("0.015"))
    if timezone.localdate().day > 1:
        assert_refused(
            post(person.client, {"content": "hi"}), 429, "spend_exhausted", retry_after=next_month(), limit="spend_per_month_usd"
        )
    Usage.objects.filter(user=person.user).update(day=timezone.localdate() - timedelta(days=32))
    assert ask(person.client).status == 200


@pytest.mark.parametrize("whole_site", [False, True])
def test_what_a_clock_that_was_ahead_has_dated_tomorrow_is_spent_in_its_month(db_ready: None, whole_site: bool) -> None:
    key = f"u:{uuid4()}"
    days = [date(2041, 11, 30), date(2041, 12, 5), date(2041, 12, 31), date(2042, 1, 1)]
    rows = [
        Usage(answer=uuid4(), owner_key="", limit_key=key, model="m", outcome="complete", prompt_tokens=10**n, cost_usd=10**n, day=day)
        for n, day in enumerate(days)
    ]
    Usage.objects.bulk_create(rows)
    spent = budgets.spent(None if whole_site else key, date(2041, 12, 5))
    assert (spent.tokens, spent.micro_usd) == (10, 110_000_000)
    Usage.objects.filter(limit_key=key).delete()


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_turn_that_the_upstream_refused_costs_nothing(
    site: Site, make_user: "MakeUser", small_model: ChatModel, upstream: Upstream, status: int
) -> None:
    key = upstream.script(wire.refused(status))
    person = make_user(tokens_per_day=bound(key), models=[small_model])
    for _ in range(2):
        assert ask(person.client, content=key).named("done")[0]["status"] == "failed"
    rows = Usage.objects.filter(user=person.user)
    assert [(row.prompt_tokens, row.completion_tokens, row.cost_usd, row.outcome) for row in rows] == [(0, 0, 0, "failed")] * 2


def test_a_turn_larger_than_the_whole_budget_is_given_a_shorter_answer(
    site: Site, make_user: "MakeUser", small_model: ChatModel, upstream: Upstream
) -> None:
    key = upstream.key()
    person = make_user(tokens_per_day=500, models=[small_model])
    assert ask(person.client, content=key).status == 200
    assert upstream.requests(key)[0].body["max_completion_tokens"] == 500 - len(key) - 16


def test_a_turn_dearer_than_the_whole_budget_is_given_a_shorter_answer(
    site: Site, make_user: "MakeUser", small_model: ChatModel, upstream: Upstream
) -> None:
    key = upstream.key()
    person = make_user(spend_per_month_usd=Decimal("0.002"), models=[small_model])
    assert ask(person.client, content=key).status == 200
    # 0.002 USD are 200 tokens, of which the prompt may be as many as its bytes and its frame.
    assert upstream.requests(key)[0].body["max_completion_tokens"] == 200 - len(key) - 16
    row = Usage.objects.get(user=person.user)
    assert row.cost_usd == Decimal("0.00018")


def test_a_budget_of_nothing_is_413_and_not_a_retry_that_never_passes(site: Site, make_user: "MakeUser", small_model: ChatModel) -> None:
    nothing: list[dict[str, Any]] = [{"tokens_per_day": 0}, {"spend_per_month_usd": 0}]
    for fields in nothing:
        person = make_user(models=[small_model], **fields)
        assert_refused(post(person.client, {"content": "hi"}), 413, "prompt_too_long", limit="budget")


def test_a_deleted_conversation_buys_back_no_budget(site: Site, make_user: "MakeUser", small_model: ChatModel, upstream: Upstream) -> None:
    key = upstream.script(wire.answer("dear", prompt=900, completion=900))
    person = make_user(tokens_per_day=1800 + bound(key) - 1, models=[small_model])
    conversation = ask(person.client, content=key).named("start")[0]["conversation"]
    assert Message.objects.filter(conversation=conversation).delete()[0]
    assert_refused(post(person.client, {"content": key}), 429, "tokens_exhausted", retry_after=midnight(), limit="tokens_per_day")


def test_an_overrun_is_recorded_in_full_alarmed_and_counts(
    site: Site, make_user: "MakeUser", small_model: ChatModel, upstream: Upstream
) -> None:
    """The upstream sent more than the limit it was given: by that, and by no more, a budget can be passed."""
    key = upstream.script(wire.answer("much", prompt=11, completion=5000))
    person = make_user(tokens_per_day=bound(key), models=[small_model])
    stream = ask(person.client, content=key)
    row = Usage.objects.get(user=person.user)
    assert (row.completion_tokens, row.cost_usd, row.estimated) == (5000, Decimal("0.05011"), False)
    assert f"Answer {stream.answer} overran its limit: 5000 tokens of 1000" in site.log()
    assert_refused(post(person.client, {"content": key}), 429, "tokens_exhausted", retry_after=midnight(), limit="tokens_per_day")


# --- The whole site ---------------------------------------------------------------------------


def test_the_sites_tokens_are_shared_by_everybody(
    site2: Site, make_user: "MakeUser", small_model: ChatModel, upstream: Upstream, gate: wire.Gate, site_budget: Callable[..., None]
) -> None:
    key = held_open(upstream, gate)
    carol, dora = (make_user(requests="100/d", concurrent_streams=9, models=[small_model]) for _ in range(2))
    site_budget(tokens=4 * bound(key) - 1)
    with asked_at_once(carol.client_on(site2), 6, content=key) as first, asked_at_once(dora.client_on(site2), 6, content=key) as second:
        assert outcomes([*first, *second]) == {"passed": 3, "tokens_exhausted": 9}
        refused = next(stream for stream in second if stream.status == 429)
        assert_refused(refused, 429, "tokens_exhausted", retry_after=midnight(), limit="tokens_per_day", word="This site's")
        assert footprint(carol.requester).slots == outcomes(first)["passed"]
        assert footprint(dora.requester).slots == outcomes(second)["passed"]
        gate.open()
        finish([*first, *second])
    assert ask(dora.client).status == 200
    assert len(upstream.requests(key)) == 3


def test_the_sites_money_is_shared_by_everybody(
    site2: Site, make_user: "MakeUser", small_model: ChatModel, upstream: Upstream, gate: wire.Gate, site_budget: Callable[..., None]
) -> None:
    key = held_open(upstream, gate)
    person = make_user(requests="100/d", models=[small_model])
    site_budget(usd=Decimal(10) * bound(key) * 2 / 1_000_000 + Decimal("0.0001"))
    with asked_at_once(person.client_on(site2), 8, content=key) as streams:
        assert outcomes(streams) == {"passed": 2, "spend_exhausted": 6}
        refused = next(stream for stream in streams if stream.status == 429)
        assert_refused(refused, 429, "spend_exhausted", retry_after=next_month(), limit="spend_per_month_usd", word="This site's")
        assert used(person.requester, "100/d") == [2]
        gate.open()
        finish(streams)


# --- Shadow mode --------------------------------------------------------------------------------


def test_a_quota_in_shadow_mode_lets_through_counts_and_records(
    site: Site, make_user: "MakeUser", upstream: Upstream, gate: wire.Gate
) -> None:
    limits: dict[str, Any] = {
        "requests": "3/d",
        "concurrent_streams": 1,
        "max_prompt_chars": 30,
        "tokens_per_day": 40_000,
        "max_output_tokens": 5,
    }
    person = make_user(mode="shadow", **limits)
    key = held_open(upstream, gate)
    with asked_at_once(person.client_on(site), 3, content=key) as streams:
        assert outcomes(streams) == {"passed": 3}
        assert ask(person.client, content="a prompt of more than thirty characters").status == 200
        gate.open()
        finish(streams)
    assert upstream.requests(key)[0].body["max_completion_tokens"] > 5
    assert used(person.requester, "9/d") == [4]
    recorded = Counter(line.rpartition(": ")[2] for line in site.log().splitlines() if f"Shadow quota {person.quota.name!r}" in line)
    assert recorded == {"too_many_streams": 2, "prompt_too_long": 1, "rate_limited": 1}


def test_a_quota_that_leaves_shadow_mode_knows_what_was_used(site: Site, make_user: "MakeUser") -> None:
    person = make_user(mode="shadow", requests="2/d")
    assert [ask(person.client).status for _ in range(3)] == [200] * 3
    person.quota.mode = "enforce"
    person.quota.save()
    assert ask(person.client).status == 429


def test_the_sites_own_budget_holds_in_shadow_mode_too(
    site: Site, make_user: "MakeUser", small_model: ChatModel, site_budget: Callable[..., None]
) -> None:
    person = make_user(mode="shadow", requests="9/d", models=[small_model])
    site_budget(tokens=200)
    Usage.objects.create(answer=uuid4(), owner_key="test", limit_key="test", model="x", prompt_tokens=200, outcome="complete")
    refused = post(person.client, {"content": "hi", "model": small_model.slug})
    assert_refused(refused, 429, "tokens_exhausted", retry_after=midnight(), limit="tokens_per_day")
    assert used(person.requester, "9/d") == [0]


# --- A Redis inside the process --------------------------------------------------------------------


def test_the_same_limits_hold_with_a_redis_inside_the_process(
    start_site: "StartSite", make_user: "MakeUser", small_model: ChatModel, upstream: Upstream, gate: wire.Gate
) -> None:
    key = held_open(upstream, gate)
    own_site = start_site(REDIS_URL="memory://")
    busy = make_user(requests="5/d", concurrent_streams=2)
    with asked_at_once(busy.client_on(own_site), 8, content=key) as streams:
        assert outcomes(streams) == {"passed": 2, "too_many_streams": 6}
        gate.open()
        finish(streams)
    assert ask(busy.client_on(own_site)).status == 200
    frequent = make_user(requests="3/d")
    with asked_at_once(frequent.client_on(own_site), 9, content="hello") as streams:
        assert outcomes(streams) == {"passed": 3, "rate_limited": 6}
        finish(streams)
    spender = make_user(tokens_per_day=bound("hello") + SETTLED - 1, models=[small_model])
    assert [ask(spender.client_on(own_site)).status for _ in range(2)] == [200, 429]
