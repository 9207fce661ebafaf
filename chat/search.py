"""Finding one's own conversations by title and text."""

import re
from dataclasses import dataclass

from django.db.models import OuterRef, Q, Subquery

from chat.models import Conversation, Message, Requester

MOST_HITS = 50
_LONGEST_QUERY = 200  # characters
_BEFORE, _AFTER = 60, 140  # characters shown around a match


@dataclass(frozen=True)
class Hit:
    """A conversation, and where the words stand in it: the text around the match in three pieces, not yet escaped."""

    conversation: Conversation
    before: str
    match: str
    after: str


def clean_query(text: str) -> str:
    """What can be searched for: without NUL, which PostgreSQL refuses, on one line, not endless."""
    return " ".join(text.replace("\0", " ").split())[:_LONGEST_QUERY].strip()


def search_conversations(requester: Requester, query: str) -> list[Hit]:
    """At most 50 of the requester's conversations, the latest first; none for an empty query. One query."""
    if not query:
        return []
    messages = Message.objects.filter(conversation=OuterRef("pk"), content__icontains=query).order_by("-created")
    found = Conversation.objects.of(requester).annotate(text=Subquery(messages.values("content")[:1]))
    found = found.filter(Q(title__icontains=query) | Q(text__isnull=False)).order_by("-updated", "pk")
    return [_hit(conversation, getattr(conversation, "text", None) or "", query) for conversation in found[:MOST_HITS]]


def _hit(conversation: Conversation, text: str, query: str) -> Hit:
    match = re.search(re.escape(query), text, re.IGNORECASE)
    if match is None:
        return Hit(conversation, "", "", text[:_AFTER])
    start, end = max(0, match.start() - _BEFORE), match.end() + _AFTER
    before = ("…" if start else "") + text[start : match.start()]
    after = text[match.end() : end] + ("…" if end < len(text) else "")
    return Hit(conversation, before, match.group(), after)
