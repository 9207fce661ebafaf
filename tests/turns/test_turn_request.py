"""The body of POST /api/chat: what is a turn, and which sentence refuses what is not."""

import json
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.errors import InvalidRequest
from chat.turns.request import ChatMessage, NewPrompt, Regenerate, Stateless, digest, parse
from tests.harness.invalid_bodies import AGAIN, ID, INVALID, OTHER


def parsed(body: Any) -> NewPrompt | Regenerate | Stateless:
    return parse(json.dumps(body).encode())


@pytest.mark.parametrize(("body", "word"), INVALID.values(), ids=INVALID)
def test_a_body_that_is_no_turn_is_refused_with_a_sentence_that_says_why(
    body: bytes, word: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(body)
    assert word in caught.value.message


def test_a_prompt_alone_is_a_turn_in_a_new_conversation() -> None:
    assert parsed({"content": "hi"}) == NewPrompt("hi")
    assert parsed(
        {"content": "hi", "conversation": None, "parent": None, "model": None, "turn": None}
    ) == NewPrompt("hi", parent=None)


def test_no_parent_is_told_from_a_parent_that_is_null() -> None:
    absent, null = parsed({"content": "hi"}), parsed({"content": "hi", "parent": None})
    assert isinstance(absent, NewPrompt)
    assert isinstance(null, NewPrompt)
    assert (absent.parent, null.parent) == (msgspec.UNSET, None)


def test_every_field_of_a_stored_turn_is_read() -> None:
    body = {
        "content": " hi\r\n",
        "conversation": ID,
        "parent": OTHER,
        "model": "gpt-4o",
        "turn": ID.upper(),
    }
    assert parsed(body) == NewPrompt(" hi\r\n", UUID(ID), UUID(OTHER), "gpt-4o", UUID(ID))


def test_an_answer_is_asked_for_again() -> None:
    assert parsed({**AGAIN, "model": "gpt-4o", "turn": ID}) == Regenerate(
        UUID(ID), UUID(OTHER), "gpt-4o", UUID(ID)
    )


def test_messages_are_a_stateless_turn() -> None:
    messages = [{"role": role, "content": role} for role in ("system", "user", "assistant", "user")]
    roles: list[Any] = ["system", "user", "assistant", "user"]
    assert parsed({"messages": messages}) == Stateless([ChatMessage(role, role) for role in roles])


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
        str.strip
    ),
    st.booleans(),
)
def test_a_prompt_is_read_exactly(text: str, escape: bool) -> None:
    request = parse(json.dumps({"content": text}, ensure_ascii=escape).encode())
    assert isinstance(request, NewPrompt)
    assert request.content == text


@given(st.binary(max_size=300))
def test_whatever_is_sent_is_a_turn_or_a_refusal(body: bytes) -> None:
    with suppress(InvalidRequest):
        parse(body)


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([ID, "user"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content"]), inner, max_size=3)
    ),
    max_leaves=8,
)
_FIELDS = ["content", "conversation", "parent", "model", "turn", "regenerate", "messages", "other"]


@given(st.dictionaries(st.sampled_from(_FIELDS), _json, max_size=5))
def test_any_object_is_a_turn_or_a_refusal(body: dict[str, Any]) -> None:
    with suppress(InvalidRequest):
        parse(json.dumps(body).encode())


def test_a_refusal_does_not_repeat_a_long_body() -> None:
    for body in (
        {"x" * 10_000: 1, "content": "hi"},
        {"messages": [{"role": "x" * 10_000, "content": "hi"}]},
    ):
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
    assert (
        len(
            {
                digest(parsed(AGAIN)),
                digest(parsed({**AGAIN, "regenerate": ID})),
                digest(parsed({"content": ID})),
            }
        )
        == 3
    )
