"""Serves the chat without JavaScript.

A form is posted, and the answer streams into a page as escaped HTML.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import msgspec
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import escape
from django.views.decorators.cache import never_cache

from chat.answers import worker
from chat.answers.reader_access import ReaderAccess
from chat.answers.sse import PAD_BYTES
from chat.errors import InvalidRequest, NotFound, Refusal, TooManyReaders
from chat.limits import reader_leases
from chat.models import Message
from chat.requester import Requester
from chat.threads import in_thread
from chat.turns.existing import ExistingAnswer, find_answer
from chat.turns.guest_turns import with_guest_id
from chat.turns.request import TurnRequest, parse
from chat.turns.service import StartedTurn, start_turn
from chat.views.account import refusal_page
from chat.views.api import (
    reader_access,
    require_chat_access,
    require_requester,
    set_retry_after,
)
from chat.views.streaming import UnbufferedResponse

# Stands in the rendered page where the answer is to come.
_ANSWER_PLACEHOLDER = "<!--answer-->"


async def post(request: HttpRequest, conversation_id: UUID | None = None) -> HttpResponseBase:
    """Takes the composer's form: 303 to the page of the answer, or the refusal as a page.

    The form is posted to `/` or to a conversation.
    """
    prompt = request.POST.get("content", "")
    try:
        requester = await require_chat_access(request)
        turn_request = _turn_request(request, conversation_id)
        requester = with_guest_id(requester, turn_request)
        starting = worker.current().spawn(start_turn(request.session, requester, turn_request))
        started: StartedTurn = await asyncio.shield(starting)
    except Refusal as refusal:
        return await in_thread(_refused, request, refusal, prompt, conversation_id)
    start = started.answer.start
    return HttpResponseRedirect(
        reverse("answer", args=[start["conversation"], start["answer"]]), status=303
    )


def _turn_request(request: HttpRequest, conversation_id: UUID | None) -> TurnRequest:
    fields: dict[str, Any] = {
        name: request.POST[name]
        for name in ("content", "parent", "model", "turn", "altcha")
        if request.POST.get(name)
    }
    # A textarea sends its line ends as CRLF.
    fields["content"] = fields.get("content", "").replace("\r\n", "\n")
    if conversation_id is not None:
        fields["conversation"] = str(conversation_id)
    try:
        body = msgspec.json.encode(fields)
    except UnicodeEncodeError:
        raise InvalidRequest("The prompt is not valid text.") from None
    return parse(body)


def _refused(
    request: HttpRequest, refusal: Refusal, prompt: str, conversation_id: UUID | None
) -> HttpResponseBase:
    context = {
        "refusal": refusal,
        "prompt": prompt,
        "turn": request.POST.get("turn", ""),
        "conversation_id": conversation_id,
    }
    response = render(request, "chat/refused.html", context, status=refusal.status)
    set_retry_after(response, refusal)
    return response


@never_cache
async def answer(request: HttpRequest, conversation_id: UUID, answer_id: UUID) -> HttpResponseBase:
    """Streams the page of an answer that is being written.

    Redirects to the conversation once the answer has ended.
    """
    try:
        requester: Requester = await require_requester(request)
        existing = await in_thread(find_answer, requester, answer_id)
    except NotFound:
        raise Http404 from None
    except Refusal:
        return HttpResponseRedirect(f"{reverse('login')}?next={request.path}")
    if existing.message.conversation_id != conversation_id:
        raise Http404
    if existing.message.status != Message.Status.STREAMING:
        return HttpResponseRedirect(reverse("conversation", args=[conversation_id]))
    page = await in_thread(_page, request, existing)
    try:
        lease = await reader_leases.acquire(requester)
    except TooManyReaders as refusal:
        return await in_thread(refusal_page, request, refusal)
    return UnbufferedResponse(
        worker.current().with_reader_lease(
            _streamed(page, existing, reader_access(request)), lease
        ),
        "text/html; charset=utf-8",
    )


def _page(request: HttpRequest, existing: ExistingAnswer) -> str:
    prompt = existing.message.parent.content if existing.message.parent else ""
    context = {
        "conversation": existing.message.conversation,
        "prompt": prompt,
        "answer_id": existing.message.id,
    }
    return render_to_string("chat/noscript_answer.html", context, request)


async def _streamed(
    page: str, existing: ExistingAnswer, access: ReaderAccess
) -> AsyncGenerator[bytes, None]:
    head, _, tail = page.partition(_ANSWER_PLACEHOLDER)
    # A browser shows a page while it loads only once it has some of it: hence the spaces.
    yield (head + " " * 1024).encode()
    live = worker.current().follow(existing.message.id, existing.start, existing.owner)
    async for piece in live.pieces(access):
        yield padded(escape(piece).encode())
    if not live.ended:
        yield " […]".encode()
    yield tail.encode()


def padded(html: bytes) -> bytes:
    """Adds a comment to a piece of a page, up to a multiple of PAD_BYTES.

    The size on the wire must not give the text away.
    """
    size = len(html) + len(b"<!---->")
    return b"%s<!--%s-->" % (html, b"0" * (-size % PAD_BYTES))
