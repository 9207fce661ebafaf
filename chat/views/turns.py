"""The API of turns: begin one, follow an answer, stop it."""

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
from chat.errors import DatabaseUnavailable, Draining, InvalidRequest, NotFound, Refusal, UnsupportedMediaType
from chat.limits import admission, configuration, reader_leases, refusal_counts, turn_lock
from chat.models import Message, Usage
from chat.requester import Requester
from chat.threads import in_thread
from chat.turns import planning, service
from chat.turns import request as turn_request
from chat.turns.service import Follow
from chat.views.api import access_of, api, known_requester
from chat.views.guest_turns import challenged, chatter, named, remember
from chat.views.stream import EventStream

_CURSOR = re.compile(r"\d{1,12}", re.ASCII)
_DRAINING_RETRY_SECONDS = 2
# Long enough for another worker to notice, and for a lost one to be claimed.
_STOP_SECONDS = 25
_STOP_POLL_SECONDS = 0.1


@api("POST")
async def chat(request: HttpRequest) -> HttpResponseBase:
    """POST /api/chat: begins a turn, or follows the one that the same `turn` began, and streams its answer."""
    requester = await chatter(request)
    if request.content_type != "application/json":
        raise UnsupportedMediaType("The body must be application/json.")
    asked = turn_request.parse(request.body)
    requester = named(requester, asked)
    # A task of its own: whoever leaves now leaves no half-made turn behind.
    beginning = worker.current().spawn(begin(request, requester, asked))
    try:
        live, headers = await asyncio.shield(beginning)
    except asyncio.CancelledError:
        beginning.add_done_callback(_left)
        raise
    if isinstance(live, Follow):
        try:
            return await _follow(requester, live, 0, access_of(request), headers)
        except Refusal as refusal:
            refusal.headers = headers | refusal.headers
            raise
    if isinstance(asked, turn_request.Stateless):
        # It is kept nowhere else: a shutdown waits for its reader.
        mark_must_finish(request)
    return EventStream(live.frames(0, access_of(request)), headers)


def _left(beginning: "asyncio.Task[tuple[LiveAnswer | Follow, dict[str, str]]]") -> None:
    """Whoever asked has left before the answer began."""
    if not beginning.cancelled() and not beginning.exception():
        live, _ = beginning.result()
        if isinstance(live, LiveAnswer):
            live.was_watched = True


async def begin(request: HttpRequest, requester: Requester, asked: turn_request.TurnRequest) -> tuple[LiveAnswer | Follow, dict[str, str]]:
    """Begins the turn, or finds the answer that a copy of it has begun meanwhile; with the RateLimit headers."""
    turn = None if isinstance(asked, turn_request.Stateless) else asked.turn
    async with turn_lock.turn_lock(requester, turn):
        if turn is not None and (known := await in_thread(service.find_turn, requester, asked)):
            begun: tuple[LiveAnswer | Follow, dict[str, str]] = known, await in_thread(_standing, request, requester)
        else:
            async with challenged(request, requester, asked):
                begun = await _begin_new(request, requester, asked)
    await remember(request, requester)
    return begun


async def _begin_new(
    request: HttpRequest, requester: Requester, asked: turn_request.TurnRequest
) -> tuple[LiveAnswer | Follow, dict[str, str]]:
    """Validation, the gates, the database, and off it goes. A turn that does not start gives everything back."""
    here = worker.current()
    if here.draining:
        raise Draining("This server is restarting. Try again in a moment.", retry_after=_DRAINING_RETRY_SECONDS)
    standing: dict[str, str] = {}
    try:
        plan, standing = await in_thread(_plan, request, requester, asked)
        admitted = await admission.admit(request, plan.admission_request())
    except Refusal as refusal:
        refusal.headers = standing | refusal.headers
        refusal_counts.record(requester, refusal.quota, refusal.code)
        raise
    try:
        started = await in_thread(service.start, plan, admitted, here.id)
    except BaseException:
        await admission.give_back(admitted)
        raise
    if isinstance(started, Follow):
        await admission.give_back(admitted)
        return started, standing
    return here.generate(started), admitted.headers


def _plan(request: HttpRequest, requester: Requester, asked: turn_request.TurnRequest) -> tuple[planning.Plan, dict[str, str]]:
    """Validation and, in the same thread, a look at the windows: a flood of turns that they refuse is to cost little."""
    plan = planning.plan(requester, asked)
    return plan, admission.check_windows(request, plan.admission_request())


def _standing(request: HttpRequest, requester: Requester) -> dict[str, str]:
    """The RateLimit headers of whoever asks again for an answer there is: it counts nothing."""
    quota = configuration.current().effective_quota(requester).quota
    return admission.rate_limit_headers(request, requester, quota) if quota else {}


@api("GET")
async def answer_stream(request: HttpRequest, answer_id: UUID) -> HttpResponseBase:
    """GET /api/answers/<id>/stream: the events from the cursor on, on any worker."""
    requester = await known_requester(request)
    cursor = _cursor(request)
    return await _follow(requester, await in_thread(service.follow, requester, answer_id), cursor, access_of(request))


def _cursor(request: HttpRequest) -> int:
    """The position after which to go on: Last-Event-ID, or else `?after=`; the beginning when neither is given."""
    return parse_cursor(request.headers.get("Last-Event-ID") or request.GET.get("after") or "0")


def parse_cursor(text: str) -> int:
    """Return the position that a cursor of ours names. Raises InvalidRequest for what is none."""
    if not _CURSOR.fullmatch(text):
        raise InvalidRequest("The cursor is not valid.", limit="after")
    return int(text)


async def _follow(
    requester: Requester, known: Follow, cursor: int, access: ReaderAccess, headers: dict[str, str] | None = None
) -> EventStream:
    frames = await frames_after(known, cursor, access)
    if known.message.status != Message.Status.STREAMING:
        return EventStream(frames, headers)
    seat = await reader_leases.acquire(requester)
    return EventStream(worker.current().seated(frames, seat), headers)


async def frames_after(known: Follow, cursor: int, access: ReaderAccess) -> AsyncGenerator[bytes, None]:
    """Return the frames of an answer from the cursor on, running or ended. Raises InvalidRequest for a cursor of no frame of ours."""
    message = known.message
    if message.status != Message.Status.STREAMING:
        return await _finished(known, cursor)
    live = worker.current().follow(message.id, known.start, known.owner)
    live.check_cursor(cursor)
    return live.frames(cursor, access)


async def _finished(known: Follow, cursor: int) -> AsyncGenerator[bytes, None]:
    done, error = await in_thread(endings.saved_end, known.message)
    answer = LiveAnswer(known.message.id, known.start)
    answer.append(known.message.content)
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

    A stored one belongs to whoever its conversation belongs to: a guest's may have been handed over to an account since.
    """
    usage = Usage.objects.filter(answer=answer_id).first()
    if usage is None or not _is_own(requester, usage):
        raise NotFound("There is no such answer, or it is not yours.")
    return usage


def _is_own(requester: Requester, usage: Usage) -> bool:
    if Message.objects.of(requester).filter(id=usage.answer).exists():
        return True
    return usage.owner_key == requester.owner_key and not Message.objects.filter(id=usage.answer).exists()


async def _stopped(answer_id: UUID, last_words: Callable[[], Awaitable[str]] | None = None) -> dict[str, Any]:
    stored = await in_thread(recovery.text_of, answer_id)
    if stored is not None:
        return {"status": stored[0], "content": stored[1]}
    return {"status": await in_thread(recovery.outcome, answer_id), "content": await last_words() if last_words else ""}
