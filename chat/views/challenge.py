"""GET /api/challenge: a puzzle for a browser; chat.limits.challenge says what for."""

from django.http import HttpRequest, JsonResponse

from chat.limits import actions, challenge
from chat.threads import in_thread
from chat.views.respond import api


@api("GET")
async def new(request: HttpRequest) -> JsonResponse:
    """A challenge as ALTCHA's clients take it. It is kept nowhere, and each is a new one."""
    await in_thread(actions.count_challenge, request)
    return JsonResponse(challenge.issue(), headers={"Cache-Control": "no-store"})
