"""What real servers put into a stream is shown, stored, paid and ended by the site as meant."""

from html import unescape
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import wire
from tests.harness.client import Client
from tests.harness.ends import check_end, figures, whole
from tests.harness.people import Person
from tests.harness.upstream import Upstream
from tests.harness.upstream_quirks.quirk import TEXT, WHOLE, Quirk
from tests.harness.upstream_quirks.stream_quirks import QUIRKS

if TYPE_CHECKING:
    from tests.conftest import StartSite

PATIENCE_SECONDS = 60


@pytest.mark.parametrize(
    "quirk", QUIRKS.values(), ids=[f"{quirk.provider}: {name}" for name, quirk in QUIRKS.items()]
)
def test_what_a_server_sends_is_taken_for_what_it_means(
    client: Client, upstream: Upstream, quirk: Quirk
) -> None:
    key = upstream.script(quirk.script)
    stream = whole(client.chat(content=key))
    assert stream.text == quirk.text
    row = check_end(stream, client, upstream, quirk.status, quirk.code, finish=quirk.finish)
    assert len(upstream.requests(key)) == quirk.asks
    if quirk.usage is None:
        assert row.estimated
    else:
        assert figures(row) == (*quirk.usage, False)


def test_connection_that_lingers_behind_a_whole_answer_is_not_waited_for(
    person: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site = start_site(UPSTREAM_IDLE_SECONDS=str(PATIENCE_SECONDS))
    key = upstream.script([*WHOLE, wire.finish(), wire.usage(), wire.Stall()])
    began = monotonic()
    stream = whole(person.client_on(site).chat(content=key))
    assert monotonic() - began < PATIENCE_SECONDS / 2
    assert stream.text == TEXT
    upstream.wait_for_close(upstream.requests(key)[0])


SIGNS_OF_LIFE = {
    "reasoning_content": {"reasoning_content": "hm"},
    "reasoning": {"reasoning": "hm"},
    "reasoning_details": {
        "content": "",
        "reasoning_details": [{"type": "reasoning.text", "text": "hm"}],
    },
    "thinking": {"thinking": "hm"},
    "thinking_blocks": {
        "content": None,
        "thinking_blocks": [{"type": "thinking", "thinking": "hm"}],
    },
    "a name of its own": {"chain_of_thought": "hm"},
    "tool calls": {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]},
    "function call": {"function_call": {"arguments": "x"}},
    "parts": {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
    "tags": {"content": "<think>hm"},
}


@pytest.mark.parametrize("delta", SIGNS_OF_LIFE.values(), ids=SIGNS_OF_LIFE)
def test_model_that_does_something_else_is_not_silent(
    client: Client, upstream: Upstream, delta: dict[str, Any]
) -> None:
    first, *others = [step for _ in range(10) for step in (wire.chunk(delta), wire.Pause(0.3))]
    closing = [wire.chunk({"content": "</think>"})] if "<think>" in str(delta) else []
    key = upstream.script([first, *others, *closing, *wire.answer(TEXT)])
    stream = whole(client.chat(content=key))
    assert stream.text.endswith(TEXT)
    check_end(stream, client, upstream, "complete", finish="stop")


def test_thoughts_are_paid_for_where_the_upstream_does_not_say_how_much(
    client: Client, upstream: Upstream
) -> None:
    thoughts = wire.text("<think>", "word " * 400, "</think>")
    key = upstream.script([*thoughts, *wire.text(TEXT), wire.finish(), wire.DONE])
    row = check_end(whole(client.chat(content=key)), client, upstream, "complete", finish="stop")
    assert row.estimated
    assert 400 <= row.completion_tokens <= 700


def test_thoughts_are_not_sent_back_with_the_next_turn(client: Client, upstream: Upstream) -> None:
    key = upstream.script(wire.answer("<think>A secret.</think>", TEXT))
    first = whole(client.chat(content=key))
    conversation = first.named("start")[0]["conversation"]
    following = upstream.key()
    whole(client.chat(content=following, conversation=conversation))
    sent = [message["content"] for message in upstream.requests(following)[0].body["messages"]]
    assert sent == [key, TEXT, following]


NOTES = {
    "stop": (wire.answer(TEXT), ""),
    "nothing": (wire.answer(), "The model said nothing."),
    "nothing but [DONE] behind thoughts": (
        [*wire.text("<think>Hm.</think>"), wire.usage(), wire.DONE],
        "The model said nothing.",
    ),
    "thought up to its limit": (
        wire.answer("<think>Hm.", reason="MAX_TOKENS"),
        "it reached its length limit before its first word",
    ),
    "held back": (
        wire.answer(reason="SAFETY"),
        "the provider's content filter held its answer back",
    ),
    "asked for a tool": (wire.answer(reason="tool_calls"), "it asked for a tool"),
    "length": (wire.answer(TEXT, reason="MAX_TOKENS"), "The answer has reached its length limit."),
    "filtered": (wire.answer(TEXT, reason="sensitive"), "content filter has cut this answer short"),
    "unknown": (
        wire.answer(TEXT, reason="moon_phase"),
        "The model ended its answer with “moon_phase”.",
    ),
    "failed": (
        wire.answer(TEXT, reason="network_error"),
        "This answer broke off. The model's server could not be reached or had a problem.",
    ),
}


@pytest.mark.parametrize(("script", "note"), NOTES.values(), ids=NOTES)
def test_end_that_is_not_as_usual_is_said_at_once_and_after_a_reload(
    client: Client, upstream: Upstream, script: wire.Script, note: str
) -> None:
    stream = whole(client.chat(content=upstream.script(script)))
    (done,) = stream.named("done")
    assert note in done.get("note", "")
    assert ("note" in done) is bool(note)
    page = unescape(client.http.get(f"/c/{stream.named('start')[0]['conversation']}/").text)
    assert f"data-note>{done.get('note', '')}</p>" in page
