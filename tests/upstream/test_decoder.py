"""The upstream's bytes become text: exact for any split, and broken where they are no answer."""

import json
from collections.abc import Sequence
from itertools import pairwise
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.upstream import event_stream
from chat.upstream.decoder import ChunkDecoder
from chat.upstream.event_stream import BrokenStream, EventDecoder
from tests.harness import wire
from tests.harness.decoded import Read, read

_NOT_KEPT = str.maketrans({"\0": "\ufffd"})
pieces = st.lists(st.text(min_size=1), min_size=1, max_size=6)
# What \uXXXX escapes may name: code units of UTF-16, with whole and with half surrogate pairs.
units = st.one_of(
    st.integers(0, 0xFFFF), st.integers(0xD800, 0xDFFF), st.sampled_from([0xD83D, 0xDE42, 0x41, 0])
)


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


# --- Any split, any text ---------------------------------------------------


@given(pieces, st.lists(st.integers(0, 10**6), max_size=12), st.booleans(), st.booleans())
def test_any_split_of_the_bytes_gives_the_same_text(
    texts: list[str], places: list[int], escape: bool, crlf: bool
) -> None:
    steps = wire.answer(*texts, escape=escape)
    data = wire.joined(wire.with_crlf(steps) if crlf else steps)
    result = read(*cut(data, places))
    assert result.text == "".join(texts).translate(_NOT_KEPT)
    assert (result.deltas, result.finish_reason, result.usage, result.done) == (
        len(texts),
        "stop",
        (11, 7),
        True,
    )


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_place_to_cut_gives_the_same_text(end: bytes) -> None:
    text = ' a\r\n[DONE]\u2028🙂é"\\'
    data = wire.joined([*wire.answer(*text), b"\n"]).replace(b"\n", end)
    for place in range(len(data)):
        assert read(data[:place], data[place:]).text == text
    assert read(*(data[place : place + 1] for place in range(len(data)))).text == text


@given(st.lists(st.lists(units, min_size=1, max_size=4), min_size=1, max_size=5))
def test_halves_of_surrogate_pairs_are_joined_and_lone_ones_replaced(
    deltas: list[list[int]],
) -> None:
    data = [
        b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n'
        % "".join(f"\\u{unit:04x}" for unit in delta).encode()
        for delta in deltas
    ]
    whole = b"".join(unit.to_bytes(2, "little") for delta in deltas for unit in delta)
    expected = whole.decode("utf-16-le", "replace").translate(_NOT_KEPT)
    assert read(*data).text == expected
    assert read(b"".join(data)).text == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["\ud83d", "\ude42"], "🙂"),
        (["a\ud83d", "", "\ude42b"], "a🙂b"),
        (["\ud83d", "x"], "\ufffdx"),
        (["\ude42", "y"], "\ufffdy"),
        (["x", "\ud83d"], "x\ufffd"),
        (["\ud83d", "\ud83d", "\ude42"], "\ufffd🙂"),
        (["a\0b", "\0"], "a\ufffdb\ufffd"),
        (["\ud83d\0"], "\ufffd\ufffd"),
    ],
)
def test_surrogates_and_nul_in_one_read_and_in_many(texts: list[str], expected: str) -> None:
    steps = wire.text(*texts, escape=True)
    assert read(*map(bytes, steps)).text == expected
    assert read(wire.joined(steps)).text == expected


def test_half_a_pair_is_held_back_until_the_other_half_comes() -> None:
    events, chunks = EventDecoder(), ChunkDecoder()
    first, second = (
        chunks.batch(events.feed(bytes(step)))
        for step in wire.text("a\ud83d", "\ude42", escape=True)
    )
    assert (first.text, second.text, chunks.rest(complete=True)) == ("a", "🙂", "")


def test_half_a_pair_survives_an_event_without_text() -> None:
    steps = [
        *wire.text("\ud83d", escape=True),
        wire.null_content(),
        wire.comment(),
        *wire.text("\ude42", escape=True),
    ]
    assert read(*map(bytes, steps)).text == "🙂"


# --- The grammar of the stream ---------------------------------------------


def test_comments_other_fields_and_a_byte_order_mark_are_passed_over() -> None:
    data = b"\xef\xbb\xbf: hi\n\n:\n\nevent: chunk\nid: 7\nretry: 10\nnonsense\n" + wire.joined(
        wire.text("a")
    )
    assert read(data).text == "a"
    assert read(*(data[place : place + 1] for place in range(len(data)))).text == "a"


def test_space_after_the_colon_may_be_left_out() -> None:
    assert read(wire.joined(wire.answer("a", "b")).replace(b"data: ", b"data:")).text == "ab"


def test_data_in_several_lines_is_one_event() -> None:
    assert read(b'data: {"choices":\ndata: [{"delta":\ndata:{"content":"a"}}]}\n\n').text == "a"


