"""Finds answers that exist: one to read, or the one that an earlier copy of a turn began.

Blocks on the database.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chat.errors import NotFound, TurnConflict
from chat.models import Conversation, Message, Usage
from chat.requester import Requester
from chat.turns.request import Stateless, TurnRequest, digest


@dataclass(frozen=True)
class ExistingAnswer:
    """Holds an answer that exists already.

    `start` is the payload of its `start` event, `owner` the id of the worker that runs it ("" for
    none).
    """

    message: Message
    start: dict[str, Any]
    owner: str


def find_answer(requester: Requester, answer_id: UUID) -> ExistingAnswer:
    """Returns the requester's own answer.

    Raises NotFound for what does not exist, is not theirs, or is not an answer.
    """
    answers = Message.objects.owned_by(requester).answers()
    message = answers.filter(id=answer_id).select_related("conversation").first()
    if message is None:
        raise NotFound("There is no such answer, or it is not yours.")
    return _existing(message)


def find_turn(requester: Requester, turn_request: TurnRequest) -> ExistingAnswer | None:
    """Returns the answer that the same turn began earlier, if any.

    Raises TurnConflict when it had another body.
    """
    if isinstance(turn_request, Stateless) or turn_request.turn is None:
        return None
    turns = Message.objects.turns_of(requester).filter(turn=turn_request.turn)
    message = turns.select_related("conversation").first()
    if message is None:
        return None
    if message.turn_digest != digest(turn_request):
        raise TurnConflict("This turn was sent before with another body.")
    return _existing(message)


def start_payload(
    conversation: Conversation, prompt: UUID | None, answer: UUID, model: str
) -> dict[str, Any]:
    """Returns the payload of an answer's `start` event."""
    title = conversation.title
    return {
        "conversation": conversation.id,
        "message": prompt,
        "answer": answer,
        "model": model,
        "title": title,
    }


def _existing(message: Message) -> ExistingAnswer:
    owner = Usage.objects.filter(answer=message.id).values_list("worker", flat=True).first() or ""
    start = start_payload(message.conversation, message.parent_id, message.id, message.model)
    return ExistingAnswer(message, start, owner)
