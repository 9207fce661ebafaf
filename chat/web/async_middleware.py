"""Runs Django's own middleware on the event loop.

Django sends every step of a middleware that is not written for asyncio through a thread of the
request: a dozen hops, a thread started and ended, 5 ms of CPU per request. What these classes do
needs no I/O, but for the cases named here, which still go through the thread.
"""

from collections.abc import Awaitable
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.deprecation import MiddlewareMixin

# Django's own names. Where the site's cookies have others (chatsite.cookies), a cookie with one of
# these counts while the browser has none of ours. A person who signed in before the names had a
# port stays signed in, and so does a program that sets the cookies itself.
_SESSION, _CSRF = "sessionid", "csrftoken"
# Nothing is served there, so no browser sends the alias of the CSRF cookie, and it does no harm to
# another site on this host.
_ALIAS_PATH = "/api/csrftoken"


class _AsyncMixin(MiddlewareMixin):
    """Runs the steps of a middleware on the event loop, but for those that do I/O."""

    async def __acall__(self, request: HttpRequest) -> Any:  # as untyped as what it overrides
        response = self.process_request(request) if hasattr(self, "process_request") else None
        response = response or await cast(Awaitable[HttpResponseBase], self.get_response(request))
        if not hasattr(self, "process_response"):
            return response
        if self.needs_thread(request):
            return await sync_to_async(self.process_response)(request, response)
        return self.process_response(request, response)

    def needs_thread(self, request: HttpRequest) -> bool:
        """Tells whether `process_response` will do I/O."""
        return False


class Security(_AsyncMixin, SecurityMiddleware):
    pass


class Common(_AsyncMixin, CommonMiddleware):
    pass


class Authentication(_AsyncMixin, AuthenticationMiddleware):
    pass


class FrameOptions(_AsyncMixin, XFrameOptionsMiddleware):
    pass


class Session(_AsyncMixin, SessionMiddleware):
    """Saves a changed session in the request's thread."""

    def process_request(self, request: HttpRequest) -> None:
        _accept_django_name(request, _SESSION, settings.SESSION_COOKIE_NAME)
        # A quoted cookie may hold a NUL, which no key of ours has and PostgreSQL does not take.
        if "\0" in request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""):
            del request.COOKIES[settings.SESSION_COOKIE_NAME]
        super().process_request(request)

    def needs_thread(self, request: HttpRequest) -> bool:
        return request.session.modified


class Messages(_AsyncMixin, MessageMiddleware):
    """Stores messages in the request's thread, as they may be kept in the session."""

    def needs_thread(self, request: HttpRequest) -> bool:
        storage = request._messages  # type: ignore[attr-defined]
        return bool(storage.used or storage.added_new)


class Csrf(_AsyncMixin, CsrfViewMiddleware):
    """Checks CSRF tokens; a page that says no is rendered in the thread, the JSON is not.

    Over https Django wants an Origin or a Referer too, which browsers send and programs do not. The
    API takes the token in its header for that: a page of another origin cannot send this header
    unless CORS allows it.
    """

    def process_request(self, request: HttpRequest) -> None:
        _accept_django_name(request, _CSRF, settings.CSRF_COOKIE_NAME)
        super().process_request(request)

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Adds a cookie with Django's name to ours, for programs that look for that name."""
        answer = super().process_response(request, response)
        # Django's views may have set it already, by a decorator of their own.
        ours = answer.cookies.get(settings.CSRF_COOKIE_NAME)
        if ours is not None and settings.CSRF_COOKIE_NAME != _CSRF:
            secure, age = settings.CSRF_COOKIE_SECURE, settings.CSRF_COOKIE_AGE
            answer.set_cookie(
                _CSRF, ours.value, max_age=age, path=_ALIAS_PATH, secure=secure, samesite="Lax"
            )
        return answer

    def _check_referer(self, request: HttpRequest) -> None:
        is_program = (
            "HTTP_REFERER" not in request.META and settings.CSRF_HEADER_NAME in request.META
        )
        if not (is_program and request.path.startswith("/api/")):
            super()._check_referer(request)  # type: ignore[misc]

    async def process_view(  # type: ignore[no-untyped-def,override]
        self, request, view, args, kwargs
    ):
        check = super().process_view
        if request.path.startswith("/api/"):
            return check(request, view, args, kwargs)
        return await sync_to_async(check)(request, view, args, kwargs)


def _accept_django_name(request: HttpRequest, old: str, name: str) -> None:
    """Lets a cookie with Django's name stand for ours where there is none."""
    if old in request.COOKIES:
        request.COOKIES.setdefault(name, request.COOKIES[old])
