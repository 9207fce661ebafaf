"""What is tried again and what is not, for how long, and what is left out."""

import asyncio
import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from chat.errors import CONTENT_FILTER, CONTEXT_LENGTH, KEY_REFUSED, NO_CREDIT
from chat.limits import budgets
from chat.upstream import waits
from chat.upstream.cost import Reserved
from tests.harness import wire
from tests.harness.calls import Ask, prompt, sent, target
from tests.harness.upstream import Upstream as FakeUpstream

pytestmark = pytest.mark.usefixtures("quick_retries")


# --- A context that is too long ---------------------------------------------------


TOO_LONG = {
    "OpenAI": wire.refused(400, code="context_length_exceeded"),
    "llama.cpp": wire.refused(400, kind="exceed_context_size_error"),
    "vLLM": [
        wire.Http(
            400,
            wire.error(
                "This model's maximum context length is 4096 tokens.", kind="BadRequestError"
            ),
        )
    ],
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
    assert [
        (status["state"], status["reason"], status["retry_in"]) for status in asked.statuses
    ] == [("retrying", CONTEXT_LENGTH, 0)]
    assert (asked.bill.prompt_tokens, asked.bill.estimated) == (11, False)


async def test_it_is_cut_once_and_in_the_middle_of_no_turn(
    ask: Ask, upstream: FakeUpstream
) -> None:
    key = upstream.script(wire.refused(400, code="context_length_exceeded"))
    asked = await ask(prompt(key, "x" * 900, "y" * 900, "short", "answer"))
    assert sent(upstream, key)[1:] == [["short", "answer", key]]
    assert asked.error is not None
    assert (asked.error.code, asked.error.reason, asked.call.trimmed) == (
        "upstream_rejected",
        CONTEXT_LENGTH,
        2,
    )
    assert asked.bill.cost_usd == 0


async def test_smaller_model_that_stands_in_is_sent_what_it_can_read(
    ask: Ask, upstream: FakeUpstream
) -> None:
    key = upstream.script(wire.refused(503, retry_after="30"), wire.answer("from the second"))
    asked = await ask(
        prompt(key, "x" * 900, "y" * 900, "short", "answer"),
        target(),
        replace(target(), context_tokens=100),
    )
    assert [len(messages) for messages in sent(upstream, key)] == [5, 3]
    assert (asked.received, asked.call.trimmed) == ("from the second", 2)


@pytest.mark.parametrize("stored", [True, False], ids=["only a prompt", "what a program sends"])
async def test_where_nothing_may_be_left_out_it_is_a_rejection(
    ask: Ask, upstream: FakeUpstream, stored: bool
) -> None:
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
async def test_rejection_is_not_tried_again_and_says_why(
    ask: Ask, upstream: FakeUpstream, script: wire.Script, reason: str
) -> None:
    key = upstream.script(script, wire.answer("never asked for"))
    asked = await ask(prompt(key), target(), target())
    assert asked.error is not None
    assert (asked.code, asked.error.reason, len(upstream.requests(key))) == (
        "upstream_rejected",
        reason,
        1,
    )


# --- What is no answer ------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirect_is_not_followed(ask: Ask, upstream: FakeUpstream, status: int) -> None:
    key = upstream.script(
        [wire.Http(status, b"", {"location": "/v1/chat/completions"})],
        wire.answer("from elsewhere"),
    )
    asked = await ask(prompt(key))
    assert (asked.code, asked.received, len(upstream.requests(key))) == (
        "upstream_unavailable",
        "",
        1,
    )
    assert asked.bill.cost_usd == 0


async def drip(gates: list[wire.Gate]) -> None:
    for gate in gates:
        await asyncio.sleep(0.25)
        gate.open()


async def test_response_that_is_no_http_is_tried_again(ask: Ask, upstream: FakeUpstream) -> None:
    key = upstream.script([wire.Http(200, b"", {"x-long": "a" * 20_000})], wire.answer("text"))
    asked = await ask(prompt(key))
    assert (asked.code, asked.received, asked.states) == ("", "text", ["retrying"])


async def test_connection_that_breaks_behind_done_takes_nothing_from_the_answer(
    ask: Ask, upstream: FakeUpstream
) -> None:
    key = upstream.script([*wire.answer("text"), wire.Reset()])
    asked = await ask(prompt(key))
    assert (asked.code, asked.received, asked.call.finish_reason) == ("", "text", "stop")


async def test_retry_after_as_a_date_of_any_form_is_in_universal_time(
    ask: Ask, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    date = time.strftime(
        "%a %b %d %H:%M:%S %Y", time.gmtime(time.time() + 600)
    )  # asctime, as RFC 9110 allows it
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


async def test_model_that_thinks_aloud_before_it_speaks_is_not_silent_and_is_paid_for_it(
    ask: Ask, upstream: FakeUpstream
) -> None:
    gates = [wire.Gate() for _ in range(12)]
    thoughts = [step for gate in gates for step in (gate, wire.chunk({"reasoning_content": "hm "}))]
    key = upstream.script([*thoughts, *wire.text("Yes."), wire.Cut()])
    dripping = asyncio.create_task(drip(gates))
    asked = await ask(prompt(key))
    await dripping
    assert (asked.code, asked.received) == ("upstream_cut", "Yes.")
    assert asked.call.attempts[0].reasoning_deltas == 12
    assert len(upstream.requests(key)) == 1


async def test_large_delta_that_comes_slowly_is_no_silence(
    ask: Ask, upstream: FakeUpstream
) -> None:
    gates = [wire.Gate() for _ in range(12)]
    large = wire.joined(wire.text("x" * 12_000))
    pieces = [large[start : start + 1000] for start in range(0, len(large), 1000)]
    steps = [step for pair in zip(pieces, gates, strict=False) for step in pair]
    key = upstream.script(
        [*wire.text("so far "), *steps, *pieces[len(gates) :], *wire.answer()[1:]]
    )
    dripping = asyncio.create_task(drip(gates))
    asked = await ask(prompt(key))
    assert (asked.code, asked.received) == ("", "so far " + "x" * 12_000)
    await dripping


# --- Bounded ----------------------------------------------------------------------


async def test_waits_grow_and_half_of_each_is_fixed(
    ask: Ask, upstream: FakeUpstream, settings: Any
) -> None:
    settings.UPSTREAM_RETRIES = 4
    asked = await ask(prompt(upstream.script(wire.refused(503))))
    assert len(asked.statuses) == 4
    backoffs = [[waits.backoff(attempt) for _ in range(200)] for attempt in range(1, 12)]
    ceilings = [min(8.0, 0.01 * 2**attempt) for attempt in range(1, 12)]
    for sample, ceiling in zip(backoffs, ceilings, strict=True):
        assert min(sample) >= ceiling / 2
        assert max(sample) <= ceiling
        assert max(sample) - min(sample) > ceiling / 4


async def test_nobody_waits_long_where_another_model_stands_in(
    ask: Ask, upstream: FakeUpstream
) -> None:
    key = upstream.script(wire.refused(503, retry_after="30"), wire.answer("from the second"))
    asked = await ask(prompt(key), target(), target())
    assert (asked.received, asked.states) == ("from the second", ["fallback"])


async def test_no_other_model_is_asked_when_the_time_is_over(
    ask: Ask, upstream: FakeUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "RETRY_BUDGET_SECONDS", 0.5)
    key = upstream.script([wire.Stall()], wire.answer("never asked for"))
    asked = await ask(prompt(key), target(), target())
    assert (asked.code, len(upstream.requests(key))) == ("upstream_timeout", 1)


async def test_model_without_a_price_is_asked_again_however_little_money_is_left(
    ask: Ask, upstream: FakeUpstream
) -> None:
    key = upstream.script([wire.Reset()], wire.answer("at last"))
    free = budgets.Prices(Decimal(0), Decimal(0))
    messages = prompt(key)
    bound = budgets.max_prompt_tokens(messages)
    asked = await ask(
        messages, target(500), prices=[free], reserved=Reserved(bound + 500, Decimal(0))
    )
    assert asked.received == "at last"
