"""GET /api/limits: what applies to me, why, what is used, and when it resets."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.middleware.csrf import get_token

from chat.errors import NotSignedIn
from chat.limits.usage_report import Report, report
from chat.models import Quota
from chat.threads import in_thread
from chat.views.api import api, requester_of
from chat.views.limit_warnings import limit_warnings


@api("GET")
async def limits(request: HttpRequest) -> JsonResponse:
    """Returns the requester's limits as JSON; docs/protocol.md describes the fields.

    A guest without a quota is 401.
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
    requests = None
    if found.windows is not None:
        requests = [
            {
                "name": w.rate.name,
                "limit": w.rate.limit,
                "used": w.used,
                "window": w.rate.period,
                "resets_in": w.reset,
            }
            for w in found.windows
        ]
    return {
        "quota": found.quota.name if found.quota else None,
        "reason": found.reason,
        "mode": quota.mode,
        "requests": requests,
        "concurrent_streams": {"limit": quota.concurrent_streams, "used": found.streams},
        "tokens_per_day": {
            "limit": quota.tokens_per_day,
            "used": found.tokens,
            "resets_at": found.tokens_reset.isoformat(),
        },
        "spend_per_month_usd": {
            # Money travels as text: a JSON number is a float to whoever reads it.
            "limit": None if quota.spend_per_month_usd is None else str(quota.spend_per_month_usd),
            "used": str(found.spend),
            "resets_at": found.spend_reset.isoformat(),
        },
        "warnings": [
            {"message": each.message, "resets_in": each.seconds} for each in limit_warnings(found)
        ],
        "max_prompt_chars": quota.max_prompt_chars,
        "max_messages": quota.max_messages,
        "max_output_tokens": quota.max_output_tokens,
        "models": [model.slug for model in quota.allowed_models()] if found.quota else [],
    }
