"""The page on which people see what they may use and what they have used."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from chat.limits.usage_report import report
from chat.models import Usage
from chat.requester import Requester
from chat.views.library import for_the_known

_LATEST = 50


@require_safe
@never_cache
@for_the_known
def usage(request: HttpRequest, requester: Requester) -> HttpResponse:
    """My limits, what is used of them, and my latest answers."""
    answers = Usage.objects.filter(owner_key=requester.owner_key)[:_LATEST]
    return render(request, "library/usage.html", {"report": report(request, requester), "answers": answers})
