"""Serves the chat page, of a new or an existing conversation, and the two small forms on it."""

from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render, resolve_url
from django.views.decorators.http import require_http_methods, require_POST

from chat.abuse import proof_of_work
from chat.accounts import guests
from chat.answers import worker
from chat.conversations.reading import Thread, models_for, sidebar, thread
from chat.limits import configuration
from chat.models import Conversation
from chat.requester import Requester
from chat.threads import in_thread
from chat.views import noscript
from chat.views.api import requester_of


@require_http_methods(["GET", "HEAD", "POST"])
async def home(request: HttpRequest) -> HttpResponseBase:
    """Shows a new conversation; sends those who may not chat to sign in."""
    if request.method == "POST":
        return await noscript.post(request)
    requester = await requester_of(request)
    if requester.user_id is None and not await in_thread(guests.may_chat):
        return redirect_to_login(request.get_full_path())
    return await in_thread(_page, request, requester)


@require_http_methods(["GET", "HEAD", "POST"])
async def conversation(request: HttpRequest, conversation_id: UUID) -> HttpResponseBase:
    """Shows one conversation.

    `?at=<message>` shows the branch through that message instead of the newest, `?from=` more of a
    long branch.
    """
    if request.method == "POST":
        return await noscript.post(request, conversation_id)
    requester = await requester_of(request)
    if requester.user_id is None and not requester.guest:
        return redirect_to_login(request.get_full_path())
    return await in_thread(_page, request, requester, conversation_id)


@require_POST
async def rename(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """Sets the title to `title`, cut to 200 characters; an empty one changes nothing."""
    requester = await requester_of(request)
    await in_thread(
        _rename, requester, conversation_id, " ".join(request.POST.get("title", "").split())
    )
    return HttpResponseRedirect(resolve_url("conversation", conversation_id=conversation_id))


@require_POST
async def delete(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """Stops what is still being written in a conversation, and deletes it."""
    requester = await requester_of(request)
    await in_thread(_own, requester, conversation_id)
    await worker.stop_conversation(conversation_id)
    await in_thread(_delete, requester, conversation_id)
    return HttpResponseRedirect(resolve_url("home"))


def _own(requester: Requester, conversation_id: UUID) -> Conversation:
    found = (
        Conversation.objects.owned_by(requester)
        .select_related("model")
        .filter(id=conversation_id)
        .first()
    )
    if found is None:
        raise Http404
    return found


def _rename(requester: Requester, conversation_id: UUID, title: str) -> None:
    found = _own(requester, conversation_id)
    if title:
        Conversation.objects.filter(id=found.id).update(title=title.replace("\0", "")[:200])


def _delete(requester: Requester, conversation_id: UUID) -> None:
    Conversation.objects.owned_by(requester).filter(id=conversation_id).delete()


def _page(
    request: HttpRequest, requester: Requester, conversation_id: UUID | None = None
) -> HttpResponse:
    shown = _own(requester, conversation_id) if conversation_id else None
    ids = [_message_id(request.GET.get(name, "")) for name in ("at", "from")]
    conversations, there_are_older = sidebar(requester)
    context: dict[str, Any] = {
        "conversation": shown,
        "thread": thread(shown, *ids) if shown else Thread(),
        "conversations": conversations,
        "there_are_older": there_are_older,
        "models": models_for(requester),
        "turn": uuid4(),
        "challenge_due": proof_of_work.is_due(requester),
        "paused": configuration.current().paused(requester),
    }
    return render(request, "chat/page.html", context)


def _message_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
