"""Answers errors that Django finds itself: JSON for the API, pages for everything else."""

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from chat.errors import CsrfFailed, Forbidden, InvalidRequest, NotFound
from chat.views.api import refusal_response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """Answers a form or a call whose CSRF token is missing or wrong: 403."""
    if _is_api(request):
        return refusal_response(
            CsrfFailed("The page is out of date, or the request has no CSRF token.")
        )
    return _page(request, 403, "That form has expired", "Go back, reload the page and try again.")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answers what Django finds suspicious: 400."""
    if _is_api(request):
        return refusal_response(InvalidRequest("The request is not valid."))
    return _page(request, 400, "That request is not valid", "Go back and try again.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answers a person who may not do what was asked: 403."""
    if _is_api(request):
        return refusal_response(Forbidden("You may not do that."))
    return _page(
        request, 403, "You may not do that", "Ask whoever runs this site if you think you should."
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answers for an address that leads to nothing, or to what is someone else's: 404."""
    if _is_api(request):
        return refusal_response(NotFound("There is no such thing, or it is not yours."))
    return _page(request, 404, "Not found", "There is no such page, or it is not yours.")


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Answers a request whose exception nothing handled: 500."""
    title = "Something broke on our side"
    if _is_api(request):
        return JsonResponse(
            {"error": {"code": "internal_error", "message": f"{title}."}}, status=500
        )
    return _page(request, 500, title, "Try again in a moment.")


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _page(request: HttpRequest, status: int, title: str, text: str) -> HttpResponseBase:
    return render(request, "error.html", {"title": title, "text": text}, status=status)
