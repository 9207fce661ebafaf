"""GET /api/limits: which limits apply, why, what is used of them, and when they reset."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.middleware.csrf import get_token

from chat.errors import NotSignedIn
from chat.limits.usage_report import Report, report
from chat.limits.windows import Window
from chat.models import Quota
from chat.threads import in_thread
from chat.views.api import api, requester_of
from chat.views.limit_warnings import limit_warnings


@api("GET")
async def limits(request: HttpRequest) -> JsonResponse:
    """Returns the requester's limits as JSON, as docs/protocol.md describes it.

    A guest without a quota gets 401.
    """
    requester = await requester_of(request)
    found = await in_thread(report, requester)
    if found.quota is None and requester.user_id is None:
        raise NotSignedIn("Sign in first.")
    payload = await in_thread(_payload, found)
    response = JsonResponse(payload, headers={"Cache-Control": "no-store"})
    if settings.CORS_ORIGINS:
        # Scripts of the other origins cannot read our cookie.
        response["X-CSRFToken"] = get_token(request)
    return response


def _payload(found: Report) -> dict[str, Any]:
    quota = found.quota or Quota()
    return {
        "quota": found.quota.name if found.quota else None,
        "reason": found.reason,
        "mode": quota.mode,
        "requests": _windows(found.windows),
        "concurrent_streams": {"limit": quota.concurrent_streams, "used": found.streams},
        **_budgets(found, quota),
        "warnings": [
            {"message": each.message, "resets_in": each.seconds} for each in limit_warnings(found)
        ],
        "max_prompt_chars": quota.max_prompt_chars,
        "max_messages": quota.max_messages,
        "max_output_tokens": quota.max_output_tokens,
        "models": [model.slug for model in quota.allowed_models()] if found.quota else [],
    }


def _windows(windows: list[Window] | None) -> list[dict[str, Any]] | None:
    """Returns the request windows; None where they are not known."""
    if windows is None:
        return None
    return [
        {
            "name": window.rate.name,
            "limit": window.rate.limit,
            "used": window.used,
            "window": window.rate.period,
            "resets_in": window.reset,
        }
        for window in windows
    ]


def _budgets(found: Report, quota: Quota) -> dict[str, Any]:
    spend_limit = quota.spend_per_month_usd
    return {
        "tokens_per_day": {
            "limit": quota.tokens_per_day,
            "used": found.tokens,
            "resets_at": found.tokens_reset.isoformat(),
        },
        "spend_per_month_usd": {
            # Money travels as text: most JSON readers take a number for a float.
            "limit": None if spend_limit is None else str(spend_limit),
            "used": str(found.spend),
            "resets_at": found.spend_reset.isoformat(),
        },
    }
