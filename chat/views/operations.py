"""What machines ask: is it up, is it ready; and the errors that Django itself finds."""

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from asgiref.sync import sync_to_async

from chat import redis
from chat.errors import CsrfFailed, Forbidden, InvalidRequest, NotFound
from chat.views.respond import refusal_response


async def healthz(request: HttpRequest) -> HttpResponse:
    """The process is up; touches nothing."""
    return HttpResponse("ok\n", content_type="text/plain")


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    except Exception:  # whatever a driver raises, the answer is no
        return False


def _redis_answers() -> bool:
    try:
        return bool(redis.client().ping())
    except redis.Unavailable:
        return False


async def readyz(request: HttpRequest) -> JsonResponse:
    """Database and Redis answer; 503 names the part that does not."""
    parts = {"database": await sync_to_async(_database_answers)(), "redis": await sync_to_async(_redis_answers)()}
    ready = all(parts.values())
    return JsonResponse(
        {"ready": ready, **{name: "ok" if well else "unavailable" for name, well in parts.items()}}, status=200 if ready else 503
    )


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    if _is_api(request):
        return refusal_response(CsrfFailed("The request has no valid CSRF token. Reload the page."))
    return render(request, "error.html", {"title": "That form has expired", "text": "Go back, reload the page and try again."}, status=403)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if _is_api(request):
        return refusal_response(InvalidRequest("The request is not valid."))
    return render(request, "error.html", {"title": "That request is not valid", "text": "Go back and try again."}, status=400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if _is_api(request):
        return refusal_response(Forbidden("You may not do that."))
    return render(
        request, "error.html", {"title": "You may not do that", "text": "Ask whoever runs this site if you think you should."}, status=403
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if _is_api(request):
        return refusal_response(NotFound("There is no such thing, or it is not yours."))
    return render(request, "error.html", {"title": "Not found", "text": "There is no such page, or it is not yours."}, status=404)


def server_error(request: HttpRequest) -> HttpResponseBase:
    if _is_api(request):
        return JsonResponse({"error": {"code": "internal_error", "message": "Something broke on our side."}}, status=500)
    return render(request, "error.html", {"title": "Something broke on our side", "text": "Try again in a moment."}, status=500)
