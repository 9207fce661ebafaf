"""Tells machines how the site is: whether it is up and ready, and its figures."""

import hmac

from django.conf import settings
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.templatetags.static import static

from chat import redis_client
from chat.answers import worker
from chat.operator.metrics import render as render_metrics
from chat.threads import in_thread


async def healthz(request: HttpRequest) -> HttpResponse:
    """Says that the process is up; touches nothing."""
    return HttpResponse("ok\n", content_type="text/plain")


async def favicon(request: HttpRequest) -> HttpResponseRedirect:
    """Redirects to the icon.

    Browsers ask at this address on pages that name no icon, as the admin's.
    """
    return HttpResponseRedirect(static("icons/icon.svg"))


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    except Exception:  # any error of any driver means no
        return False


def _redis_answers() -> bool:
    try:
        redis_client.check()
    except redis_client.REDIS_ERRORS:
        return False
    return True


async def readyz(request: HttpRequest) -> JsonResponse:
    """Says whether the worker takes new turns, and database and Redis answer: 200 or 503.

    The body names the part that does not.
    """
    parts = {
        "database": "ok" if await in_thread(_database_answers) else "unavailable",
        "redis": "ok" if await in_thread(_redis_answers) else "unavailable",
        "worker": "draining" if worker.current().draining else "ok",
    }
    ready = set(parts.values()) == {"ok"}
    return JsonResponse({"ready": ready, **parts}, status=200 if ready else 503)


async def metrics(request: HttpRequest) -> HttpResponse:
    """Returns Prometheus text for a client that has METRICS_TOKEN.

    404 when the setting is empty, 401 for another token.
    """
    if not settings.METRICS_TOKEN:
        raise Http404
    given = request.headers.get("Authorization", "").encode()
    if not hmac.compare_digest(given, f"Bearer {settings.METRICS_TOKEN}".encode()):
        return HttpResponse(
            "Send Authorization: Bearer METRICS_TOKEN.\n", status=401, content_type="text/plain"
        )
    return HttpResponse(
        await in_thread(render_metrics), content_type="text/plain; version=0.0.4; charset=utf-8"
    )
