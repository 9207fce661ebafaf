"""Reads the body of POST /api/chat: three shapes, with every field checked.

That happens before anything is written or counted.
"""

import hashlib
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from chat.abuse import proof_of_work
from chat.errors import InvalidRequest

_REASON_CHARS = 200
# A solution of the challenge for guests; it belongs to the request, not to the turn.
Solution = Annotated[str, msgspec.Meta(max_length=proof_of_work.MAX_CHARS)]


class NewPrompt(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Asks for the answer to a prompt, in a new conversation (None) or in an existing one.

    `parent` UNSET: the prompt follows the answer created last.
    """

    content: str
    conversation: UUID | None = None
    parent: UUID | msgspec.UnsetType | None = msgspec.UNSET
    model: str | None = None
    turn: UUID | None = None
    altcha: Solution | None = None


class Regenerate(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Asks for another answer beside the one to `regenerate`."""

    conversation: UUID
    regenerate: UUID
    model: str | None = None
    turn: UUID | None = None
    altcha: Solution | None = None


class ChatMessage(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Holds one message of a Stateless turn."""

    role: Literal["system", "user", "assistant"]
    content: str


class Stateless(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Asks for an answer to messages of which nothing is kept."""

    messages: list[ChatMessage]
    model: str | None = None
    altcha: Solution | None = None


TurnRequest = NewPrompt | Regenerate | Stateless


def parse(body: bytes) -> TurnRequest:
    """Returns the turn that `body` asks for.

    Raises InvalidRequest with a sentence that names what is wrong.
    """
    try:
        fields = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest("The body must be one JSON object in UTF-8.") from None
    shape: type[TurnRequest] = (
        Stateless if "messages" in fields else Regenerate if "regenerate" in fields else NewPrompt
    )
    try:
        request: TurnRequest = msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The reason may quote a name of the body, which may be as long as the body.
        raise InvalidRequest(f"The body is not valid: {str(error)[:_REASON_CHARS]}.") from None
    _check_texts(request)
    return request


def digest(request: TurnRequest) -> str:
    """Returns a hash that tells two bodies apart.

    The same `turn` with another digest is a conflict. An omitted field and its default give the
    same digest. The challenge's solution does not count: a turn that is sent again may need
    another.
    """
    fields = msgspec.to_builtins(request)
    del fields["altcha"]
    return hashlib.sha256(msgspec.json.encode(fields)).hexdigest()


def _check_texts(request: TurnRequest) -> None:
    if isinstance(request, NewPrompt):
        _check_prompt(request.content)
    if isinstance(request, Stateless):
        if not request.messages:
            raise InvalidRequest("There are no messages.")
        for message in request.messages:
            _check_prompt(message.content)
        if all(message.role != "user" for message in request.messages):
            raise InvalidRequest("There is no message of the user.")
    if request.model is not None and not request.model:
        raise InvalidRequest("The model's name is empty.", limit="model")


def _check_prompt(text: str) -> None:
    if not text.strip():
        raise InvalidRequest("The prompt is empty.")
    if "\0" in text:
        raise InvalidRequest("The prompt contains a NUL character.")
