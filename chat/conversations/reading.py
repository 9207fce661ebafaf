"""Reading conversations for the page: the sidebar's list, and the branch that is shown.

Functions with a query block.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from chat.conversations.branch import branch_to
from chat.conversations.ending_notes import ending_note
from chat.errors import AnswerError
from chat.markdown import render
from chat.models import ChatModel, Conversation, Message, Quota, Usage
from chat.requester import Requester

SIDEBAR_LIMIT = 200
# A page of a long branch has at least so many of its newest messages: 10,000 would take the server
# five seconds, and the browser longer. It begins at a multiple of the step, so that its beginning
# stays the same while turns are added.
PAGE_MESSAGES = 200
PAGE_STEP = 100


@dataclass(frozen=True)
class Entry:
    """Holds a message as the page shows it, with its place among its siblings, counted from 1.

    Siblings are the other branches at this point.
    """

    message: Message
    place: int = 1
    count: int = 1
    previous: UUID | None = None
    next: UUID | None = None
    newest: UUID | None = None
    html: str = ""
    usage: Usage | None = None
    note: str = ""


def entries(messages: Iterable[Message], through: UUID | None = None) -> list[Entry]:
    """Returns the path from the first prompt to the newest message.

    With `through`, it goes to the newest message below that one.
    """
    known = {
        message.id: message for message in sorted(messages, key=lambda message: message.created)
    }
    children: dict[UUID | None, list[Message]] = defaultdict(list)
    for message in known.values():
        children[message.parent_id].append(message)
    leaf = known.get(through) if through else None
    leaf = leaf or next(reversed(known.values()), None)
    while leaf and children[leaf.id]:
        leaf = children[leaf.id][-1]
    path = branch_to(leaf.id if leaf else None, known.values())
    return [_entry(message, children[message.parent_id]) for message in path]


def _entry(message: Message, siblings: Sequence[Message]) -> Entry:
    place = siblings.index(message)
    return Entry(
        message=message,
        place=place + 1,
        count=len(siblings),
        previous=siblings[place - 1].id if place else None,
        next=siblings[place + 1].id if place + 1 < len(siblings) else None,
        newest=siblings[-1].id,
    )


@dataclass(frozen=True)
class Thread:
    """Holds what a page shows of a branch.

    `earlier` is the message at which the page would begin with a step more; None where nothing is
    left out.
    """

    entries: Sequence[Entry] = ()
    earlier: UUID | None = None


def thread(
    conversation: Conversation, through: UUID | None = None, since: UUID | None = None
) -> Thread:
    """Returns the end of the branch, with all that the page shows of it.

    It begins at `through` or `since` where one of them is further up. Finished answers come as
    HTML, with their usage. Two queries.
    """
    path = entries(conversation.messages.all(), through)
    first = _first_shown(path, {through, since})
    visible = path[first:]
    usage = Usage.objects.in_bulk(
        [entry.message.id for entry in visible if entry.message.role == Message.Role.ASSISTANT]
    )
    earlier = path[max(0, first - PAGE_STEP)].message.id if first else None
    return Thread([_shown(entry, usage.get(entry.message.id)) for entry in visible], earlier)


def _first_shown(path: Sequence[Entry], wanted: Container[UUID | None]) -> int:
    usual = max(0, (len(path) - PAGE_MESSAGES) // PAGE_STEP * PAGE_STEP)
    return next(
        (place for place, entry in enumerate(path[:usual]) if entry.message.id in wanted), usual
    )


def _shown(entry: Entry, usage: Usage | None) -> Entry:
    message = entry.message
    finished = message.role == Message.Role.ASSISTANT and message.status != Message.Status.STREAMING
    html = render(message.content) if finished else ""
    return replace(entry, html=html, usage=usage, note=_note(message))


def _note(message: Message) -> str:
    if message.role == Message.Role.USER or message.status == Message.Status.STREAMING:
        return ""
    error = (
        AnswerError(message.error_code, reason=message.error_reason) if message.error_code else None
    )
    has_text = bool(message.content)
    return ending_note(
        message.status,
        message.finish_reason,
        has_text=has_text,
        error=error,
        trimmed=message.trimmed,
    )


def sidebar(requester: Requester) -> tuple[list[Conversation], bool]:
    """Returns the requester's newest conversations by their last turn, at most SIDEBAR_LIMIT.

    And whether there are older ones. One query.
    """
    found = list(Conversation.objects.owned_by(requester).only("id", "title")[: SIDEBAR_LIMIT + 1])
    return found[:SIDEBAR_LIMIT], len(found) > SIDEBAR_LIMIT


def models_for(requester: Requester) -> list[ChatModel]:
    """Returns the models that the requester may choose from, the default first."""
    quota = Quota.objects.for_requester(requester)
    return sorted(quota.allowed_models(), key=lambda model: not model.is_default) if quota else []
