"""Streams an answer from a cursor on, running on any worker or ended."""

import re
from collections.abc import AsyncGenerator

from chat.answers import worker
from chat.answers.ending import stored_ending
from chat.answers.live_answer import LiveAnswer
from chat.answers.reader_access import ReaderAccess
from chat.errors import InvalidRequest
from chat.limits import reader_leases
from chat.models import Message
from chat.requester import Requester
from chat.threads import in_thread
from chat.turns.existing import ExistingAnswer
from chat.views.streaming import EventStreamResponse

_CURSOR = re.compile(r"\d{1,12}", re.ASCII)


def parse_cursor(text: str) -> int:
    """Returns the byte position that a cursor names; raises InvalidRequest for other texts."""
    if not _CURSOR.fullmatch(text):
        raise InvalidRequest("The cursor is not valid.", limit="after")
    return int(text)


async def follow(
    requester: Requester,
    existing: ExistingAnswer,
    cursor: int,
    access: ReaderAccess,
    headers: dict[str, str] | None = None,
) -> EventStreamResponse:
    """Streams an answer from the cursor on; a running one takes a reader lease.

    Raises a Refusal. `headers` go out with the response, and with the refusal of too many readers.
    """
    frames = await frames_after(existing, cursor, access)
    if existing.message.status != Message.Status.STREAMING:
        return EventStreamResponse(frames, headers)
    lease = await reader_leases.acquire(requester, headers)
    return EventStreamResponse(worker.current().with_reader_lease(frames, lease), headers)


async def frames_after(
    existing: ExistingAnswer, cursor: int, access: ReaderAccess
) -> AsyncGenerator[bytes, None]:
    """Returns the frames of an answer from the cursor on, running or ended.

    Raises InvalidRequest for a cursor that no frame has named.
    """
    message = existing.message
    if message.status != Message.Status.STREAMING:
        return await _finished(existing, cursor)
    live = worker.current().follow(message.id, existing.start, existing.owner)
    live.check_cursor(cursor)
    return live.frames(cursor, access)


async def _finished(existing: ExistingAnswer, cursor: int) -> AsyncGenerator[bytes, None]:
    done, error = await in_thread(stored_ending, existing.message)
    answer = LiveAnswer(existing.message.id, existing.start)
    answer.append(existing.message.content)
    answer.end(done, error)
    answer.check_cursor(cursor)
    return answer.frames(cursor)
