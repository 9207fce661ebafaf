"""A conversation in the formats of its export."""

from typing import Any

from chat.conversations.branch import branch_to
from chat.models import Conversation, Message, Usage
from chat.models.usage import usage_payload


def as_dict(conversation: Conversation) -> dict[str, Any]:
    """Returns the export format of docs/protocol.md: the whole tree, oldest first.

    Times are in ISO 8601; `usage` is null until the answer is settled.
    """
    messages = list(conversation.messages.oldest_first())
    settled = Usage.objects.filter(answer__in=conversation.messages.values("pk")).exclude(
        outcome=Usage.Outcome.RUNNING
    )
    usage = {row.answer: usage_payload(row) for row in settled}
    return {
        "id": str(conversation.pk),
        "title": conversation.title,
        "created": conversation.created.isoformat(),
        "messages": [_message(message, usage.get(message.pk)) for message in messages],
    }


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
    """Returns the branch that ends with the newest message as Markdown.

    The heading of each message says who wrote it.
    """
    parts = [f"# {' '.join(conversation.title.split()) or 'Conversation'}"]
    messages = list(conversation.messages.oldest_first())
    for message in branch_to(messages[-1].id if messages else None, messages):
        parts += [_heading(message), message.content]
    return "\n\n".join(parts) + "\n"


def _heading(message: Message) -> str:
    if message.role == Message.Role.USER:
        return "## You"
    note = "" if message.status == Message.Status.COMPLETE else f" – {message.status}"
    return f"## {message.model or 'Assistant'}{note}"
