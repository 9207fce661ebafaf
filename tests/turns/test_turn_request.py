"""The body of POST /api/chat: what is a turn, and what is refused with a sentence that names what is wrong."""

import json
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import InvalidRequest
from chat.turns.request import Again, PlainMessage, Stateless, Stored, digest, parse

ID = "6f2c1a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b"
OTHER = "7f2c1a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b"
AGAIN = {"conversation": ID, "regenerate": OTHER}

# Each body, and a word that the refusal's message has in it. tests/turns/test_refusals.py sends them to a site too.
INVALID: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "JSON object"),
    "no JSON": (b"hello", "JSON object"),
    "half of it": (b'{"content": "hi"', "JSON object"),
    "something behind it": (b'{"content": "hi"} x', "JSON object"),
    "null": (b"null", "JSON object"),
    "a list": (b'[{"content": "hi"}]', "JSON object"),
    "a text": (b'"hi"', "JSON object"),
    "no UTF-8": (b'{"content": "caf\xe9"}', "not valid"),
    "no UTF-8 in a name": (b'{"\xff": 1, "content": "hi"}', "JSON object"),
    "UTF-16": ('{"content": "hi"}'.encode("utf-16"), "JSON object"),
    "a byte order mark": (b'\xef\xbb\xbf{"content": "hi"}', "JSON object"),
    "a list nested too deep": (b'{"content": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "JSON object"),
    "objects nested too deep": (b'{"content": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}", "JSON object"),
    "nested too deep without an end": (b"[" * 100_000, "JSON object"),
    "a high surrogate alone": (b'{"content": "a\\ud83d"}', "UTF-8"),
    "a low surrogate alone": (b'{"content": "a\\ude00 b"}', "UTF-8"),
    "surrogates the wrong way round": (b'{"content": "\\ude00\\ud83d"}', "UTF-8"),
    "a surrogate in UTF-8": (b'{"content": "\xed\xa0\xbd"}', "not valid"),
    "NUL": (b'{"content": "a\\u0000b"}', "NUL"),
    "a raw control character": (b'{"content": "a\x00b"}', "UTF-8"),
    "no content": (b"{}", "content"),
    "content null": (b'{"content": null}', "content"),
    "content a number": (b'{"content": 5}', "content"),
    "content a list": (b'{"content": ["hi"]}', "content"),
    "content true": (b'{"content": true}', "content"),
    "content empty": (b'{"content": ""}', "empty"),
    "content blank": (b'{"content": " \\t\\n\\u00a0\\u3000 "}', "empty"),
    "conversation no uuid": (b'{"content": "hi", "conversation": "1"}', "conversation"),
    "conversation a number": (b'{"content": "hi", "conversation": 1}', "conversation"),
    "conversation empty": (b'{"content": "hi", "conversation": ""}', "conversation"),
    "parent no uuid": (b'{"content": "hi", "parent": "last"}', "parent"),
    "parent a number": (b'{"content": "hi", "parent": 0}', "parent"),
    "model a number": (b'{"content": "hi", "model": 4}', "model"),
    "model empty": (b'{"content": "hi", "model": ""}', "model"),
    "turn no uuid": (b'{"content": "hi", "turn": "1"}', "turn"),
    "turn a number": (b'{"content": "hi", "turn": 1}', "turn"),
    "an unknown field": (b'{"content": "hi", "temperature": 2}', "temperature"),
    "a field in capitals": (b'{"Content": "hi"}', "Content"),
    "content and messages": (b'{"content": "hi", "messages": [{"role": "user", "content": "hi"}]}', "content"),
    "content and regenerate": (json.dumps({"content": "hi", **AGAIN}).encode(), "content"),
    "messages and regenerate": (json.dumps({"messages": [{"role": "user", "content": "hi"}], **AGAIN}).encode(), "not valid"),
    "regenerate alone": (json.dumps({"regenerate": ID}).encode(), "conversation"),
    "regenerate in no conversation": (json.dumps({"regenerate": ID, "conversation": None}).encode(), "conversation"),
    "regenerate null": (json.dumps({"regenerate": None, "conversation": ID}).encode(), "regenerate"),
    "regenerate with a parent": (json.dumps({**AGAIN, "parent": ID}).encode(), "parent"),
    "no messages": (b'{"messages": []}', "no messages"),
    "messages null": (b'{"messages": null}', "messages"),
    "messages an object": (b'{"messages": {"role": "user", "content": "hi"}}', "messages"),
    "a message that is a text": (b'{"messages": ["hi"]}', "messages"),
    "a message without a role": (b'{"messages": [{"content": "hi"}]}', "role"),
    "a message without content": (b'{"messages": [{"role": "user"}]}', "content"),
    "a message with content in parts": (b'{"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}', "content"),
    "a message with a name": (b'{"messages": [{"role": "user", "content": "hi", "name": "Al"}]}', "name"),
    "an unknown role": (b'{"messages": [{"role": "tool", "content": "hi"}]}', "role"),
    "a role in capitals": (b'{"messages": [{"role": "User", "content": "hi"}]}', "role"),
    "a role that is null": (b'{"messages": [{"role": null, "content": "hi"}]}', "role"),
    "a blank message": (b'{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": " "}]}', "empty"),
    "NUL in a message": (b'{"messages": [{"role": "system", "content": "\\u0000"}, {"role": "user", "content": "hi"}]}', "NUL"),
    "no message of the user": (b'{"messages": [{"role": "system", "content": "hi"}]}', "user"),
    "messages with a turn": (json.dumps({"messages": [{"role": "user", "content": "hi"}], "turn": ID}).encode(), "turn"),
    "messages in a conversation": (json.dumps({"messages": [{"role": "user", "content": "hi"}], "conversation": ID}).encode(), "conv"),
}


def parsed(body: Any) -> Stored | Again | Stateless:
    return parse(json.dumps(body).encode())


@pytest.mark.parametrize(("body", "word"), INVALID.values(), ids=INVALID)
def test_a_body_that_is_no_turn_is_refused_with_a_sentence_that_says_why(body: bytes, word: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(body)
    assert word in caught.value.message


def test_a_prompt_alone_is_a_turn_in_a_new_conversation() -> None:
    assert parsed({"content": "hi"}) == Stored("hi")
    assert parsed({"content": "hi", "conversation": None, "parent": None, "model": None, "turn": None}) == Stored("hi", parent=None)


def test_no_parent_is_told_from_a_parent_that_is_null() -> None:
    absent, null = parsed({"content": "hi"}), parsed({"content": "hi", "parent": None})
    assert isinstance(absent, Stored)
    assert isinstance(null, Stored)
    assert (absent.parent, null.parent) == (msgspec.UNSET, None)


def test_every_field_of_a_stored_turn_is_read() -> None:
    body = {"content": " hi\r\n", "conversation": ID, "parent": OTHER, "model": "gpt-4o", "turn": ID.upper()}
    assert parsed(body) == Stored(" hi\r\n", UUID(ID), UUID(OTHER), "gpt-4o", UUID(ID))


def test_an_answer_is_asked_for_again() -> None:
    assert parsed({**AGAIN, "model": "gpt-4o", "turn": ID}) == Again(UUID(ID), UUID(OTHER), "gpt-4o", UUID(ID))


def test_messages_are_a_stateless_turn() -> None:
    messages = [{"role": role, "content": role} for role in ("system", "user", "assistant", "user")]
    roles: list[Any] = ["system", "user", "assistant", "user"]
    assert parsed({"messages": messages}) == Stateless([PlainMessage(role, role) for role in roles])


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip), st.booleans())
def test_a_prompt_is_read_exactly(text: str, escape: bool) -> None:
    request = parse(json.dumps({"content": text}, ensure_ascii=escape).encode())
    assert isinstance(request, Stored)
    assert request.content == text


