"""Lets people search and download their own conversations."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec
from uuid import UUID

from asgiref.sync import async_to_sync
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from chat.abuse import action_limits
from chat.accounts import guests
from chat.conversations import export
from chat.conversations.filenames import attachment
from chat.conversations.search import clean_query, search_conversations
from chat.errors import RateLimited
from chat.models import Conversation
from chat.requester import Requester
from chat.views.account import refusal_page
from chat.views.api import refusal_response, requester_of

P = ParamSpec("P")
OwnView = Callable[Concatenate[HttpRequest, Requester, P], HttpResponse]


def guest_or_login_required(
    view: OwnView[P],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """Passes the requester on to a view of their own things.

    Sends those without an account to sign in, unless they chat as guests or could.
    """

    @wraps(view)
    def wrapper(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        requester = async_to_sync(requester_of)(request)
        if requester.user_id is None and not requester.guest and not guests.may_chat():
            return redirect_to_login(request.get_full_path())
        return view(request, requester, *args, **kwargs)

    return wrapper


def limited(
    count: Callable[[Requester], None],
    on_refusal: Callable[[HttpRequest, RateLimited], HttpResponse],
) -> Callable[[OwnView[P]], OwnView[P]]:
    """Limits a view that costs the server some work.

    `count` counts the request, and `on_refusal` answers the one that is too many.
    """

    def decorate(view: OwnView[P]) -> OwnView[P]:
        @wraps(view)
        def wrapper(
            request: HttpRequest, requester: Requester, /, *args: P.args, **kwargs: P.kwargs
        ) -> HttpResponse:
            try:
                count(requester)
            except RateLimited as refusal:
                return on_refusal(request, refusal)
            return view(request, requester, *args, **kwargs)

        return wrapper

    return decorate


def _refusal_as_json(request: HttpRequest, refusal: RateLimited) -> HttpResponse:
    return refusal_response(refusal)


@require_safe
@never_cache
@guest_or_login_required
@limited(action_limits.count_search, refusal_page)
def search(request: HttpRequest, requester: Requester) -> HttpResponse:
    """Shows the requester's conversations whose title or messages contain `?q=`."""
    query = clean_query(request.GET.get("q", ""))
    return render(
        request,
        "library/search.html",
        {"query": query, "hits": search_conversations(requester, query)},
    )


@require_safe
@never_cache
@guest_or_login_required
@limited(action_limits.count_export, _refusal_as_json)
def export_json(request: HttpRequest, requester: Requester, conversation_id: UUID) -> HttpResponse:
    """Returns the whole tree, oldest message first, as docs/protocol.md describes it."""
    conversation = _own(requester, conversation_id)
    response = JsonResponse(export.as_dict(conversation), json_dumps_params={"ensure_ascii": False})
    return _download(response, conversation, "json")


@require_safe
@never_cache
@guest_or_login_required
@limited(action_limits.count_export, refusal_page)
def export_md(request: HttpRequest, requester: Requester, conversation_id: UUID) -> HttpResponse:
    """Returns the branch that ends with the newest message, as Markdown."""
    conversation = _own(requester, conversation_id)
    return _download(
        HttpResponse(export.as_markdown(conversation), content_type="text/markdown; charset=utf-8"),
        conversation,
        "md",
    )


def _own(requester: Requester, conversation_id: UUID) -> Conversation:
    return get_object_or_404(Conversation.objects.owned_by(requester), pk=conversation_id)


def _download(response: HttpResponse, conversation: Conversation, suffix: str) -> HttpResponse:
    response["Content-Disposition"] = attachment(conversation.title, suffix)
    return response
