"""Tokens of a day and money of a month of a person: never passed, never lost."""

from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.utils import timezone

from chat.limits import budgets
from chat.models import ChatModel, Message, Usage
from tests.harness import wire
from tests.harness.footprint import footprint, used
from tests.harness.refusals import assert_refused, post
from tests.harness.resets import midnight, next_month
from tests.harness.site import Site
from tests.harness.turns import ask, asked_at_once, bound, finish, held_open, outcomes
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser


def test_reservations_at_once_never_pass_the_tokens_of_a_day(
    site2: Site, make_user: "MakeUser", small_model: ChatModel, upstream: Upstream, gate: wire.Gate
) -> None:
    key = held_open(upstream, gate)
    person = make_user(requests="100/d", tokens_per_day=3 * bound(key) - 1, models=[small_model])
    with asked_at_once(person.client_on(site2), 12, content=key) as streams:
        assert outcomes(streams) == {"passed": 2, "tokens_exhausted": 10}
        refused = next(stream for stream in streams if stream.status == 429)
        assert_refused(
            refused, 429, "tokens_exhausted", retry_after=midnight(), limit="tokens_per_day"
        )
        assert used(person.requester, "100/d") == [2]
        gate.open()
        finish(streams)
    # The reservations are settled to what was used; the next turns have the room again.
    rows = Usage.objects.filter(user=person.user)
    assert [
        (row.prompt_tokens, row.completion_tokens, row.estimated, row.outcome) for row in rows
    ] == [(11, 7, False, "complete")] * 2
    assert footprint(person.requester).reservations == 0
    assert ask(person.client).status == 200
    assert len(upstream.requests(key)) == 2


def test_reservations_at_once_never_pass_the_money_of_a_month(
    site2: Site, make_user: "MakeUser", small_model: ChatModel, upstream: Upstream, gate: wire.Gate
) -> None:
    key = held_open(upstream, gate)
    cost = Decimal(10) * bound(key) / 1_000_000
    person = make_user(
        requests="100/d",
        spend_per_month_usd=(cost * 4 - Decimal("0.0001")).quantize(Decimal("1e-4")),
        models=[small_model],
    )
    with asked_at_once(person.client_on(site2), 12, content=key) as streams:
        assert outcomes(streams) == {"passed": 3, "spend_exhausted": 9}
        refused = next(stream for stream in streams if stream.status == 429)
        assert_refused(
            refused, 429, "spend_exhausted", retry_after=next_month(), limit="spend_per_month_usd"
        )
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
    assert_refused(
        post(person.client, {"content": key}),
        429,
        "tokens_exhausted",
        retry_after=midnight(),
        limit="tokens_per_day",
    )
    assert len(upstream.requests(key)) == 3
    assert budgets.spent(person.requester.limit_key, timezone.localdate()).tokens == 3000


def test_of_several_gates_that_refuse_the_one_that_takes_longest_is_told(
    site: Site, make_user: "MakeUser", small_model: ChatModel
) -> None:
    person = make_user(
        requests="1/m",
        tokens_per_day=2000,
        spend_per_month_usd=Decimal("0.02"),
        models=[small_model],
    )
    assert ask(person.client).status == 200
    Usage.objects.filter(user=person.user).update(prompt_tokens=1900)
    assert_refused(
        post(person.client, {"content": "hi"}),
        429,
        "tokens_exhausted",
        retry_after=midnight(),
        limit="tokens_per_day",
    )
    Usage.objects.filter(user=person.user).update(cost_usd=Decimal("0.02"))
    assert_refused(
        post(person.client, {"content": "hi"}),
        429,
        "spend_exhausted",
        retry_after=next_month(),
        limit="spend_per_month_usd",
    )


def test_a_budget_that_only_running_answers_hold_says_so(
    site: Site, make_user: "MakeUser", small_model: ChatModel, upstream: Upstream, gate: wire.Gate
) -> None:
    key = held_open(upstream, gate)
    person = make_user(tokens_per_day=bound(key) + 10, models=[small_model])
    with person.client.chat(content=key) as stream:
        stream.until_text("so")
        answer = post(person.client, {"content": "hi"})
        assert_refused(
            answer,
            429,
            "tokens_exhausted",
            retry_after=midnight(),
            limit="tokens_per_day",
            word="still running",
        )
        gate.open()
        finish([stream])


