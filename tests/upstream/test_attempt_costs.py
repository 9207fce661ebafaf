"""What each attempt costs, and that all of them stay within what was reserved."""

from typing import Any

import pytest

from chat import redis_client
from chat.limits import budgets
from chat.upstream.attempt import Attempt
from chat.upstream.client import make_client
from chat.upstream.cooldown import Cooldown
from chat.upstream.cost import CostMeter, Reserved
from chat.upstream.retry import Upstream
from tests.harness import wire
from tests.harness.calls import CHEAP, DEAR, Ask, Asked, prompt, target
from tests.harness.site import free_port
from tests.harness.upstream import Upstream as FakeUpstream

pytestmark = pytest.mark.usefixtures("quick_retries")


# --- What each attempt costs ------------------------------------------------------


LOST = {
    "reset": [wire.Reset()],
    "reset after the headers": [wire.HEADERS, wire.Reset()],
    "cut after a role": [wire.role(), wire.Cut()],
    "error object": [wire.role(), wire.frame(wire.error("Sorry."))],
}


@pytest.mark.parametrize("script", LOST.values(), ids=LOST)
async def test_attempt_that_broke_off_before_any_text_is_tried_again_and_paid_too(
    ask: Ask, upstream: FakeUpstream, script: wire.Script
) -> None:
    key = upstream.script(script, wire.answer("at last", prompt=11, completion=7))
    asked = await ask(prompt(key))
    assert (asked.received, asked.states, len(upstream.requests(key))) == (
        "at last",
        ["retrying"],
        2,
    )
    estimate = budgets.estimate_prompt(prompt(key))
    assert (asked.bill.prompt_tokens, asked.bill.completion_tokens, asked.bill.estimated) == (
        11 + estimate,
        7,
        True,
    )
    assert asked.bill.cost_usd == DEAR.cost(11 + estimate, 7)


FREE = {
    **{str(status): wire.refused(status) for status in (408, 409, 500, 503)},
    "429": wire.refused(429, retry_after_ms="10"),
    "rate limit inside": [wire.frame(wire.error("Slow down.", code="rate_limit_exceeded"))],
}


@pytest.mark.parametrize("script", FREE.values(), ids=FREE)
async def test_attempt_that_was_refused_costs_nothing(
    ask: Ask, upstream: FakeUpstream, script: wire.Script
) -> None:
    key = upstream.script(script, wire.answer("at last", prompt=11, completion=7))
    asked = await ask(prompt(key))
    assert (asked.received, len(upstream.requests(key))) == ("at last", 2)
    assert (asked.bill.prompt_tokens, asked.bill.completion_tokens, asked.bill.estimated) == (
        11,
        7,
        False,
    )


async def test_server_that_is_not_there_is_not_paid(settings: Any) -> None:
    settings.OPENAI_BASE_URL = f"http://127.0.0.1:{free_port()}/v1"
    client, store = make_client(), redis_client.async_client()
    asked = await Asked(Upstream(client, Cooldown(store)), prompt("hello"), [target()]).run()
    assert (asked.code, asked.states) == ("upstream_unavailable", ["retrying", "retrying"])
    assert (asked.bill.prompt_tokens, asked.bill.cost_usd, asked.bill.estimated) == (0, 0, False)
    await client.close()
    await store.aclose()


async def test_timeout_and_the_fallback_behind_it_are_paid_at_the_prices_of_each(
    ask: Ask, upstream: FakeUpstream
) -> None:
    key = upstream.script([wire.Stall()], wire.answer("from the second", prompt=11, completion=7))
    first, second = target(), target()
    asked = await ask(prompt(key), first, second)
    assert (asked.received, asked.states, asked.call.model) == (
        "from the second",
        ["fallback"],
        second.slug,
    )
    estimate = budgets.estimate_prompt(prompt(key))
    assert asked.bill.cost_usd == DEAR.cost(estimate, 0) + CHEAP.cost(11, 7)
    assert asked.bill.prompt_tokens == estimate + 11


# --- Within what was reserved -----------------------------------------------------


def reserved(messages: list[dict[str, str]], most: int) -> Reserved:
    bound = budgets.max_prompt_tokens(messages)
    return Reserved(bound + most, DEAR.cost(bound, most))


