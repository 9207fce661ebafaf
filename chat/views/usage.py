"""Serves the page of limits and use."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from chat.limits.usage_report import report
from chat.models import Usage
from chat.requester import Requester
from chat.views.own_conversations import guest_or_login_required

_LATEST = 50


@require_safe
@never_cache
@guest_or_login_required
def usage(request: HttpRequest, requester: Requester) -> HttpResponse:
    """Shows the requester's limits, what is used of them, and their latest answers."""
    answers = Usage.objects.filter(owner_key=requester.owner_key)[:_LATEST]
    return render(request, "library/usage.html", {"report": report(requester), "answers": answers})
