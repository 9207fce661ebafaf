"""The API of turns: start one, follow an answer, stop it."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from chat.answers import ending as endings
from chat.answers import recovery, worker
from chat.answers.live_answer import LiveAnswer
from chat.answers.reader_access import ReaderAccess
from chat.asgi_scope import mark_must_finish
from chat.errors import DatabaseUnavailable, InvalidRequest, NotFound, UnsupportedMediaType, adding_headers
from chat.limits import reader_leases
from chat.models import Message, Usage
from chat.requester import Requester
from chat.threads import in_thread
from chat.turns.existing import ExistingAnswer, find_answer
from chat.turns.guest_turns import with_guest_id
from chat.turns.request import Stateless, parse
from chat.turns.service import StartedTurn, start_turn
from chat.views.api import access_of, api, known_requester, require_chat_access
from chat.views.stream import EventStream

_CURSOR = re.compile(r"\d{1,12}", re.ASCII)
# Long enough for another worker to notice, and for a lost one to be claimed.
_STOP_SECONDS = 25
_STOP_POLL_SECONDS = 0.1


@api("POST")
async def chat(request: HttpRequest) -> HttpResponseBase:
    """POST /api/chat: starts a turn, or follows the one that the same `turn` started, and streams its answer."""
    requester = await require_chat_access(request)
    if request.content_type != "application/json":
        raise UnsupportedMediaType("The body must be application/json.")
    turn_request = parse(request.body)
    requester = with_guest_id(requester, turn_request)
    # A task of its own: a client that leaves now leaves no half-made turn behind.
    starting = worker.current().spawn(start_turn(request, requester, turn_request))
    try:
        started: StartedTurn = await asyncio.shield(starting)
    except asyncio.CancelledError:
        starting.add_done_callback(_client_gone)
        raise
    if isinstance(started.answer, ExistingAnswer):
        with adding_headers(started.headers):
            return await _follow(requester, started.answer, 0, access_of(request), started.headers)
    if isinstance(turn_request, Stateless):
        # It is kept nowhere else: a shutdown waits for its reader.
        mark_must_finish(request)
    return EventStream(started.answer.frames(0, access_of(request)), started.headers)


def _client_gone(starting: "asyncio.Task[StartedTurn]") -> None:
    """Counts an answer as watched whose client has left before it started."""
    if not starting.cancelled() and not starting.exception():
        answer = starting.result().answer
        if isinstance(answer, LiveAnswer):
            answer.was_watched = True


@api("GET")
async def answer_stream(request: HttpRequest, answer_id: UUID) -> HttpResponseBase:
    """GET /api/answers/<id>/stream: the events from the cursor on, on any worker."""
    requester = await known_requester(request)
    cursor = _cursor(request)
    return await _follow(requester, await in_thread(find_answer, requester, answer_id), cursor, access_of(request))


def _cursor(request: HttpRequest) -> int:
    """The position after which to go on: Last-Event-ID, or else `?after=`; the beginning when neither is given."""
    return parse_cursor(request.headers.get("Last-Event-ID") or request.GET.get("after") or "0")


def parse_cursor(text: str) -> int:
    """Return the position that a cursor of ours names. Raises InvalidRequest for what is none."""
    if not _CURSOR.fullmatch(text):
        raise InvalidRequest("The cursor is not valid.", limit="after")
    return int(text)


async def _follow(
    requester: Requester, existing: ExistingAnswer, cursor: int, access: ReaderAccess, headers: dict[str, str] | None = None
) -> EventStream:
    frames = await frames_after(existing, cursor, access)
    if existing.message.status != Message.Status.STREAMING:
        return EventStream(frames, headers)
    lease = await reader_leases.acquire(requester)
    return EventStream(worker.current().seated(frames, lease), headers)


async def frames_after(existing: ExistingAnswer, cursor: int, access: ReaderAccess) -> AsyncGenerator[bytes, None]:
    """Return the frames of an answer from the cursor on, running or ended. Raises InvalidRequest for a cursor of no frame of ours."""
    message = existing.message
    if message.status != Message.Status.STREAMING:
        return await _finished(existing, cursor)
    live = worker.current().follow(message.id, existing.start, existing.owner)
    live.check_cursor(cursor)
    return live.frames(cursor, access)


async def _finished(existing: ExistingAnswer, cursor: int) -> AsyncGenerator[bytes, None]:
    done, error = await in_thread(endings.saved_end, existing.message)
    answer = LiveAnswer(existing.message.id, existing.start)
    answer.append(existing.message.content)
    answer.end(done, error)
    answer.check_cursor(cursor)
    return answer.frames(cursor)


@api("POST")
async def answer_stop(request: HttpRequest, answer_id: UUID) -> HttpResponseBase:
    """POST /api/answers/<id>/stop: ends the answer, wherever it runs, and answers when the end is saved."""
    requester = await known_requester(request)
    usage = await in_thread(_own_usage, requester, answer_id)
    if usage.outcome != Usage.Outcome.RUNNING:
        return JsonResponse(await _stopped(answer_id))
    here = worker.current()
    async with here.last_words(answer_id) as last_words:
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                while not await here.stop_answer(answer_id, usage.worker):
                    if not await in_thread(recovery.is_running, answer_id):
                        break
                    await asyncio.sleep(_STOP_POLL_SECONDS)
        except TimeoutError:
            raise DatabaseUnavailable("The answer is being stopped, but its end is not saved yet.", retry_after=2) from None
        return JsonResponse(await _stopped(answer_id, last_words))


def _own_usage(requester: Requester, answer_id: UUID) -> Usage:
    """The ledger row of an answer that is the requester's own, stored or not; raises NotFound.

    A stored one belongs to whoever its conversation belongs to: a guest's may be an account's by now.
    """
    usage = Usage.objects.filter(answer=answer_id).first()
    if usage is None or not _is_own(requester, usage):
        raise NotFound("There is no such answer, or it is not yours.")
    return usage


def _is_own(requester: Requester, usage: Usage) -> bool:
    if Message.objects.owned_by(requester).filter(id=usage.answer).exists():
        return True
    return usage.owner_key == requester.owner_key and not Message.objects.filter(id=usage.answer).exists()


async def _stopped(answer_id: UUID, last_words: Callable[[], Awaitable[str]] | None = None) -> dict[str, Any]:
    stored = await in_thread(recovery.text_of, answer_id)
    if stored is not None:
        return {"status": stored[0], "content": stored[1]}
    return {"status": await in_thread(recovery.outcome, answer_id), "content": await last_words() if last_words else ""}
