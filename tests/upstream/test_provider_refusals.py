"""Each provider's refusal in the table is recognised by the whole site, which does what helps."""

from typing import Any
from uuid import uuid4

import pytest

from chat.errors import (
    CONTENT_FILTER,
    CONTEXT_LENGTH,
    KEY_REFUSED,
    MODEL_FORBIDDEN,
    MODEL_UNKNOWN,
    NO_CREDIT,
    AnswerError,
)
from chat.models import ChatModel, Conversation, Message
from chat.upstream.failures import Retriable, in_stream
from tests.harness import wire
from tests.harness.answers import message
from tests.harness.client import Stream
from tests.harness.ends import check_end, whole
from tests.harness.people import Person
from tests.harness.upstream import Upstream
from tests.harness.upstream_quirks import refusals as table
from tests.harness.upstream_quirks.refusals import REFUSALS

ANSWER = wire.answer("at last", prompt=11, completion=7)
REASONS = {
    table.NO_CREDIT: NO_CREDIT,
    table.FILTER: CONTENT_FILTER,
    table.KEY: KEY_REFUSED,
    table.FORBIDDEN: MODEL_FORBIDDEN,
    table.UNKNOWN_MODEL: MODEL_UNKNOWN,
}


def conversation_of(person: Person, turns: int = 3, words: str = "word " * 800) -> Conversation:
    """A conversation with so many whole turns."""
    conversation = Conversation.objects.create(user=person.user)
    parent = None
    for number in range(turns):
        prompt = Message.objects.create(
            conversation=conversation,
            role="user",
            content=f"prompt {number} {words}",
            parent=parent,
        )
        parent = Message.objects.create(
            conversation=conversation,
            role="assistant",
            content=f"answer {number} {words}",
            parent=prompt,
        )
    return conversation


def ask(
    person: Person, model: ChatModel, content: str, conversation: Conversation | None = None
) -> Stream:
    return whole(
        person.client.chat(
            content=content,
            model=model.slug,
            conversation=str(conversation.pk) if conversation else None,
        )
    )


def limits_asked(upstream: Upstream, key: str) -> list[int]:
    return [request.body["max_completion_tokens"] for request in upstream.requests(key)]


@pytest.mark.parametrize("name", table.meaning(table.TOO_LONG))
def test_long_conversation_goes_on_without_its_oldest_turns(
    person: Person, upstream: Upstream, model: ChatModel, name: str
) -> None:
    key = upstream.script(REFUSALS[name].script, ANSWER)
    stream = ask(person, model, key, conversation_of(person))
    assert stream.text == "at last"
    check_end(stream, person.client, upstream, "complete", finish="stop")
    first, second = upstream.requests(key)
    assert len(second.body["messages"]) < len(first.body["messages"])
    assert second.body["messages"][0]["role"] == "user"
    assert stream.named("done")[0]["trimmed"] == len(first.body["messages"]) - len(
        second.body["messages"]
    )


@pytest.mark.parametrize("name", table.meaning(table.TOO_LONG))
def test_prompt_that_alone_is_too_long_is_said_to_be(
    person: Person, upstream: Upstream, model: ChatModel, name: str
) -> None:
    key = upstream.script(REFUSALS[name].script)
    stream = ask(person, model, key + " word" * 20_000)
    assert message(stream).error_reason == CONTEXT_LENGTH
    assert "too long" in stream.named("error")[0]["message"]
    check_end(stream, person.client, upstream, "failed", "upstream_rejected")
    assert len(upstream.requests(key)) <= 3


@pytest.mark.parametrize(
    "name", [name for name in table.meaning(table.TOO_LONG) if REFUSALS[name].limit]
)
def test_context_that_a_refusal_names_is_kept_to_from_then_on(
    person: Person, upstream: Upstream, model: ChatModel, name: str
) -> None:
    key = upstream.script(REFUSALS[name].script, ANSWER)
    long = conversation_of(person, 12, "word " * 1200)
    assert ask(person, model, key, long).text == "at last"
    assert len(upstream.requests(key)) == 2
    again = upstream.key()
    ask(person, model, again, long)
    (sent,) = upstream.requests(again)
    total = (
        sum(len(message["content"].encode()) for message in sent.body["messages"]) // 4
        + sent.body["max_completion_tokens"]
    )
    assert total <= (REFUSALS[name].limit or 0)


