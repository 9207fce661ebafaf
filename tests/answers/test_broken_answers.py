"""Answers that break off or fail: told once, saved as far as they came, nothing held."""

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import wire
from tests.harness.answers import ledger, message, wait_until
from tests.harness.client import Client
from tests.harness.ends import check_end, figures, whole
from tests.harness.footprint import footprint
from tests.harness.people import Person
from tests.harness.site import free_port
from tests.harness.upstream import Upstream
from tests.harness.visitor import all_at_once

if TYPE_CHECKING:
    from tests.conftest import MakeUser, StartSite

CUTS_AT_ONCE = 8


# --- Interrupted -----------------------------------------------------------

BREAKS: dict[str, tuple[list[Any], str]] = {
    "reset": ([wire.Reset()], "upstream_cut"),
    "cut": ([wire.Cut()], "upstream_cut"),
    "no finish reason": ([], "upstream_cut"),
    "broken chunk": ([b'data: {"choices": [\n\n', wire.Stall()], "upstream_cut"),
    "chunk that is no chunk": ([b'data: "oops"\n\n', wire.Stall()], "upstream_cut"),
    "error object": ([wire.frame(wire.error("Sorry.")), wire.Stall()], "upstream_unavailable"),
    "rate limit inside": (
        [wire.frame(wire.error("Slow down.", code="rate_limit_exceeded")), wire.Stall()],
        "upstream_rate_limited",
    ),
    "silence": ([wire.Stall()], "upstream_timeout"),
    "comments only": ([wire.comment(), wire.Stall()], "upstream_timeout"),
}


@pytest.mark.parametrize(("steps", "code"), BREAKS.values(), ids=BREAKS)
def test_answer_that_breaks_off_is_interrupted_and_keeps_its_text(
    client: Client, upstream: Upstream, steps: wire.Script, code: str
) -> None:
    key = upstream.script(
        [wire.role(), *wire.text("some", " text"), *steps], wire.answer("never asked for")
    )
    stream = whole(client.chat(content=key))
    assert stream.text == "some text"
    row = check_end(stream, client, upstream, "interrupted", code)
    assert len(upstream.requests(key)) == 1
    if "usage" not in str(steps):
        assert row.estimated
        assert row.completion_tokens >= 2


def check_cut(client: Client, upstream: Upstream, sent: bytes, place: int, ends: list[int]) -> None:
    """Asks, cuts the answer after `place` bytes, and checks it; `ends` are those of the frames."""
    key = upstream.script([wire.HEADERS, sent[:place], wire.Cut()])
    stream = whole(client.chat(content=f"Cut at a byte: {key}"))
    # Until a blank line has come its event has not. A finish reason says that nothing is missing.
    assert stream.text == ("Hé🙂" if place >= ends[1] else "Hé" if place >= ends[0] else ""), place
    expected = "complete" if place >= ends[2] else "interrupted" if stream.text else "failed"
    (done,) = stream.named("done")
    told = (done["status"], message(stream).status, ledger(stream).outcome)
    assert told == (expected,) * 3, place
    assert message(stream).content == stream.text


def test_cut_at_every_byte_of_a_short_answer_keeps_what_came_before(
    make_user: "MakeUser", start_site: "StartSite", upstream: Upstream
) -> None:
    site, person = start_site(UPSTREAM_RETRIES="0"), make_user("alice")
    frames = [wire.frame({"choices": [{"delta": {"content": text}}]}) for text in ("Hé", "🙂")]
    frames += [wire.frame({"choices": [{"delta": {}, "finish_reason": "stop"}]}), wire.DONE]
    sent = wire.joined(frames)
    ends = [len(wire.joined(frames[: number + 1])) for number in range(3)]
    clients = [person.client_on(site) for _ in range(CUTS_AT_ONCE)]

    def check(client: Client, first: int) -> None:
        for place in range(first, len(sent), CUTS_AT_ONCE):
            check_cut(client, upstream, sent, place, ends)

    all_at_once([partial(check, client, first) for first, client in enumerate(clients)])
    left = footprint(person.requester)
    assert (left.slots, left.reservations, left.ledger) == (0, 0, len(sent))
    wait_until(lambda: upstream.running("Cut at a byte") == 0)


def test_half_a_surrogate_pair_at_the_break_is_replaced(client: Client, upstream: Upstream) -> None:
    key = upstream.script([*wire.text("a\ud83d", escape=True), wire.finish(), wire.DONE])
    stream = whole(client.chat(content=key))
    assert stream.text == "a\ufffd"
    check_end(stream, client, upstream, "complete", finish="stop")


