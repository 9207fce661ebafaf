"""What a turn will send, and what that costs the database."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat.models import ChatModel, Conversation, Message
from chat.turns import planning
from chat.turns.plan import Plan
from chat.turns.request import ChatMessage, NewPrompt, Stateless
from tests.harness.people import Person


def conversation_of(person: Person, messages: int) -> Conversation:
    """A conversation of that many messages, each following the one before."""
    conversation = Conversation.objects.create(user=person.user)
    parent: Message | None = None
    for number in range(messages):
        role = Message.Role.ASSISTANT if number % 2 else Message.Role.USER
        parent = Message.objects.create(
            conversation=conversation, parent=parent, role=role, content=f"message {number}"
        )
    return conversation


def planned(person: Person, conversation: Conversation) -> tuple[Plan, int]:
    """The plan of one more prompt, and how many queries it took."""
    with CaptureQueriesContext(connection) as queries:
        plan = planning.plan(person.requester, NewPrompt("and now?", conversation.id))
    return plan, len(queries)


def test_long_conversation_takes_no_more_queries_than_a_short_one(alice: Person) -> None:
    # One query a message is slow, and finds nothing where the conversation is deleted in between.
    short, long = conversation_of(alice, 2), conversation_of(alice, 40)
    planned(alice, short)  # what the operator has set is known after the first
    _, few = planned(alice, short)
    plan, many = planned(alice, long)
    assert [message["content"] for message in plan.messages] == [
        *(f"message {number}" for number in range(40)),
        "and now?",
    ]
    assert many == few


# --- What is left out -----------------------------------------------------------


def model_of(person: Person, context_tokens: int, **fields: object) -> ChatModel:
    """The only model that the person may use."""
    model = ChatModel.objects.create(slug=f"own-{uuid4()}", context_tokens=context_tokens, **fields)
    person.quota.models.set([model])
    return model


def test_oldest_turns_are_left_out_whole_and_counted(alice: Person) -> None:
    # An estimated 7 tokens a message, 6 for the last; half of the context is kept for the answer.
    model_of(alice, 60)
    plan, _ = planned(alice, conversation_of(alice, 8))
    assert [message["content"] for message in plan.messages] == [
        "message 6",
        "message 7",
        "and now?",
    ]
    assert plan.trimmed == 6


def test_what_the_system_prompt_takes_is_not_there_for_the_turns(alice: Person) -> None:
    model_of(alice, 60, system_prompt="Be kind. " * 4)
    plan, _ = planned(alice, conversation_of(alice, 8))
    assert [message["content"] for message in plan.messages] == ["Be kind. " * 4, "and now?"]
    assert plan.trimmed == 8


@pytest.mark.parametrize(
    ("prompt_chars", "limit"), [(4 * 96, 800), (4 * 296, 500), (4 * 5000, 500)]
)
def test_limit_of_the_answer_fits_into_the_context_beside_the_prompt(
    alice: Person, prompt_chars: int, limit: int
) -> None:
    model_of(alice, 1000, max_output_tokens=16_384)
    assert (
        planning.plan(alice.requester, NewPrompt("x" * prompt_chars)).targets[0].max_output_tokens
        == limit
    )


def test_quota_of_messages_leaves_out_whole_turns_too(alice: Person) -> None:
    alice.quota.max_messages = 4
    alice.quota.save()
    plan, _ = planned(alice, conversation_of(alice, 8))
    assert [message["content"] for message in plan.messages] == [
        "message 6",
        "message 7",
        "and now?",
    ]


def test_last_prompt_is_sent_however_long_it_is(alice: Person) -> None:
    model_of(alice, 10)
    plan = planning.plan(alice.requester, NewPrompt("x" * 1000))
    assert ([len(message["content"]) for message in plan.messages], plan.trimmed) == ([1000], 0)


def test_what_a_program_sends_is_sent_whole(alice: Person) -> None:
    model_of(alice, 10)
    messages = [ChatMessage("user", f"message {number}") for number in range(9)]
    plan = planning.plan(alice.requester, Stateless(messages))
    assert (len(plan.messages), plan.trimmed) == (9, 0)


def test_only_a_turn_that_a_budget_counts_has_something_reserved(alice: Person) -> None:
    assert planning.plan(alice.requester, NewPrompt("hello")).reserved is None
    alice.quota.tokens_per_day = 1000
    alice.quota.save()
    plan = planning.plan(alice.requester, NewPrompt("hello"))
    assert plan.reserved is not None
    assert plan.reserved.tokens == plan.admission_request().tokens == 1000
