"""Answers that the upstream completes: told once, saved once, paid once, nothing held."""

import itertools
from decimal import Decimal
from uuid import uuid4

import pytest

from chat.models import ChatModel
from tests.harness import wire
from tests.harness.client import Client
from tests.harness.ends import check_end, figures, whole
from tests.harness.upstream import Upstream


def test_complete_answer_is_paid_as_the_upstream_says(client: Client, upstream: Upstream) -> None:
    model = ChatModel.objects.create(
        slug=f"priced-{uuid4()}",
        input_usd_per_million=Decimal(2),
        output_usd_per_million=Decimal(8),
    )
    key = upstream.script(wire.answer("some text", prompt=1000, completion=250))
    row = check_end(
        whole(client.chat(content=key, model=model.slug)),
        client,
        upstream,
        "complete",
        finish="stop",
    )
    assert figures(row) == (1000, 250, False)
    assert row.cost_usd == Decimal("0.004")


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_finish_reason_is_told_as_the_upstream_says_it(
    client: Client, upstream: Upstream, reason: str
) -> None:
    key = upstream.script(wire.answer("some text", reason=reason))
    check_end(whole(client.chat(content=key)), client, upstream, "complete", finish=reason)


def test_complete_answer_without_usage_is_estimated(client: Client, upstream: Upstream) -> None:
    key = upstream.script([*wire.text("some", " text"), wire.finish(), wire.DONE])
    row = check_end(whole(client.chat(content=key)), client, upstream, "complete", finish="stop")
    assert row.estimated
    assert row.completion_tokens >= 2
    assert row.prompt_tokens >= 1


def test_complete_answer_may_be_empty(client: Client, upstream: Upstream) -> None:
    row = check_end(
        whole(client.chat(content=upstream.script(wire.answer()))),
        client,
        upstream,
        "complete",
        finish="stop",
    )
    assert row.first_token_ms is None


@pytest.mark.parametrize(("prompt", "completion"), [(-5, -1), (10**30, 10**30)])
def test_absurd_usage_does_not_keep_the_answer_from_its_end(
    client: Client, upstream: Upstream, prompt: int, completion: int
) -> None:
    key = upstream.script(wire.answer("some text", prompt=prompt, completion=completion))
    check_end(whole(client.chat(content=key)), client, upstream, "complete", finish="stop")


def test_absurd_finish_reason_does_not_keep_the_answer_from_its_end(
    client: Client, upstream: Upstream
) -> None:
    stream = whole(client.chat(content=upstream.script(wire.answer("some text", reason="x" * 500))))
    check_end(stream, client, upstream, "complete", finish="x" * 40)


def test_finish_reason_that_a_database_refuses_does_not_keep_the_answer_from_its_end(
    client: Client, upstream: Upstream
) -> None:
    steps = [
        *wire.text("some text"),
        wire.chunk({}, finish_reason="st\0o\ud800p", escape=True),
        wire.usage(),
        wire.DONE,
    ]
    check_end(
        whole(client.chat(content=upstream.script(steps))),
        client,
        upstream,
        "complete",
        finish="stop",
    )


def test_answer_of_4_mb_in_one_delta_is_shown_stored_and_paid_once(
    steady: Client, upstream: Upstream
) -> None:
    text = "x" * 4_000_000
    key = upstream.script(wire.answer(text))
    stream = whole(steady.chat(content=key))
    assert stream.text == text
    assert figures(check_end(stream, steady, upstream, "complete", finish="stop")) == (11, 7, False)


def in_large_writes(steps: wire.Script) -> wire.Script:
    """Some hundred deltas a write: what is tested is their number."""
    return [wire.joined(steps[start : start + 500]) for start in range(0, len(steps), 500)]


@pytest.mark.parametrize("limit", [100_000, 16_384])
def test_answer_of_100_000_deltas_is_shown_stored_and_paid_once(
    steady: Client, upstream: Upstream, limit: int
) -> None:
    model = ChatModel.objects.create(
        slug=f"own-{uuid4()}", context_tokens=10**6, max_output_tokens=limit
    )
    key = upstream.script(
        in_large_writes(wire.answer(*itertools.repeat("x", 100_000), completion=limit))
    )
    stream = whole(steady.chat(content=key, model=model.slug))
    row = check_end(stream, steady, upstream, "complete", finish="stop")
    assert (len(stream.text), row.completion_tokens) == (100_000, limit)


def test_upstream_that_keeps_to_no_limit_is_closed_by_the_site(
    steady: Client, upstream: Upstream
) -> None:
    model = ChatModel.objects.create(slug=f"own-{uuid4()}", max_output_tokens=1000)
    key = upstream.script(in_large_writes(wire.answer(*itertools.repeat("word ", 100_000))))
    stream = whole(steady.chat(content=key, model=model.slug))
    row = check_end(stream, steady, upstream, "complete", finish="length")
    assert 1000 < row.completion_tokens < 10_000
    assert row.estimated
    upstream.wait_for_close(upstream.requests(key)[0])
