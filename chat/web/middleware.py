"""Adds the headers of every response, and makes the pages for a failed database."""

import logging
from collections.abc import Awaitable, Callable

from django.db import Error
from django.http import HttpRequest
from django.http.response import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.decorators import async_only_middleware

from chat import database_errors
from chat.web import importmap

logger = logging.getLogger("chat.pages")

GetResponse = Callable[[HttpRequest], Awaitable[HttpResponseBase]]

_PAGE_POLICY = (
    "default-src 'none'",
    "script-src 'self' {import_map}",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
)
# A response that is no page has nothing to load.
_DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
# A script may be a shared worker's, which has the policy of its own response: it talks to the site,
# and imports from it.
_SCRIPT_POLICY = _DATA_POLICY + "; script-src 'self'; connect-src 'self'"

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
    ),
}


@async_only_middleware
def security_headers(get_response: GetResponse) -> GetResponse:
    """Adds the headers to every response, streams and static files included.

    Never touches a body.
    """

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        response = await get_response(request)
        kind = response.get("Content-Type", "")
        is_page = kind.startswith("text/html")
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Content-Security-Policy", _policy(kind))
        if is_page:
            # Pages show what is private: no copy in a shared cache, none in the browser's after
            # signing out.
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    return middleware


@async_only_middleware
def database_away(get_response: GetResponse) -> GetResponse:
    """Turns a page that the database failed into a 503, and one that asks too much into a 400.

    The API's views do the same by themselves.
    """

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        return await get_response(request)

    middleware.process_exception = _page_without_database  # type: ignore[attr-defined]
    return middleware


def _page_without_database(request: HttpRequest, error: Exception) -> HttpResponseBase | None:
    if not isinstance(error, Error):
        return None
    if database_errors.is_refused(error):
        logger.warning("The database refused a query: %s", database_errors.words(error))
        words = {
            "title": "That cannot be looked up",
            "text": "It is too long, or holds what no text has. Go back and try again with less.",
        }
        return _as_logged(render(request, "error.html", words, status=400))
    if not database_errors.is_away(error):
        return None
    logger.error("The database failed: %s", database_errors.words(error))
    words = {
        "title": "The database cannot be reached",
        "text": "Nothing is lost. Try again in a moment.",
    }
    response = render(request, "error.html", words, status=503)
    response["Retry-After"] = "5"
    return _as_logged(response)


def _as_logged(response: HttpResponse) -> HttpResponse:
    # It is logged above: Django would log it a second time.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _policy(content_type: str) -> str:
    if content_type.startswith("text/javascript"):
        return _SCRIPT_POLICY
    if not content_type.startswith("text/html"):
        return _DATA_POLICY
    return "; ".join(_PAGE_POLICY).format(import_map=importmap.csp_source())
