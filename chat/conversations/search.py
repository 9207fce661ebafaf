"""Finding one's own conversations by title and text."""

from dataclasses import dataclass

from django.db.models import OuterRef, Q, Subquery

from chat.folding import find_folded, fold
from chat.models import Conversation, Message
from chat.requester import Requester

MAX_HITS = 50
_MAX_QUERY_CHARS = 200
_BEFORE, _AFTER = 60, 140  # characters shown around a match


@dataclass(frozen=True)
class Hit:
    """Holds a conversation, and the text around the match in three pieces, not yet escaped."""

    conversation: Conversation
    before: str
    match: str
    after: str


def clean_query(text: str) -> str:
    """Returns the query on one line, at most _MAX_QUERY_CHARS long.

    Without NUL, which PostgreSQL refuses.
    """
    return " ".join(text.replace("\0", " ").split())[:_MAX_QUERY_CHARS].strip()


def search_conversations(requester: Requester, query: str) -> list[Hit]:
    """Returns at most MAX_HITS of the requester's conversations that match, the latest first.

    None for an empty query. One query of the database.
    """
    if not query:
        return []
    messages = Message.objects.filter(
        _contains("content", query), conversation=OuterRef("pk")
    ).order_by("-created")
    found = Conversation.objects.owned_by(requester).annotate(
        text=Subquery(messages.values("content")[:1])
    )
    found = found.filter(_contains("title", query) | Q(text__isnull=False)).order_by(
        "-updated", "pk"
    )
    return [
        _hit(conversation, getattr(conversation, "text", None) or "", query)
        for conversation in found[:MAX_HITS]
    ]


def _contains(field: str, query: str) -> Q:
    """Returns the condition that the query is in the field, in any case.

    A text in ASCII has no fold beside it, and needs none.
    """
    folded = fold(query)
    found = Q(**{f"{field}_folded__contains": folded})
    if folded.isascii():
        found |= Q(**{f"{field}_folded": "", f"{field}__icontains": folded})
    return found


def _hit(conversation: Conversation, text: str, query: str) -> Hit:
    match = find_folded(text, query)
    if match is None:
        return Hit(conversation, "", "", text[:_AFTER])
    start, end = max(0, match[0] - _BEFORE), match[1] + _AFTER
    before = ("…" if start else "") + text[start : match[0]]
    after = text[match[1] : end] + ("…" if end < len(text) else "")
    return Hit(conversation, before, text[slice(*match)], after)