# --- Failed ----------------------------------------------------------------


def test_server_that_is_not_there_fails_after_the_last_try(
    person: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    client = person.client_on(
        start_site(OPENAI_BASE_URL=f"http://127.0.0.1:{free_port()}/v1", UPSTREAM_RETRIES="1")
    )
    for _ in range(2):  # the slot of the first is free
        with client.chat(content="Hello") as stream:
            assert stream.status == 200
            whole(stream)
        assert [status["state"] for status in stream.named("status")] == ["retrying"]
        assert stream.named("error")[0]["code"] == "upstream_unavailable"
        assert (message(stream).status, message(stream).error_code) == (
            "failed",
            "upstream_unavailable",
        )
        assert figures(ledger(stream)) == (0, 0, False)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_trouble_that_may_pass_is_tried_again_and_then_fails(
    client: Client, upstream: Upstream, slug: str, status: int
) -> None:
    key = upstream.script(wire.refused(status))
    code = "upstream_rate_limited" if status == 429 else "upstream_unavailable"
    stream = whole(client.chat(content=key, model=slug))
    row = check_end(stream, client, upstream, "failed", code)
    assert (figures(row), row.cost_usd) == ((0, 0, False), 0)
    assert len(upstream.requests(key)) == 2
    (retrying,) = stream.named("status")
    assert (retrying["state"], retrying["attempt"], retrying["reason"], retrying["model"]) == (
        "retrying",
        2,
        code,
        slug,
    )
    assert 0.5 <= retrying["retry_in"] <= 1


REJECTIONS = {
    "400": wire.refused(400),
    "401": wire.refused(401),
    "403": wire.refused(403),
    "404": wire.refused(404),
    "too long": wire.refused(400, code="context_length_exceeded"),
    "filtered": wire.refused(400, code="content_filter"),
    "no credit": wire.refused(429, code="insufficient_quota", retry_after="1"),
    "inside the stream": [wire.frame(wire.error("Bad.", kind="invalid_request_error"))],
}


@pytest.mark.parametrize("script", REJECTIONS.values(), ids=REJECTIONS)
def test_rejection_is_not_tried_again(
    client: Client, upstream: Upstream, script: wire.Script
) -> None:
    key = upstream.script(script, wire.answer("never asked for"))
    stream = whole(client.chat(content=key))
    check_end(stream, client, upstream, "failed", "upstream_rejected")
    assert len(upstream.requests(key)) == 1
    # Who comes later is told the same.
    again = whole(client.resume(stream.answer))
    assert (again.named("error"), again.named("done")) == (
        stream.named("error"),
        stream.named("done"),
    )


def test_upstreams_own_words_are_not_shown(client: Client, upstream: Upstream) -> None:
    key = upstream.script([wire.Http(401, wire.error("Incorrect API key provided: sk-secret"))])
    assert "sk-secret" not in str(whole(client.chat(content=key)).events)


def test_answer_that_is_a_page_fails(client: Client, upstream: Upstream) -> None:
    page = wire.Http(200, b"<html>Welcome to the hotel</html>", {"content-type": "text/html"})
    check_end(
        whole(client.chat(content=upstream.script([page]))),
        client,
        upstream,
        "failed",
        "upstream_unavailable",
    )


@pytest.mark.parametrize(
    "head",
    [[], [wire.HEADERS], [wire.HEADERS, wire.role(), wire.comment()]],
    ids=["nothing", "headers", "a role"],
)
def test_silence_before_the_first_token_is_a_timeout(
    client: Client, upstream: Upstream, head: wire.Script
) -> None:
    key = upstream.script([*head, wire.Stall()])
    began = monotonic()
    stream = whole(client.chat(content=key))
    assert monotonic() - began >= 1
    row = check_end(stream, client, upstream, "failed", "upstream_timeout")
    assert row.estimated
    assert len(upstream.requests(key)) == 1


@pytest.mark.parametrize(
    "steps", [[wire.HEADERS], [wire.role(), wire.DONE]], ids=["nothing", "a role"]
)
def test_stream_that_ends_before_any_text_fails(
    client: Client, upstream: Upstream, steps: wire.Script
) -> None:
    check_end(
        whole(client.chat(content=upstream.script(steps))),
        client,
        upstream,
        "failed",
        "upstream_cut",
    )
