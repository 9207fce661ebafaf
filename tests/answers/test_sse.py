"""Frames as the WHATWG grammar reads them, whatever the text in them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.answers import sse
from tests.harness.sse import Decoder, Event

TEXTS = [
    "plain",
    " leading and trailing ",
    "two\n\nlines",
    "data: [DONE]\n\nevent: done\n\n",
    "a\r\nb\rc\x0b\x0c\x1c\x85",
    "\u2028 and \u2029",
    "🙂 é 汉字 \U0010ffff",
    '"quoted" \\ back \\u0041 \t tab \x00 \x7f',
    "<script>&amp;</script>",
    "\ufeff",
]
texts = st.one_of(st.sampled_from(TEXTS), st.text())


def the_event(frame: bytes) -> Event:
    """The one event of a frame, in which nothing else stands."""
    decoder = Decoder()
    (event,) = decoder.feed(frame)
    assert decoder.rest == b""
    return event


@given(texts, st.integers(0, 10**12))
def test_delta_carries_any_text_exactly_with_the_cursor_as_id(text: str, cursor: int) -> None:
    event = the_event(sse.delta(text, cursor))
    assert (event.name, event.id, event.data["text"]) == ("delta", str(cursor), text)
    assert set(event.data) <= {"text", "pad"}


@given(texts, st.integers(0, 10**12))
def test_size_of_a_delta_tells_only_how_many_blocks_it_fills(text: str, cursor: int) -> None:
    assert len(sse.delta(text, cursor)) % sse.PAD_BYTES == 0


def test_short_tokens_cannot_be_told_apart_by_size() -> None:
    assert len({len(sse.delta("x" * length, 100)) for length in range(1, 16)}) == 1


@given(
    st.dictionaries(texts, st.one_of(texts, st.none(), st.integers(-(2**53), 2**53), st.booleans()))
)
def test_event_carries_any_payload_exactly(payload: dict[str, object]) -> None:
    event = the_event(sse.event("status", payload))
    assert (event.name, event.id, event.data) == ("status", None, payload)


@given(texts)
def test_frame_ends_in_one_blank_line_and_holds_no_other_line_end(text: str) -> None:
    for frame in (sse.delta(text, 7), sse.event("done", {"html": text}, 7)):
        assert frame.endswith(b"\n\n")
        assert frame.count(b"\n") == 4
        assert b"\r" not in frame


def test_event_with_a_cursor_names_it_as_id() -> None:
    assert (
        sse.event("done", {"status": "complete"}, 12)
        == b'event: done\nid: 12\ndata: {"status":"complete"}\n\n'
    )


def test_end_is_the_frame_that_openai_clients_know() -> None:
    assert the_event(sse.END).is_end


def test_ping_is_a_comment_and_no_event() -> None:
    assert the_event(sse.PING).name == "comment"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64])
def test_frames_survive_any_cut_of_the_bytes(size: int) -> None:
    stream = b"".join(
        (
            sse.event("start", {"title": "é"}),
            *(sse.delta(text, 1) for text in TEXTS),
            sse.PING,
            sse.END,
        )
    )
    decoder = Decoder()
    events = [
        event
        for start in range(0, len(stream), size)
        for event in decoder.feed(stream[start : start + size])
    ]
    assert [event.data["text"] for event in events if event.name == "delta"] == TEXTS
    assert events[-1].is_end


def test_payload_is_json_of_the_standard_library_too() -> None:
    line = sse.delta("\u2028🙂\x00", 1).split(b"\n")[2]
    assert json.loads(line.removeprefix(b"data: "))["text"] == "\u2028🙂\x00"