@pytest.mark.parametrize("name", table.meaning(table.WHOLE, table.OUTPUT))
def test_short_prompt_is_answered_with_a_limit_that_fits_and_so_is_the_next(
    person: Person, upstream: Upstream, model: ChatModel, name: str
) -> None:
    row = REFUSALS[name]
    key = upstream.script(row.script, ANSWER)
    stream = ask(person, model, key)
    assert stream.text == "at last"
    check_end(stream, person.client, upstream, "complete", finish="stop")
    first, second = limits_asked(upstream, key)
    assert first == 16_384
    assert (
        (second == (row.limit or 4096))
        if row.means == table.OUTPUT
        else (row.limit or 0) // 2 < second < (row.limit or 0)
    )
    again = upstream.key()
    assert ask(person, model, again).status == 200
    (third,) = limits_asked(upstream, again)
    assert second - 64 <= third <= (row.limit or 4096)


@pytest.mark.parametrize(
    "name",
    table.meaning(table.NO_CREDIT, table.FILTER, table.KEY, table.FORBIDDEN, table.UNKNOWN_MODEL),
)
def test_what_no_retry_mends_is_asked_once_and_said(
    person: Person, upstream: Upstream, model: ChatModel, name: str
) -> None:
    row = REFUSALS[name]
    ChatModel.objects.filter(pk=model.pk).update(
        fallback=ChatModel.objects.create(slug=f"other-{uuid4()}")
    )
    key = upstream.script(row.script, ANSWER)
    stream = ask(person, model, key)
    ended = check_end(stream, person.client, upstream, "failed", "upstream_rejected")
    assert (message(stream).error_reason, len(upstream.requests(key))) == (REASONS[row.means], 1)
    assert (ended.prompt_tokens, ended.completion_tokens) == (0, 0)
    # Nobody waits for it: the next turn is asked at once.
    assert not ask(person, model, upstream.key()).named("status")


@pytest.mark.parametrize("name", table.meaning(table.BUSY))
def test_busy_model_is_asked_again_after_the_time_it_says(
    person: Person, upstream: Upstream, model: ChatModel, name: str
) -> None:
    row = REFUSALS[name]
    key = upstream.script(row.script, ANSWER)
    stream = ask(person, model, key)
    assert stream.text == "at last"
    (status,) = stream.named("status")
    assert (status["state"], status["reason"]) == ("retrying", "upstream_rate_limited")
    first, second = upstream.requests(key)
    assert second.received_at - first.received_at >= (row.wait or 0)


@pytest.mark.parametrize("name", table.meaning(table.PARAMETER))
def test_parameter_that_is_refused_is_left_out_and_not_sent_again(
    person: Person, upstream: Upstream, model: ChatModel, name: str
) -> None:
    key = upstream.script(REFUSALS[name].script, ANSWER)
    refused = name.partition(": ")[2]
    stream = ask(person, model, key)
    assert stream.text == "at last"
    check_end(stream, person.client, upstream, "complete", finish="stop")
    again = upstream.key()
    ask(person, model, again)
    first, second, third = *upstream.requests(key), *upstream.requests(again)
    assert refused in first.body
    assert refused not in second.body
    assert refused not in third.body
    # All else is as it was.
    dropped = {refused, "stream_options"} if refused == "stream" else {refused}
    instead = {"max_tokens"} if refused == "max_completion_tokens" else set()
    assert set(third.body) == set(first.body) - dropped | instead