def test_use_of_yesterday_and_of_last_month_is_no_use_of_today(
    site: Site, make_user: "MakeUser", small_model: ChatModel
) -> None:
    person = make_user(
        tokens_per_day=2000, spend_per_month_usd=Decimal("0.02"), models=[small_model]
    )
    assert ask(person.client).status == 200
    Usage.objects.filter(user=person.user).update(prompt_tokens=1500)
    assert ask(person.client).status == 429
    Usage.objects.filter(user=person.user).update(
        day=timezone.localdate() - timedelta(days=1), cost_usd=Decimal("0.015")
    )
    if timezone.localdate().day > 1:
        assert_refused(
            post(person.client, {"content": "hi"}),
            429,
            "spend_exhausted",
            retry_after=next_month(),
            limit="spend_per_month_usd",
        )
    Usage.objects.filter(user=person.user).update(day=timezone.localdate() - timedelta(days=32))
    assert ask(person.client).status == 200


@pytest.mark.parametrize("whole_site", [False, True])
def test_what_a_clock_that_was_ahead_has_dated_tomorrow_is_spent_in_its_month(
    db_ready: None, whole_site: bool
) -> None:
    key = f"u:{uuid4()}"
    days = [date(2041, 11, 30), date(2041, 12, 5), date(2041, 12, 31), date(2042, 1, 1)]
    rows = [
        Usage(
            answer=uuid4(),
            owner_key="",
            limit_key=key,
            model="m",
            outcome="complete",
            prompt_tokens=10**n,
            cost_usd=10**n,
            day=day,
        )
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
    assert [
        (row.prompt_tokens, row.completion_tokens, row.cost_usd, row.outcome) for row in rows
    ] == [(0, 0, 0, "failed")] * 2


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


def test_a_budget_of_nothing_is_413_and_not_a_retry_that_never_passes(
    site: Site, make_user: "MakeUser", small_model: ChatModel
) -> None:
    nothing: list[dict[str, Any]] = [{"tokens_per_day": 0}, {"spend_per_month_usd": 0}]
    for fields in nothing:
        person = make_user(models=[small_model], **fields)
        assert_refused(
            post(person.client, {"content": "hi"}), 413, "prompt_too_long", limit="budget"
        )


def test_a_deleted_conversation_buys_back_no_budget(
    site: Site, make_user: "MakeUser", small_model: ChatModel, upstream: Upstream
) -> None:
    key = upstream.script(wire.answer("dear", prompt=900, completion=900))
    person = make_user(tokens_per_day=1800 + bound(key) - 1, models=[small_model])
    conversation = ask(person.client, content=key).named("start")[0]["conversation"]
    assert Message.objects.filter(conversation=conversation).delete()[0]
    assert_refused(
        post(person.client, {"content": key}),
        429,
        "tokens_exhausted",
        retry_after=midnight(),
        limit="tokens_per_day",
    )


def test_an_overrun_is_recorded_in_full_alarmed_and_counts(
    site: Site, make_user: "MakeUser", small_model: ChatModel, upstream: Upstream
) -> None:
    """The upstream sent more than its limit: by that, and by no more, a budget can be passed."""
    key = upstream.script(wire.answer("much", prompt=11, completion=5000))
    person = make_user(tokens_per_day=bound(key), models=[small_model])
    stream = ask(person.client, content=key)
    row = Usage.objects.get(user=person.user)
    assert (row.completion_tokens, row.cost_usd, row.estimated) == (5000, Decimal("0.05011"), False)
    assert f"Answer {stream.answer} overran its limit: 5000 tokens of 1000" in site.log()
    assert_refused(
        post(person.client, {"content": key}),
        429,
        "tokens_exhausted",
        retry_after=midnight(),
        limit="tokens_per_day",
    )
