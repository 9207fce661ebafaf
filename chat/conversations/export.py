"""A conversation as something to take along."""

from typing import Any

from django.db.models import QuerySet

from chat.models import Conversation, Message, Usage


def as_dict(conversation: Conversation) -> dict[str, Any]:
    """Export format of docs/protocol.md: the whole tree, oldest first, times in ISO 8601. `usage` is null until the answer is paid for."""
    messages = list(_messages(conversation))
    settled = Usage.objects.filter(answer__in=conversation.messages.values("pk")).exclude(outcome=Usage.Outcome.RUNNING)
    usage = {row.answer: row.figures() for row in settled}
    return {
        "id": str(conversation.pk),
        "title": conversation.title,
        "created": conversation.created.isoformat(),
        "messages": [_message(message, usage.get(message.pk)) for message in messages],
    }


def _messages(conversation: Conversation) -> QuerySet[Message]:
    # A prompt and its answer may carry the same instant.
    return conversation.messages.order_by("created", "-role", "pk")


def _message(message: Message, usage: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "id": str(message.pk),
        "parent": str(message.parent_id) if message.parent_id else None,
        "role": message.role,
        "content": message.content,
        "status": message.status,
        "model": message.model,
        "usage": usage,
        "created": message.created.isoformat(),
    }


def as_markdown(conversation: Conversation) -> str:
    """The branch that ends with the newest message; every message under a heading that says who wrote it."""
    parts = [f"# {' '.join(conversation.title.split()) or 'Conversation'}"]
    for message in _newest_branch(conversation):
        parts += [_heading(message), message.content]
    return "\n\n".join(parts) + "\n"


def _newest_branch(conversation: Conversation) -> list[Message]:
    messages = {message.pk: message for message in _messages(conversation)}
    branch: list[Message] = []
    message = next(reversed(messages.values()), None)
    while message is not None:
        branch.append(message)
        message = messages.get(message.parent_id) if message.parent_id else None
    return branch[::-1]


def _heading(message: Message) -> str:
    if message.role == Message.Role.USER:
        return "## You"
    note = "" if message.status == Message.Status.COMPLETE else f" – {message.status}"
    return f"## {message.model or 'Assistant'}{note}"