def test_event_without_its_blank_line_has_not_come() -> None:
    assert (
        read(bytes(wire.text("a")[0]), b'data: {"choices":[{"delta":{"content":"b"}}]}\n').text
        == "a"
    )


def test_nothing_counts_behind_done() -> None:
    result = read(wire.joined([*wire.text("a"), wire.DONE, *wire.text("b")]))
    assert (result.text, result.done) == ("a", True)


def test_done_inside_a_text_is_text() -> None:
    result = read(wire.joined(wire.text("[DONE]", "data: [DONE]\n\n")))
    assert (result.text, result.done) == ("[DONE]data: [DONE]\n\n", False)


def test_many_deltas_in_one_read_are_one_piece() -> None:
    events, chunks = EventDecoder(), ChunkDecoder()
    batch = chunks.batch(events.feed(wire.joined(wire.text(*"abcdef"))))
    assert (batch.text, batch.deltas) == ("abcdef", 6)


# --- What chunks may hold --------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"choices": []},
        {"choices": None},
        {"choices": None, "usage": None},
        {"choices": [{}]},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": {}, "finish_reason": None}]},
        {
            "choices": [
                {"delta": {"role": "assistant", "content": None, "tool_calls": [{"index": 0}]}}
            ]
        },
        {"choices": [{"delta": {"content": ""}}]},
        {"usage": {}},
        {
            "usage": {
                "prompt_tokens": None,
                "completion_tokens": None,
                "prompt_tokens_details": None,
            }
        },
        {"error": None},
    ],
)
def test_chunk_without_text_changes_nothing(payload: dict[str, object]) -> None:
    assert read(wire.frame(payload)) == Read()


def test_refusal_is_text() -> None:
    assert read(wire.chunk({"refusal": "No."})).text == "No."


def test_usage_is_read_wherever_it_stands() -> None:
    figures = {
        "prompt_tokens": 3,
        "completion_tokens": 5,
        "total_tokens": 8,
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    assert read(wire.chunk({"content": "a"}, usage=figures)).usage == (3, 5)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": "many", "completion_tokens": -1},
        {"prompt_tokens": 1.5, "completion_tokens": True},
        [3],
    ],
)
def test_usage_that_is_no_count_is_none_and_breaks_nothing(usage: object) -> None:
    result = read(wire.chunk({"content": "a"}, usage=usage))
    assert (result.text, result.usage, result.broken) == ("a", (None, None), False)


def test_usage_that_says_only_half_is_read_as_far_as_it_goes() -> None:
    assert read(wire.frame({"usage": {"prompt_tokens": 3, "completion_tokens": None}})).usage == (
        3,
        None,
    )


def test_error_object_is_passed_on() -> None:
    assert read(wire.frame(wire.error("Broken.", code="server_error"))).errors == [
        wire.error("Broken.", code="server_error")
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"<html>",
        b"null",
        b"[]",
        b'"text"',
        b'{"choices": {}}',
        b'{"choices": [{"delta": {"content": true}}]}',
        b'{"choices": [{"delta": {"content": "\xff"}}]}',
        pytest.param(b'{"x":' + b"[" * 100_000, id="nested too deep"),
    ],
)
def test_event_that_is_no_chunk_breaks_the_stream_behind_the_text_before_it(data: bytes) -> None:
    result = read(
        bytes(wire.text("before")[0]) + b"data: " + data + b"\n\n" + bytes(wire.text("behind")[0])
    )
    assert (result.text, result.broken) == ("before", True)


# --- Size ------------------------------------------------------------------


def test_line_without_end_breaks_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "MAX_EVENT_BYTES", 1000)
    events = EventDecoder()
    assert events.feed(b"data: " + b"x" * 900) == []
    with pytest.raises(BrokenStream):
        events.feed(b"x" * 100)


def test_bound_counts_only_the_line_that_has_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "MAX_EVENT_BYTES", 1000)
    events = EventDecoder()
    for _ in range(20):
        assert len(events.feed(b"data: " + b"x" * 500 + b"\n\n")) == 1


def test_huge_delta_in_small_reads_takes_linear_time() -> None:
    text = "x" * 2_000_000
    data = bytes(wire.text(text)[0])
    began = process_time()
    result = read(*(data[place : place + 100] for place in range(0, len(data), 100)))
    assert result.text == text
    # Joined anew at each of the 20,000 reads it would be 20 GB of copying.
    assert process_time() - began < 2


def test_event_of_many_lines_without_end_breaks_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "MAX_EVENT_BYTES", 1000)
    events = EventDecoder()
    for _ in range(4):
        assert events.feed(b"data: " + b"x" * 200 + b"\n") == []
    with pytest.raises(BrokenStream):
        events.feed(b"data: " + b"x" * 200 + b"\n")


def test_frames_of_the_harness_are_what_the_standard_library_reads() -> None:
    assert (
        json.loads(wire.text("🙂", escape=True)[0].removeprefix(b"data: "))["choices"][0]["delta"][
            "content"
        ]
        == "🙂"
    )
