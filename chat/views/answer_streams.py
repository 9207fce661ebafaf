"""GET /api/answers/streams: several answers in one response.

It is for a browser whose tabs share a connection.
"""

from collections.abc import AsyncGenerator
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from chat.answers import sse, worker
from chat.answers.multiplex import multiplex
from chat.answers.reader_access import ReaderAccess
from chat.errors import InvalidRequest, Refusal
from chat.limits import reader_leases
from chat.requester import Requester
from chat.threads import in_thread
from chat.turns.existing import find_answer
from chat.views.answer_frames import frames_after, parse_cursor
from chat.views.api import api, reader_access, require_requester
from chat.views.streaming import EventStreamResponse

MAX_ITEMS = 20


@api("GET")
async def streams(request: HttpRequest) -> HttpResponseBase:
    """Streams the answers of `?follow=<id>:<cursor>`, which is given once for each.

    Counts as one reader. docs/protocol.md describes the events.
    """
    requester = await require_requester(request)
    items = [_parse_item(text) for text in request.GET.getlist("follow")]
    if not 0 < len(items) <= MAX_ITEMS:
        raise InvalidRequest(f"Name 1 to {MAX_ITEMS} answers to follow.", limit="follow")
    access = reader_access(request)
    opened = [await _open(requester, answer, cursor, access) for answer, cursor in items]
    lease = await reader_leases.acquire(requester)
    return EventStreamResponse(worker.current().with_reader_lease(multiplex(opened), lease))


def _parse_item(text: str) -> tuple[UUID, int]:
    answer, _, cursor = text.partition(":")
    try:
        return UUID(answer), parse_cursor(cursor or "0")
    except ValueError:
        raise InvalidRequest("What to follow is not valid.", limit="follow") from None


async def _open(
    requester: Requester, answer: UUID, cursor: int, access: ReaderAccess
) -> AsyncGenerator[bytes, None]:
    try:
        existing = await in_thread(find_answer, requester, answer)
        return await frames_after(existing, cursor, access)
    except Refusal as refusal:
        return _refused(refusal)


async def _refused(refusal: Refusal) -> AsyncGenerator[bytes, None]:
    yield sse.event("refused", {"status": refusal.status, **refusal.payload()}) + sse.END
