"""What machines ask: is it up, is it ready, how is it doing; and the errors that Django itself finds."""

import hmac

from django.conf import settings
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.templatetags.static import static

from chat import redis_client
from chat.answers import worker
from chat.errors import CsrfFailed, Forbidden, InvalidRequest, NotFound
from chat.operator.metrics import render as render_metrics
from chat.threads import in_thread
from chat.views.api import refusal_response


async def healthz(request: HttpRequest) -> HttpResponse:
    """The process is up; touches nothing."""
    return HttpResponse("ok\n", content_type="text/plain")


async def favicon(request: HttpRequest) -> HttpResponseRedirect:
    """Browsers ask for it at this address on pages that name no icon: the admin's."""
    return HttpResponseRedirect(static("icons/icon.svg"))


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    except Exception:  # whatever a driver raises, the answer is no
        return False


def _redis_answers() -> bool:
    try:
        redis_client.check()
    except redis_client.REDIS_ERRORS:
        return False
    return True


async def readyz(request: HttpRequest) -> JsonResponse:
    """This worker takes new turns, and database and Redis answer; 503 names the part that does not."""
    parts = {
        "database": "ok" if await in_thread(_database_answers) else "unavailable",
        "redis": "ok" if await in_thread(_redis_answers) else "unavailable",
        "worker": "draining" if worker.current().draining else "ok",
    }
    ready = set(parts.values()) == {"ok"}
    return JsonResponse({"ready": ready, **parts}, status=200 if ready else 503)


async def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text for whoever has METRICS_TOKEN; 404 when it is unset, 401 for another."""
    if not settings.METRICS_TOKEN:
        raise Http404
    given = request.headers.get("Authorization", "").encode()
    if not hmac.compare_digest(given, f"Bearer {settings.METRICS_TOKEN}".encode()):
        return HttpResponse("Send Authorization: Bearer METRICS_TOKEN.\n", status=401, content_type="text/plain")
    return HttpResponse(await in_thread(render_metrics), content_type="text/plain; version=0.0.4; charset=utf-8")


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    if _is_api(request):
        return refusal_response(CsrfFailed("The page is out of date, or the request has no CSRF token."))
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
