"""What a turn will send, and what that costs the database."""

from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat import planning
from chat.models import Conversation, Message
from chat.planning import Plan
from chat.turn_request import Stored
from tests.harness.people import Person


def conversation_of(person: Person, messages: int) -> Conversation:
    """A conversation of that many messages, each following the one before."""
    conversation = Conversation.objects.create(user=person.user)
    parent: Message | None = None
    for number in range(messages):
        role = Message.Role.ASSISTANT if number % 2 else Message.Role.USER
        parent = Message.objects.create(conversation=conversation, parent=parent, role=role, content=f"message {number}")
    return conversation


def planned(person: Person, conversation: Conversation) -> tuple[Plan, int]:
    """The plan of one more prompt, and how many queries it took."""
    with CaptureQueriesContext(connection) as queries:
        plan = planning.plan(person.requester, Stored("and now?", conversation.id))
    return plan, len(queries)


def test_long_conversation_takes_no_more_queries_than_a_short_one(alice: Person) -> None:
    # One query a message is slow, and finds nothing where the conversation is deleted in between.
    short, long = conversation_of(alice, 2), conversation_of(alice, 40)
    planned(alice, short)  # what the operator has set is known after the first
    _, few = planned(alice, short)
    plan, many = planned(alice, long)
    assert [message["content"] for message in plan.messages] == [*(f"message {number}" for number in range(40)), "and now?"]
    assert many == few
