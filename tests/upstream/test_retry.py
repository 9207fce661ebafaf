"""What is tried again and what is not, what each attempt costs, and that all of it stays within what was reserved."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from chat import redis_client
from chat.errors import CONTENT_FILTER, CONTEXT_LENGTH, KEY_REFUSED, NO_CREDIT
from chat.limits import budgets
from chat.upstream import waits
from chat.upstream.attempt import Attempt
from chat.upstream.client import make_client
from chat.upstream.cooldown import Cooldown
from chat.upstream.cost import CostMeter, Reserved
from chat.upstream.retry import Upstream
from tests.harness import wire
from tests.harness.calls import CHEAP, DEAR, Asked, prompt, target
from tests.harness.site import free_port
from tests.harness.upstream import Upstream as FakeUpstream

Ask = Callable[..., Awaitable[Asked]]


@pytest.fixture(autouse=True)
def quick(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.UPSTREAM_FIRST_TOKEN_SECONDS = settings.UPSTREAM_IDLE_SECONDS = 1
    settings.UPSTREAM_RETRIES = 2
    monkeypatch.setattr(waits, "BACKOFF_SECONDS", 0.01)


@pytest.fixture
async def shared(settings: Any) -> AsyncIterator[Upstream]:
    """What all answers of a worker share."""
    client, store = make_client(), redis_client.async_client()
    yield Upstream(client, Cooldown(store))
    await client.close()
    await store.aclose()


@pytest.fixture
def ask(shared: Upstream) -> Ask:
    async def asked(messages: list[dict[str, str]], *targets: Any, **options: Any) -> Asked:
        return await Asked(shared, messages, targets or (target(),), **options).run()

    return asked


def sent(upstream: FakeUpstream, key: str) -> list[list[str]]:
    return [[message["content"] for message in request.body["messages"]] for request in upstream.requests(key)]


# --- What each attempt costs ----------------------------------------------------

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
    assert (asked.received, asked.states, len(upstream.requests(key))) == ("at last", ["retrying"], 2)
    estimate = budgets.estimate_prompt(prompt(key))
    assert (asked.bill.prompt_tokens, asked.bill.completion_tokens, asked.bill.estimated) == (11 + estimate, 7, True)
    assert asked.bill.cost_usd == DEAR.cost(11 + estimate, 7)


FREE = {
    **{str(status): wire.refused(status) for status in (408, 409, 500, 503)},
    "429": wire.refused(429, retry_after_ms="10"),
    "rate limit inside": [wire.frame(wire.error("Slow down.", code="rate_limit_exceeded"))],
}


@pytest.mark.parametrize("script", FREE.values(), ids=FREE)
async def test_attempt_that_was_refused_costs_nothing(ask: Ask, upstream: FakeUpstream, script: wire.Script) -> None:
    key = upstream.script(script, wire.answer("at last", prompt=11, completion=7))
    asked = await ask(prompt(key))
    assert (asked.received, len(upstream.requests(key))) == ("at last", 2)
    assert (asked.bill.prompt_tokens, asked.bill.completion_tokens, asked.bill.estimated) == (11, 7, False)


async def test_server_that_is_not_there_is_not_paid(settings: Any) -> None:
    settings.OPENAI_BASE_URL = f"http://127.0.0.1:{free_port()}/v1"
    client, store = make_client(), redis_client.async_client()
    asked = await Asked(Upstream(client, Cooldown(store)), prompt("hello"), [target()]).run()
    assert (asked.code, asked.states) == ("upstream_unavailable", ["retrying", "retrying"])
    assert (asked.bill.prompt_tokens, asked.bill.cost_usd, asked.bill.estimated) == (0, 0, False)
    await client.close()
    await store.aclose()


async def test_timeout_and_the_fallback_behind_it_are_paid_at_the_prices_of_each(ask: Ask, upstream: FakeUpstream) -> None:
    key = upstream.script([wire.Stall()], wire.answer("from the second", prompt=11, completion=7))
    first, second = target(), target()
    asked = await ask(prompt(key), first, second)
    assert (asked.received, asked.states, asked.call.model) == ("from the second", ["fallback"], second.slug)
    estimate = budgets.estimate_prompt(prompt(key))
    assert asked.bill.cost_usd == DEAR.cost(estimate, 0) + CHEAP.cost(11, 7)
    assert asked.bill.prompt_tokens == estimate + 11


# --- Within what was reserved -----------------------------------------------------


def reserved(messages: list[dict[str, str]], most: int) -> Reserved:
    bound = budgets.max_prompt_tokens(messages)
    return Reserved(bound + most, DEAR.cost(bound, most))


async def test_next_attempt_may_say_as_much_less_as_the_lost_one_cost(ask: Ask, upstream: FakeUpstream) -> None:
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
    assert upstream.requests(key)[1].body["max_completion_tokens"] == 1000 - -(-budgets.estimate_prompt(messages) // 2)


async def test_attempt_that_the_reservation_cannot_pay_is_not_made(ask: Ask, upstream: FakeUpstream) -> None:
    key = upstream.script([wire.Reset()], wire.answer("never asked for"))
    messages = prompt(key, "a" * 4000, "b" * 4000)
    held = reserved(messages, 1000)
    asked = await ask(messages, target(1000), target(1000), reserved=held)
    assert (asked.code, len(upstream.requests(key))) == ("upstream_unavailable", 1)
    assert asked.bill.prompt_tokens <= held.tokens
    assert asked.bill.cost_usd <= held.usd


async def test_answers_that_are_lost_for_ever_stay_within_the_reservation(ask: Ask, upstream: FakeUpstream) -> None:
    key = upstream.script([wire.HEADERS, wire.Reset()])
    messages = prompt(key, "a" * 300, "b" * 300)
    held = reserved(messages, 2000)
    asked = await ask(messages, target(2000), target(2000), reserved=held)
    assert len(upstream.requests(key)) == 6
    assert asked.bill.prompt_tokens + upstream.requests(key)[-1].body["max_completion_tokens"] <= held.tokens
    assert asked.bill.cost_usd <= held.usd


async def test_without_a_budget_nothing_is_taken_from_the_next_attempt(ask: Ask, upstream: FakeUpstream) -> None:
    key = upstream.script([wire.Reset()], wire.answer("at last"))
    await ask(prompt(key, "a" * 40_000, "b"), target(1000))
    assert [request.body["max_completion_tokens"] for request in upstream.requests(key)] == [1000, 1000]


# --- Figures that can be true -------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt_tokens", "completion_tokens", "believed"),
    [
        (9_000, 5_000, (True, True)),  # more than the limit that was sent is an overrun: it is recorded in full
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
    attempt = Attempt(asked, prompt("hello"), True, "stop", prompt_tokens, completion_tokens, deltas=1)
    bill = CostMeter({asked.slug: DEAR}, None).bill([attempt], text_bytes=4)
    assert (bill.prompt_tokens == prompt_tokens, bill.completion_tokens == completion_tokens) == believed
    assert bill.estimated is not all(believed)
    assert bill.prompt_tokens <= 10_000
    assert bill.completion_tokens <= 10_004


# --- A context that is too long -----------------------------------------------------

TOO_LONG = {
    "OpenAI": wire.refused(400, code="context_length_exceeded"),
    "llama.cpp": wire.refused(400, kind="exceed_context_size_error"),
    "vLLM": [wire.Http(400, wire.error("This model's maximum context length is 4096 tokens.", kind="BadRequestError"))],
    "inside the stream": [wire.frame(wire.error("Too long.", code="context_length_exceeded"))],
}


@pytest.mark.parametrize("script", TOO_LONG.values(), ids=TOO_LONG)
async def test_conversation_that_the_upstream_finds_too_long_goes_on_without_its_oldest_turns(
    ask: Ask, upstream: FakeUpstream, script: wire.Script
) -> None:
    key = upstream.script(script, wire.answer("at last", prompt=11, completion=7))
    earlier = ["first" * 20, "answer" * 20, "second" * 20, "answer" * 20]
    asked = await ask([{"role": "system", "content": "Be kind."}, *prompt(key, *earlier)])
    assert sent(upstream, key) == [["Be kind.", *earlier, key], ["Be kind.", key]]
    assert (asked.received, asked.call.trimmed) == ("at last", 4)
    assert [(status["state"], status["reason"], status["retry_in"]) for status in asked.statuses] == [("retrying", CONTEXT_LENGTH, 0)]
    assert (asked.bill.prompt_tokens, asked.bill.estimated) == (11, False)


async def test_it_is_cut_once_and_in_the_middle_of_no_turn(ask: Ask, upstream: FakeUpstream) -> None:
    key = upstream.script(wire.refused(400, code="context_length_exceeded"))
    asked = await ask(prompt(key, "x" * 900, "y" * 900, "short", "answer"))
    assert sent(upstream, key)[1:] == [["short", "answer", key]]
    assert asked.error is not None
    assert (asked.error.code, asked.error.reason, asked.call.trimmed) == ("upstream_rejected", CONTEXT_LENGTH, 2)
    assert asked.bill.cost_usd == 0


async def test_smaller_model_that_stands_in_is_sent_what_it_can_read(ask: Ask, upstream: FakeUpstream) -> None:
    key = upstream.script(wire.refused(503, retry_after="30"), wire.answer("from the second"))
    asked = await ask(prompt(key, "x" * 900, "y" * 900, "short", "answer"), target(), replace(target(), context_tokens=100))
    assert [len(messages) for messages in sent(upstream, key)] == [5, 3]
    assert (asked.received, asked.call.trimmed) == ("from the second", 2)


@pytest.mark.parametrize("stored", [True, False], ids=["only a prompt", "what a program sends"])
async def test_where_nothing_may_be_left_out_it_is_a_rejection(ask: Ask, upstream: FakeUpstream, stored: bool) -> None:
    key = upstream.script(wire.refused(400, code="context_length_exceeded"))
    asked = await ask(prompt(key) if stored else prompt(key, "first", "answer"), stored=stored)
    assert asked.error is not None
    assert (asked.error.reason, len(upstream.requests(key))) == (CONTEXT_LENGTH, 1)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (wire.refused(400, code="content_filter"), CONTENT_FILTER),
        (wire.refused(400, code="content_policy_violation"), CONTENT_FILTER),
        (wire.refused(429, kind="insufficient_quota"), NO_CREDIT),
        (wire.refused(401, code="invalid_api_key"), KEY_REFUSED),
        ([wire.Http(400, b"<html>Bad request</html>", {"content-type": "text/html"})], ""),
    ],
)
async def test_rejection_is_not_tried_again_and_says_why(ask: Ask, upstream: FakeUpstream, script: wire.Script, reason: str) -> None:
    key = upstream.script(script, wire.answer("never asked for"))
    asked = await ask(prompt(key), target(), target())
    assert asked.error is not None
    assert (asked.code, asked.error.reason, len(upstream.requests(key))) == ("upstream_rejected", reason, 1)


# --- What is no answer ----------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirect_is_not_followed(ask: Ask, upstream: FakeUpstream, status: int) -> None:
    key = upstream.script([wire.Http(status, b"", {"location": "/v1/chat/completions"})], wire.answer("from elsewhere"))
    asked = await ask(prompt(key))
    assert (asked.code, asked.received, len(upstream.requests(key))) == ("upstream_unavailable", "", 1)
    assert asked.bill.cost_usd == 0


async def drip(gates: list[wire.Gate]) -> None:
    for gate in gates:
        await asyncio.sleep(0.25)
        gate.open()


async def test_response_that_is_no_http_is_tried_again(ask: Ask, upstream: FakeUpstream) -> None:
    key = upstream.script([wire.Http(200, b"", {"x-long": "a" * 20_000})], wire.answer("text"))
    asked = await ask(prompt(key))
    assert (asked.code, asked.received, asked.states) == ("", "text", ["retrying"])


async def test_connection_that_breaks_behind_done_takes_nothing_from_the_answer(ask: Ask, upstream: FakeUpstream) -> None:
    key = upstream.script([*wire.answer("text"), wire.Reset()])
    asked = await ask(prompt(key))
    assert (asked.code, asked.received, asked.call.finish_reason) == ("", "text", "stop")


async def test_retry_after_as_a_date_of_any_form_is_in_universal_time(
    ask: Ask, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    date = time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime(time.time() + 600))  # asctime, as RFC 9110 allows it
    asked = await ask(prompt(upstream.script(wire.refused(429, retry_after=date))))
    monkeypatch.undo()
    time.tzset()
    assert asked.error
    assert asked.error.retry_after == pytest.approx(600, abs=5)


async def test_comments_for_ever_are_silence(ask: Ask, upstream: FakeUpstream) -> None:
    gates = [wire.Gate() for _ in range(16)]
    comments = [step for gate in gates for step in (gate, wire.comment(), wire.chunk({}))]
    key = upstream.script([*wire.text("so far"), *comments, *wire.answer(" and the rest")])
    dripping = asyncio.create_task(drip(gates))
    asked = await ask(prompt(key))
    assert (asked.code, asked.received) == ("upstream_timeout", "so far")
    dripping.cancel()


async def test_model_that_thinks_aloud_before_it_speaks_is_not_silent_and_is_paid_for_it(ask: Ask, upstream: FakeUpstream) -> None:
    gates = [wire.Gate() for _ in range(12)]
    thoughts = [step for gate in gates for step in (gate, wire.chunk({"reasoning_content": "hm "}))]
    key = upstream.script([*thoughts, *wire.text("Yes."), wire.Cut()])
    dripping = asyncio.create_task(drip(gates))
    asked = await ask(prompt(key))
    await dripping
    assert (asked.code, asked.received) == ("upstream_cut", "Yes.")
    assert asked.call.attempts[0].reasoning_deltas == 12
    assert len(upstream.requests(key)) == 1


async def test_large_delta_that_comes_slowly_is_no_silence(ask: Ask, upstream: FakeUpstream) -> None:
    gates = [wire.Gate() for _ in range(12)]
    large = wire.joined(wire.text("x" * 12_000))
    pieces = [large[start : start + 1000] for start in range(0, len(large), 1000)]
    steps = [step for pair in zip(pieces, gates, strict=False) for step in pair]
    key = upstream.script([*wire.text("so far "), *steps, *pieces[len(gates) :], *wire.answer()[1:]])
    dripping = asyncio.create_task(drip(gates))
    asked = await ask(prompt(key))
    assert (asked.code, asked.received) == ("", "so far " + "x" * 12_000)
    await dripping


# --- Bounded ------------------------------------------------------------------------------


async def test_waits_grow_and_half_of_each_is_fixed(ask: Ask, upstream: FakeUpstream, settings: Any) -> None:
    settings.UPSTREAM_RETRIES = 4
    asked = await ask(prompt(upstream.script(wire.refused(503))))
    assert len(asked.statuses) == 4
    backoffs = [[waits.backoff(attempt) for _ in range(200)] for attempt in range(1, 12)]
    ceilings = [min(8.0, 0.01 * 2**attempt) for attempt in range(1, 12)]
    for sample, ceiling in zip(backoffs, ceilings, strict=True):
        assert min(sample) >= ceiling / 2
        assert max(sample) <= ceiling
        assert max(sample) - min(sample) > ceiling / 4


async def test_nobody_waits_long_where_another_model_stands_in(ask: Ask, upstream: FakeUpstream) -> None:
    key = upstream.script(wire.refused(503, retry_after="30"), wire.answer("from the second"))
    asked = await ask(prompt(key), target(), target())
    assert (asked.received, asked.states) == ("from the second", ["fallback"])


async def test_no_other_model_is_asked_when_the_time_is_over(ask: Ask, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "RETRY_BUDGET_SECONDS", 0.5)
    key = upstream.script([wire.Stall()], wire.answer("never asked for"))
    asked = await ask(prompt(key), target(), target())
    assert (asked.code, len(upstream.requests(key))) == ("upstream_timeout", 1)


async def test_model_without_a_price_is_asked_again_however_little_money_is_left(ask: Ask, upstream: FakeUpstream) -> None:
    key = upstream.script([wire.Reset()], wire.answer("at last"))
    free = budgets.Prices(Decimal(0), Decimal(0))
    messages = prompt(key)
    bound = budgets.max_prompt_tokens(messages)
    asked = await ask(messages, target(500), prices=[free], reserved=Reserved(bound + 500, Decimal(0)))
    assert asked.received == "at last"