@given(st.binary(max_size=300))
def test_whatever_is_sent_is_a_turn_or_a_refusal(body: bytes) -> None:
    with suppress(InvalidRequest):
        parse(body)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([ID, "user"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content"]), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = ["content", "conversation", "parent", "model", "turn", "regenerate", "messages", "other"]


@given(st.dictionaries(st.sampled_from(_FIELDS), _json, max_size=5))
def test_any_object_is_a_turn_or_a_refusal(body: dict[str, Any]) -> None:
    with suppress(InvalidRequest):
        parse(json.dumps(body).encode())


def test_a_refusal_does_not_repeat_a_long_body() -> None:
    for body in ({"x" * 10_000: 1, "content": "hi"}, {"messages": [{"role": "x" * 10_000, "content": "hi"}]}):
        with pytest.raises(InvalidRequest) as caught:
            parsed(body)
        assert len(caught.value.message) < 300


def test_an_omitted_field_and_its_default_are_one_turn() -> None:
    assert digest(parsed({"content": "hi", "turn": ID})) == digest(
        parsed({"turn": ID, "model": None, "conversation": None, "content": "hi"})
    )


@pytest.mark.parametrize(
    "other",
    [
        {"content": "ho"},
        {"content": "hi", "parent": None},
        {"content": "hi", "parent": ID},
        {"content": "hi", "conversation": ID},
        {"content": "hi", "model": "gpt-4o"},
        {"content": "hi "},
    ],
)
def test_any_difference_makes_another_turn(other: dict[str, Any]) -> None:
    assert digest(parsed({"content": "hi"})) != digest(parsed(other))


def test_shapes_are_told_apart() -> None:
    assert len({digest(parsed(AGAIN)), digest(parsed({**AGAIN, "regenerate": ID})), digest(parsed({"content": ID}))}) == 3
