"""Serves the API of turns: start one, follow an answer, stop it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from chat.answers import worker
from chat.answers.live_answer import LiveAnswer
from chat.asgi_scope import mark_must_finish
from chat.errors import DatabaseUnavailable, NotFound, UnsupportedMediaType
from chat.models import Message, Usage
from chat.requester import Requester
from chat.threads import in_thread
from chat.turns.existing import ExistingAnswer, find_answer
from chat.turns.guest_turns import with_guest_id
from chat.turns.request import Stateless, parse
from chat.turns.service import StartedTurn, start_turn
from chat.views.answer_frames import follow, parse_cursor
from chat.views.api import api, reader_access, require_chat_access, require_requester
from chat.views.streaming import EventStreamResponse

# Long enough for another worker to notice, and for a lost one to be claimed.
_STOP_SECONDS = 25
_STOP_POLL_SECONDS = 0.1


@api("POST")
async def chat(request: HttpRequest) -> HttpResponseBase:
    """Serves POST /api/chat: starts a turn and streams its answer.

    A turn that an earlier request with the same `turn` started is followed.
    """
    requester = await require_chat_access(request)
    if request.content_type != "application/json":
        raise UnsupportedMediaType("The body must be application/json.")
    turn_request = parse(request.body)
    requester = with_guest_id(requester, turn_request)
    # A task of its own: a client that leaves now leaves no half-made turn behind.
    starting = worker.current().spawn(start_turn(request.session, requester, turn_request))
    try:
        started: StartedTurn = await asyncio.shield(starting)
    except asyncio.CancelledError:
        starting.add_done_callback(_client_gone)
        raise
    if isinstance(started.answer, ExistingAnswer):
        return await follow(requester, started.answer, 0, reader_access(request), started.headers)
    if isinstance(turn_request, Stateless):
        # It is kept nowhere else: a shutdown waits for its reader.
        mark_must_finish(request)
    return EventStreamResponse(started.answer.frames(0, reader_access(request)), started.headers)


def _client_gone(starting: "asyncio.Task[StartedTurn]") -> None:
    """Counts an answer as watched although its client left before it started."""
    if not starting.cancelled() and not starting.exception():
        answer = starting.result().answer
        if isinstance(answer, LiveAnswer):
            answer.was_watched = True


@api("GET")
async def answer_stream(request: HttpRequest, answer_id: UUID) -> HttpResponseBase:
    """Serves GET /api/answers/<id>/stream: the events from the cursor on, on any worker."""
    requester = await require_requester(request)
    cursor = _cursor(request)
    return await follow(
        requester,
        await in_thread(find_answer, requester, answer_id),
        cursor,
        reader_access(request),
    )


def _cursor(request: HttpRequest) -> int:
    """Returns the position after which to go on: Last-Event-ID, else `?after=`, else 0."""
    return parse_cursor(request.headers.get("Last-Event-ID") or request.GET.get("after") or "0")


@api("POST")
async def answer_stop(request: HttpRequest, answer_id: UUID) -> HttpResponseBase:
    """Serves POST /api/answers/<id>/stop: ends an answer, and replies when the end is saved.

    The answer may run on any worker.
    """
    requester = await require_requester(request)
    usage = await in_thread(_own_usage, requester, answer_id)
    if usage.outcome != Usage.Outcome.RUNNING:
        return JsonResponse(await _stopped(answer_id))
    here = worker.current()
    async with here.final_text(answer_id) as final_text:
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                while not await here.stop_answer(answer_id, usage.worker):
                    if not await in_thread(Usage.objects.is_running, answer_id):
                        break
                    await asyncio.sleep(_STOP_POLL_SECONDS)
        except TimeoutError:
            raise DatabaseUnavailable(
                "The answer is being stopped, but its end is not saved yet.", retry_after=2
            ) from None
        return JsonResponse(await _stopped(answer_id, final_text))


def _own_usage(requester: Requester, answer_id: UUID) -> Usage:
    """Returns the ledger row of the requester's own answer, stored or not; or raises NotFound.

    A stored answer belongs to the owner of its conversation: a guest's may be an account's by now.
    """
    usage = Usage.objects.filter(answer=answer_id).first()
    if usage is None or not _is_own(requester, usage):
        raise NotFound("There is no such answer, or it is not yours.")
    return usage


def _is_own(requester: Requester, usage: Usage) -> bool:
    if Message.objects.owned_by(requester).filter(id=usage.answer).exists():
        return True
    return (
        usage.owner_key == requester.owner_key
        and not Message.objects.filter(id=usage.answer).exists()
    )


async def _stopped(
    answer_id: UUID, final_text: Callable[[], Awaitable[str]] | None = None
) -> dict[str, Any]:
    stored = await in_thread(Message.objects.status_and_text, answer_id)
    if stored is not None:
        return {"status": stored[0], "content": stored[1]}
    return {
        "status": await in_thread(Usage.objects.outcome_of, answer_id),
        "content": await final_text() if final_text else "",
    }