@pytest.mark.parametrize("name", table.meaning(table.SYSTEM))
def test_system_prompt_goes_to_the_head_of_the_first_prompt(
    person: Person, upstream: Upstream, model: ChatModel, name: str
) -> None:
    ChatModel.objects.filter(pk=model.pk).update(system_prompt="Be kind.")
    conversation = conversation_of(person, 1, "")
    key = upstream.script(REFUSALS[name].script, ANSWER)
    assert ask(person, model, key, conversation).text == "at last"
    again = upstream.key()
    ask(person, model, again, conversation)
    for request in (*upstream.requests(key)[1:], *upstream.requests(again)):
        first, *rest = request.body["messages"]
        assert first == {"role": "user", "content": "Be kind.\n\nprompt 0 "}
        assert [each["role"] for each in rest] == [
            "assistant",
            "user",
            *["assistant", "user"] * (len(rest) // 2 - 1),
        ]
    assert len(upstream.requests(again)) == 1


def test_both_names_of_the_limit_may_be_refused(
    person: Person, upstream: Upstream, model: ChatModel
) -> None:
    refusals = [
        wire.Http(400, {"error": f"unknown field: {name}"})
        for name in ("max_completion_tokens", "max_tokens")
    ]
    key = upstream.script(*[[refusal] for refusal in refusals], ANSWER)
    assert ask(person, model, key).text == "at last"
    assert [
        [name for name in request.body if name.startswith("max")]
        for request in upstream.requests(key)
    ] == [
        ["max_completion_tokens"],
        ["max_tokens"],
        [],
    ]


def test_server_that_refuses_everything_is_not_asked_for_ever(
    person: Person, upstream: Upstream, model: ChatModel
) -> None:
    key = upstream.script(
        [wire.Http(400, table.openai("Unrecognized request argument supplied: stream_options"))]
    )
    check_end(ask(person, model, key), person.client, upstream, "failed", "upstream_rejected")
    assert len(upstream.requests(key)) == 2
    model.refresh_from_db()
    assert model.learned == {}


def test_several_refusals_one_behind_the_other_are_all_heeded(
    person: Person, upstream: Upstream, model: ChatModel
) -> None:
    names = (
        "mistral: stream_options",
        "mistral: max_completion_tokens",
        "openai: output",
        "openai: messages",
    )
    key = upstream.script(*[REFUSALS[name].script for name in names], ANSWER)
    assert ask(person, model, key, conversation_of(person)).text == "at last"
    assert len(upstream.requests(key)) == len(names) + 1


def test_what_a_program_sends_is_not_shortened_but_its_limit_is(
    person: Person, upstream: Upstream, model: ChatModel
) -> None:
    key = upstream.script(REFUSALS["vllm: whole"].script, ANSWER)
    sent = [{"role": "user", "content": "one"}, {"role": "user", "content": key}]
    assert whole(person.client.chat(messages=sent, model=model.slug)).text == "at last"
    assert [request.body["messages"] for request in upstream.requests(key)] == [sent, sent]
    key = upstream.script(REFUSALS["openai: messages"].script, ANSWER)
    stream = whole(
        person.client.chat(
            messages=[{"role": "user", "content": key + " word" * 9000}], model=model.slug
        )
    )
    assert stream.named("error")[0]["code"] == "upstream_rejected"


# --- Words that only look like a refusal ----------------------------------------

NOT_FOR_THE_PROMPT = {
    "a prompt that is quoted": (
        422,
        {
            "detail": [
                {
                    "loc": ["body", "model"],
                    "msg": "value is not known",
                    "input": "my prompt is too long: maximum context length",
                }
            ]
        },
    ),
    "a plain 400": (400, table.openai("Something is wrong.")),
    "a page": (400, b"<html>Bad request</html>"),
    "nothing": (400, b""),
    "a number": (400, 17),
    "deep": (400, [[[[[[[[[["maximum context length"]]]]]]]]]]),
}


@pytest.mark.parametrize(("status", "body"), NOT_FOR_THE_PROMPT.values(), ids=NOT_FOR_THE_PROMPT)
def test_other_refusals_stay_what_they_are(
    person: Person, upstream: Upstream, model: ChatModel, status: int, body: object
) -> None:
    key = upstream.script([wire.Http(status, body)])
    stream = ask(person, model, key, conversation_of(person))
    check_end(stream, person.client, upstream, "failed", "upstream_rejected")
    assert (message(stream).error_reason, len(upstream.requests(key))) == ("", 1)


# --- The same inside a response of status 200 -----------------------------------

UNSAID = {
    "bare 402",
    "vllm: key",
    "openai: region",
    "waf",
    "wrong address",
    "groq: minute",
    "wrong method",
    "cloudflare: 1015",
    "utf-16",
    "gbk",
}


@pytest.mark.parametrize("name", sorted(set(REFUSALS) - UNSAID))
def test_error_in_a_stream_means_what_its_words_say(name: str) -> None:
    row = REFUSALS[name]
    failure, may_cost = in_stream(row.body.decode() if isinstance(row.body, bytes) else row.body)
    assert not may_cost
    if row.means == table.BUSY:
        assert isinstance(failure, Retriable)
        assert failure.error.code == "upstream_rate_limited"
        return
    assert isinstance(failure, AnswerError)
    long = row.means in (table.TOO_LONG, table.WHOLE)
    assert (failure.code, failure.reason) == (
        "upstream_rejected",
        CONTEXT_LENGTH if long else REASONS.get(row.means, ""),
    )


TROUBLES = [
    "",
    "Internal error",
    "<html>502 Bad Gateway</html>",
    {"error": "oops"},
    {"code": 502, "message": "x"},
    [],
    3,
    None,
    {"a": {"b": 1}},
]


@pytest.mark.parametrize("error", TROUBLES, ids=str)
def test_error_that_says_nothing_may_pass_and_may_cost(error: Any) -> None:
    failure, may_cost = in_stream(error)
    assert isinstance(failure, Retriable)
    assert (failure.error.code, may_cost) == ("upstream_unavailable", True)


def test_error_in_the_stream_of_a_long_conversation_is_heeded(
    person: Person, upstream: Upstream, model: ChatModel
) -> None:
    key = upstream.script([wire.role(), wire.frame(REFUSALS["openai: messages"].body)], ANSWER)
    stream = ask(person, model, key, conversation_of(person))
    assert (stream.text, len(upstream.requests(key))) == ("at last", 2)
