"""A budget that is first set while an answer runs bounds what that answer may still ask for."""

from collections.abc import Callable
from decimal import Decimal
from uuid import uuid4

import pytest

from chat.limits.budgets import estimate_prompt
from chat.models import ChatModel, Quota, SitePolicy
from tests.harness import wire
from tests.harness.answers import ledger
from tests.harness.people import Person
from tests.harness.upstream import Request, Upstream

MOST = 2000
pytestmark = pytest.mark.usefixtures("policy_kept")


@pytest.fixture
def model() -> ChatModel:
    """A model of the test's own, with one that stands in for it."""
    fallback = ChatModel.objects.create(slug=f"second-{uuid4()}", max_output_tokens=MOST)
    return ChatModel.objects.create(
        slug=f"first-{uuid4()}",
        max_output_tokens=MOST,
        output_usd_per_million=Decimal(1),
        fallback=fallback,
    )


SET: dict[str, Callable[[Quota], object]] = {
    "tokens of the person": lambda quota: Quota.objects.filter(pk=quota.pk).update(
        tokens_per_day=10**9
    ),
    "money of the person": lambda quota: Quota.objects.filter(pk=quota.pk).update(
        spend_per_month_usd=1000
    ),
    "tokens of the site": lambda quota: SitePolicy.objects.filter(pk=1).update(
        tokens_per_day=10**12
    ),
}


def limit_of(request: Request) -> int:
    return int(request.body["max_completion_tokens"])


def run(
    alice: Person,
    upstream: Upstream,
    model: ChatModel,
    prompt_size: int,
    meanwhile: Callable[[Quota], object],
) -> list[Request]:
    """Runs a turn whose first attempt may be billed and is cut before its first text.

    Returns the requests that it made of the upstream.
    """
    gate = wire.Gate()
    key = upstream.script(
        [wire.HEADERS, gate, wire.Reset()], wire.answer("at last", prompt=prompt_size // 4)
    )
    with alice.client.chat(content=key + "x" * prompt_size, model=model.slug) as stream:
        gate.wait_until_reached()
        meanwhile(alice.quota)
        gate.open()
        stream.read()
        assert stream.ended
    return upstream.requests(key)


@pytest.mark.parametrize("way", SET)
def test_further_attempt_lives_on_what_the_first_one_left(
    way: str, alice: Person, upstream: Upstream, model: ChatModel
) -> None:
    first, second = run(alice, upstream, model, 4000, SET[way])
    assert limit_of(first) == MOST
    assert limit_of(second) == MOST - estimate_prompt(first.body["messages"])


@pytest.mark.parametrize("way", SET)
def test_no_further_attempt_is_made_where_too_little_is_left(
    way: str, alice: Person, upstream: Upstream, model: ChatModel
) -> None:
    requests = run(alice, upstream, model, 4 * MOST, SET[way])
    assert len(requests) == 1


def test_without_any_budget_a_further_attempt_may_ask_for_as_much_as_the_first(
    alice: Person, upstream: Upstream, model: ChatModel
) -> None:
    first, second = run(alice, upstream, model, 4 * MOST, lambda quota: None)
    assert limit_of(first) == limit_of(second) == MOST


def test_what_was_spent_stays_within_what_the_ledger_had_set_aside(
    alice: Person, upstream: Upstream, model: ChatModel
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [wire.HEADERS, gate, wire.Reset()], wire.answer("at last", prompt=1000, completion=900)
    )
    with alice.client.chat(content=key + "x" * 4000, model=model.slug) as stream:
        gate.wait_until_reached()
        before = ledger(stream)
        SET["tokens of the person"](alice.quota)
        gate.open()
        stream.read()
    after = ledger(stream)
    assert after.outcome == "complete"
    assert (
        after.prompt_tokens + after.completion_tokens
        <= before.prompt_tokens + before.completion_tokens
    )
    assert after.cost_usd <= before.cost_usd
