"""GET /api/challenge: a puzzle for a browser; `chat.abuse.proof_of_work` says why."""

from django.http import HttpRequest, JsonResponse

from chat.abuse import action_limits, proof_of_work
from chat.threads import in_thread
from chat.views.api import address_of, api


@api("GET")
async def new(request: HttpRequest) -> JsonResponse:
    """Returns a new challenge as ALTCHA's clients take it; it is kept nowhere."""
    await in_thread(action_limits.count_challenge, address_of(request))
    return JsonResponse(proof_of_work.issue(), headers={"Cache-Control": "no-store"})