async def test_next_attempt_may_say_as_much_less_as_the_lost_one_cost(
    ask: Ask, upstream: FakeUpstream
) -> None:
    key = upstream.script([wire.Reset()], wire.answer("at last"))
    messages = prompt(key, "a" * 400, "b" * 400)
    asked = await ask(messages, target(1000), reserved=reserved(messages, 1000))
    limits = [request.body["max_completion_tokens"] for request in upstream.requests(key)]
    estimate = budgets.estimate_prompt(messages)
    assert limits == [1000, 1000 - estimate]
    assert asked.received == "at last"


async def test_money_bounds_the_next_attempt_too(ask: Ask, upstream: FakeUpstream) -> None:
    key = upstream.script([wire.Reset()], wire.answer("at last"))
    messages = prompt(key, "a" * 400, "b" * 400)
    bound = budgets.max_prompt_tokens(messages)
    await ask(messages, target(1000), reserved=Reserved(10**9, DEAR.cost(bound, 1000)))
    # A prompt token costs half of what one of the answer does.
    assert upstream.requests(key)[1].body["max_completion_tokens"] == 1000 - -(
        -budgets.estimate_prompt(messages) // 2
    )


async def test_attempt_that_the_reservation_cannot_pay_is_not_made(
    ask: Ask, upstream: FakeUpstream
) -> None:
    key = upstream.script([wire.Reset()], wire.answer("never asked for"))
    messages = prompt(key, "a" * 4000, "b" * 4000)
    held = reserved(messages, 1000)
    asked = await ask(messages, target(1000), target(1000), reserved=held)
    assert (asked.code, len(upstream.requests(key))) == ("upstream_unavailable", 1)
    assert asked.bill.prompt_tokens <= held.tokens
    assert asked.bill.cost_usd <= held.usd


async def test_answers_that_are_lost_for_ever_stay_within_the_reservation(
    ask: Ask, upstream: FakeUpstream
) -> None:
    key = upstream.script([wire.HEADERS, wire.Reset()])
    messages = prompt(key, "a" * 300, "b" * 300)
    held = reserved(messages, 2000)
    asked = await ask(messages, target(2000), target(2000), reserved=held)
    assert len(upstream.requests(key)) == 6
    assert (
        asked.bill.prompt_tokens + upstream.requests(key)[-1].body["max_completion_tokens"]
        <= held.tokens
    )
    assert asked.bill.cost_usd <= held.usd


async def test_without_a_budget_nothing_is_taken_from_the_next_attempt(
    ask: Ask, upstream: FakeUpstream
) -> None:
    key = upstream.script([wire.Reset()], wire.answer("at last"))
    await ask(prompt(key, "a" * 40_000, "b"), target(1000))
    assert [request.body["max_completion_tokens"] for request in upstream.requests(key)] == [
        1000,
        1000,
    ]


# --- Figures that can be true -----------------------------------------------------


@pytest.mark.parametrize(
    ("prompt_tokens", "completion_tokens", "believed"),
    [
        (
            9_000,
            5_000,
            (True, True),
        ),  # more than the limit that was sent is an overrun: it is recorded in full
        (10_001, 7, (False, True)),
        (11, 10_005, (True, False)),
        (10**30, 10**30, (False, False)),
        (0, 0, (False, False)),  # there is a prompt, and there is text
        (None, None, (False, False)),
    ],
)
def test_figures_are_believed_as_far_as_they_can_be_true(
    prompt_tokens: int | None, completion_tokens: int | None, believed: tuple[bool, bool]
) -> None:
    asked = target()
    attempt = Attempt(
        asked, prompt("hello"), True, "stop", prompt_tokens, completion_tokens, deltas=1
    )
    bill = CostMeter({asked.slug: DEAR}, None).bill([attempt], text_bytes=4)
    assert (
        bill.prompt_tokens == prompt_tokens,
        bill.completion_tokens == completion_tokens,
    ) == believed
    assert bill.estimated is not all(believed)
    assert bill.prompt_tokens <= 10_000
    assert bill.completion_tokens <= 10_004
