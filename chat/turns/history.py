"""Chooses what a model is sent of a conversation: the turn's branch, as far as it fits.

Blocks on the database.
"""

from collections.abc import Sequence

from chat.conversations.branch import branch_to
from chat.errors import CONTENT_FILTER, CONTEXT_LENGTH
from chat.limits import budgets
from chat.models import ChatModel, Conversation, Message, Quota
from chat.turns.request import NewPrompt, Stateless, TurnRequest
from chat.upstream import learned, trimming

_PROMPT_REFUSED = frozenset({CONTEXT_LENGTH, CONTENT_FILTER})
_BRANCH_FIELDS = ("id", "parent_id", "role", "content", "error_reason", "finish_reason")

UpstreamMessages = list[dict[str, str]]


def messages_for(
    request: TurnRequest,
    model: ChatModel,
    conversation: Conversation | None,
    parent: Message | None,
    quota: Quota,
) -> tuple[UpstreamMessages, int]:
    """Returns the messages to send, and how many of the oldest are left out.

    The messages of a stateless turn are sent whole.
    """
    if isinstance(request, Stateless):
        own = [{"role": message.role, "content": message.content} for message in request.messages]
        return [*_system(model, None), *own], 0
    turns = _turns_to(conversation, parent)
    if isinstance(request, NewPrompt):
        turns.append({"role": "user", "content": request.content})
    system = _system(model, conversation)
    known = learned.applied(model)
    room = trimming.prompt_tokens_available(
        known.context_tokens, known.max_output_tokens
    ) - budgets.estimate_prompt(system)
    kept = trimming.newest(turns, room, quota.max_messages)
    return [*system, *kept], len(turns) - len(kept)


def _system(model: ChatModel, conversation: Conversation | None) -> UpstreamMessages:
    text = "\n\n".join(
        filter(None, (model.system_prompt, conversation.system_prompt if conversation else ""))
    )
    return [{"role": "system", "content": text}] if text else []


def _turns_to(conversation: Conversation | None, last: Message | None) -> UpstreamMessages:
    """Returns the branch that ends in `last`, as messages for the upstream.

    Left out are answers without text, and prompts that were refused for themselves. A prompt that
    merely got no answer stays: what follows may refer to it.
    """
    if conversation is None or last is None:
        return []
    rows = branch_to(last.id, conversation.messages.values_list(*_BRANCH_FIELDS, named=True))
    answered = [*rows[1:], None]
    return [
        {"role": row.role, "content": row.content}
        for row, answer in zip(rows, answered, strict=True)
        if row.content
        and not (
            answer
            and _refused_the_prompt(answer.content, (answer.error_reason, answer.finish_reason))
        )
    ]


def _refused_the_prompt(content: str, reasons: Sequence[str]) -> bool:
    # Sent again, such a prompt would have every later turn of the conversation refused as well.
    return not content and not _PROMPT_REFUSED.isdisjoint(reasons)
