"""What is tried again before the first piece of text, and when; and the model that stands in."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from time import monotonic, time
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from chat.limits.budgets import estimate_prompt, max_prompt_tokens
from chat.models import ChatModel
from tests.harness import wire
from tests.harness.answers import message
from tests.harness.client import Client
from tests.harness.ends import check_end, figures, whole
from tests.harness.environment import Environment
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser


@pytest.fixture(scope="module")
def quick(environment: Environment, db_ready: None) -> Iterator[Site]:
    """A site that tries twice."""
    site = environment.start_site(UPSTREAM_RETRIES="1")
    yield site
    site.stop()


def requests_of(upstream: Upstream, key: str) -> list[float]:
    return [request.received_at for request in upstream.requests(key)]


def test_busy_model_is_asked_again_when_its_retry_after_has_passed(
    person: Person, upstream: Upstream
) -> None:
    key = upstream.script(
        wire.refused(429, retry_after="2"),
        wire.refused(429, retry_after="2"),
        wire.answer("at last"),
    )
    client = person.client
    stream = whole(client.chat(content=key))
    check_end(stream, client, upstream, "complete", finish="stop")
    first, second, third = requests_of(upstream, key)
    assert second - first >= 2
    assert third - second >= 2
    statuses = stream.named("status")
    assert [(status["state"], status["attempt"], status["reason"]) for status in statuses] == [
        ("retrying", 2, "upstream_rate_limited"),
        ("retrying", 3, "upstream_rate_limited"),
    ]
    assert all(status["retry_in"] >= 2 for status in statuses)
    assert [event.name for event in stream.events][:4] == ["start", "status", "status", "delta"]


def test_retry_after_in_milliseconds_comes_before_the_one_in_seconds(
    client: Client, upstream: Upstream
) -> None:
    key = upstream.script(
        wire.refused(429, retry_after_ms="1700", retry_after="30"), wire.answer("at last")
    )
    assert whole(client.chat(content=key)).text == "at last"
    first, second = requests_of(upstream, key)
    assert 1.7 <= second - first < 4


def test_retry_after_may_be_a_date(client: Client, upstream: Upstream) -> None:
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=3)
    key = upstream.script(
        wire.refused(503, retry_after=format_datetime(moment, usegmt=True)), wire.answer("at last")
    )
    assert whole(client.chat(content=key)).text == "at last"
    clock = time() - monotonic()
    assert requests_of(upstream, key)[1] + clock >= moment.timestamp()


@pytest.mark.parametrize(
    "absurd", ["inf", "nan", "-1", "1e999", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"]
)
def test_absurd_retry_after_is_none(client: Client, upstream: Upstream, absurd: str) -> None:
    key = upstream.script(wire.refused(429, retry_after=absurd), wire.answer("at last"))
    assert whole(client.chat(content=key)).text == "at last"


def test_wait_beyond_the_budget_fails_at_once_and_says_how_long(
    client: Client, upstream: Upstream, slug: str
) -> None:
    key = upstream.script(wire.refused(429, retry_after="3600"))
    stream = whole(client.chat(content=key, model=slug))
    assert stream.named("error")[0]["retry_after"] == 3600
    check_end(stream, client, upstream, "failed", "upstream_rate_limited")
    assert len(upstream.requests(key)) == 1


def test_connection_that_breaks_before_the_headers_is_tried_again(
    client: Client, upstream: Upstream
) -> None:
    key = upstream.script([wire.Reset()], wire.answer("at last"))
    stream = whole(client.chat(content=key))
    assert stream.text == "at last"
    row = check_end(stream, client, upstream, "complete", finish="stop")
    # The first may have been read, and is paid with an estimate of its prompt.
    assert figures(row) == (11 + estimate_prompt([{"content": key}]), 7, True)


def test_attempt_after_a_lost_one_keeps_to_the_budget(
    make_user: "MakeUser", quick: Site, upstream: Upstream
) -> None:
    person = make_user(tokens_per_day=1000)
    key = upstream.script([wire.Reset()], wire.answer("at last"))
    whole(person.client_on(quick).chat(content=key))
    first, second = (request.body["max_completion_tokens"] for request in upstream.requests(key))
    assert (first, second) == (
        1000 - max_prompt_tokens([{"content": key}]),
        first - estimate_prompt([{"content": key}]),
    )


def test_error_object_before_any_text_is_tried_again(client: Client, upstream: Upstream) -> None:
    key = upstream.script([wire.role(), wire.frame(wire.error("Sorry."))], wire.answer("at last"))
    stream = whole(client.chat(content=key))
    assert (stream.text, len(upstream.requests(key))) == ("at last", 2)
    check_end(stream, client, upstream, "complete", finish="stop")


def test_reader_that_comes_while_it_waits_is_told_so(client: Client, upstream: Upstream) -> None:
    key = upstream.script(wire.refused(429, retry_after="2"), wire.answer("at last"))
    with client.chat(content=key) as first:
        first.until("status")
        with client.resume(first.answer) as second:
            assert second.until("status").data == first.named("status")[0]
            assert whole(second).text == "at last"
        whole(first)


# --- Another model --------------------------------------------------------------


@pytest.fixture
def models() -> list[ChatModel]:
    """A model and its fallback, at different prices."""
    second = ChatModel.objects.create(slug=f"second-{uuid4()}", output_usd_per_million=Decimal(100))
    return [
        ChatModel.objects.create(
            slug=f"first-{uuid4()}", output_usd_per_million=Decimal(1), fallback=second
        ),
        second,
    ]


def test_fallback_takes_over_and_is_told_saved_and_priced(
    client: Client, upstream: Upstream, models: list[ChatModel]
) -> None:
    first, second = models
    key = upstream.script(
        wire.refused(503), wire.refused(503), wire.answer("from the second", completion=10)
    )
    stream = whole(client.chat(content=key, model=first.slug))
    assert [request.body["model"] for request in upstream.requests(key)] == [
        first.slug,
        first.slug,
        second.slug,
    ]
    retrying, fallback = stream.named("status")
    assert retrying["state"] == "retrying"
    assert (fallback["state"], fallback["reason"], fallback["model"]) == (
        "fallback",
        "upstream_unavailable",
        second.slug,
    )
    row = check_end(stream, client, upstream, "complete", finish="stop")
    assert (row.model, message(stream).model, row.cost_usd) == (
        second.slug,
        second.slug,
        Decimal("0.001"),
    )


def test_rejection_is_not_taken_to_the_fallback(
    client: Client, upstream: Upstream, models: list[ChatModel]
) -> None:
    key = upstream.script(wire.refused(400))
    check_end(
        whole(client.chat(content=key, model=models[0].slug)),
        client,
        upstream,
        "failed",
        "upstream_rejected",
    )
    assert len(upstream.requests(key)) == 1


def test_answer_that_broke_off_is_not_begun_again_by_the_fallback(
    client: Client, upstream: Upstream, models: list[ChatModel]
) -> None:
    key = upstream.script([*wire.text("some"), wire.Cut()], wire.answer("never asked for"))
    stream = whole(client.chat(content=key, model=models[0].slug))
    check_end(stream, client, upstream, "interrupted", "upstream_cut")
    assert (stream.text, len(upstream.requests(key))) == ("some", 1)


def test_fallback_that_fails_too_ends_once(
    client: Client, upstream: Upstream, models: list[ChatModel]
) -> None:
    key = upstream.script(wire.refused(503))
    stream = whole(client.chat(content=key, model=models[0].slug))
    check_end(stream, client, upstream, "failed", "upstream_unavailable")
    assert len(upstream.requests(key)) == 4
