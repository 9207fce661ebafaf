"""Does what every view of the API shares: finds the requester, sends refusals as JSON."""

import logging
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from django.db import Error
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from chat import database_errors
from chat.accounts import guests
from chat.answers.reader_access import ReaderAccess
from chat.client_ip import limit_address
from chat.errors import (
    DatabaseUnavailable,
    InternalFault,
    InvalidRequest,
    MethodNotAllowed,
    NotSignedIn,
    Refusal,
)
from chat.requester import Requester
from chat.threads import in_thread

logger = logging.getLogger("chat.api")

AsyncView = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def set_retry_after(response: HttpResponseBase, refusal: Refusal) -> None:
    """Sets the Retry-After header (seconds) of a refusal that says when to try again."""
    if refusal.retry_after is not None:
        response["Retry-After"] = str(refusal.retry_after)


def refusal_response(refusal: Refusal) -> JsonResponse:
    """Returns the refusal as docs/protocol.md says it: status, headers and a JSON body."""
    response = JsonResponse(refusal.payload(), status=refusal.status, headers=refusal.headers)
    set_retry_after(response, refusal)
    response["Cache-Control"] = "no-store"
    # A refusal is no incident, but Django would log a warning for each.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def api(*methods: str) -> Callable[[AsyncView], AsyncView]:
    """Wraps an async view of the API, which takes `methods` only: others get 405.

    Refusals become JSON, and so do errors of the database.
    """

    def decorate(view: AsyncView) -> AsyncView:
        @wraps(view)
        async def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                if request.method not in methods:
                    raise MethodNotAllowed(
                        f"This address takes {' and '.join(methods)}.",
                        headers={"Allow": ", ".join(methods)},
                    )
                return await view(request, *args, **kwargs)
            except Refusal as refusal:
                return refusal_response(refusal)
            except Error as error:
                return refusal_response(database_refusal(error))

        return wrapper

    return decorate


def database_refusal(error: Error) -> Refusal:
    """Logs an error of the database, and returns the refusal to send.

    The refusal says whose fault the error is, and whether to try again.
    """
    if database_errors.is_refused(error):
        logger.warning("The database refused a query: %s", database_errors.words(error))
        return InvalidRequest(
            "The database cannot do what is asked: it is too long, or holds what no text has."
        )
    logger.error("The database failed: %s", database_errors.words(error))
    if database_errors.is_away(error):
        return DatabaseUnavailable(
            "The database cannot be reached. Try again in a moment.", retry_after=2
        )
    return InternalFault("Something broke on our side.")


def address_of(request: HttpRequest) -> str:
    """Returns the address on which the limits of a person without an account are counted."""
    return limit_address(request.META.get("REMOTE_ADDR", ""))


async def requester_of(request: HttpRequest) -> Requester:
    """Returns who asks.

    A guest without a random id in their session has the empty one, and owns nothing.
    """
    return await in_thread(_requester, request)


async def require_chat_access(request: HttpRequest) -> Requester:
    """Returns who asks.

    Raises NotSignedIn for a guest without an id where there is no quota for guests.
    """
    requester = await requester_of(request)
    if requester.user_id is None and not requester.guest and not await in_thread(guests.may_chat):
        raise NotSignedIn("Sign in to chat.")
    return requester


def _requester(request: HttpRequest) -> Requester:
    address = address_of(request)
    if request.user.is_authenticated:
        return Requester(user_id=request.user.pk, guest="", ip=address)
    return Requester(user_id=None, guest=request.session.get(guests.SESSION_KEY, ""), ip=address)


def reader_access(request: HttpRequest) -> ReaderAccess:
    """Returns by what right the requester reads.

    Call it after `requester_of`, which loads the session and the account: then it does not block.
    """
    if request.user.is_authenticated:
        return ReaderAccess(request.user.pk, request.user.password, request.session)
    return ReaderAccess(None, "", request.session)


async def require_requester(request: HttpRequest) -> Requester:
    """Returns who asks.

    Raises NotSignedIn for a person who has neither an account nor a guest's id.
    """
    requester = await requester_of(request)
    if requester.user_id is None and not requester.guest:
        raise NotSignedIn("You are signed out. Sign in to go on.")
    return requester
