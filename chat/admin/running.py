"""The page of running answers: whose, on which worker, how far; and how to stop them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from chat import redis_client
from chat.admin.base import may_stop_answers, stop_and_wait
from chat.admin.history import record
from chat.answers import answer_store
from chat.models import Usage

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Usage]
else:
    ModelAdmin = object

_MAX_SHOWN = 500


@dataclass(frozen=True)
class Running:
    """Holds one running answer.

    `seconds` is its age; `tokens` estimates its length, None where Redis cannot be asked.
    """

    usage: Usage
    seconds: int
    tokens: int | None
    host: str
    alive: bool

    @property
    def key(self) -> UUID:
        return self.usage.answer


def running_answers() -> tuple[list[Running], bool]:
    """Returns the oldest running answers, at most _MAX_SHOWN, and whether Redis could be asked.

    One query.
    """
    rows = list(Usage.objects.running().select_related("user").order_by("created")[:_MAX_SHOWN])
    workers = sorted({row.worker for row in rows})
    try:
        costs, leases = answer_store.read_costs_and_leases(
            redis_client.client(), [row.answer for row in rows], workers
        )
    except redis_client.REDIS_ERRORS:
        return [_running(row, None, True) for row in rows], False
    alive = dict(zip(workers, leases, strict=True))
    return [
        _running(row, cost.bill.completion_tokens, alive[row.worker])
        for row, cost in zip(rows, costs, strict=True)
    ], True


def _running(row: Usage, tokens: int | None, alive: bool) -> Running:
    seconds = int((timezone.now() - row.created).total_seconds())
    return Running(row, max(0, seconds), tokens, ":".join(row.worker.split(":")[:2]), alive)


class RunningPages(ModelAdmin):
    """Adds the page beside the ledger's list, and its buttons."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("running/", view(self.running_view), name="chat_usage_running"),
            path("running/stop/", view(self.stop_view), name="chat_usage_stop"),
        ]
        return own + super().get_urls()

    def running_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        answers, redis_answers = running_answers()
        context = {
            **self.admin_site.each_context(request),
            "title": "Running answers",
            "answers": answers,
            "redis_answers": redis_answers,
            "may_stop": may_stop_answers(request),
        }
        return TemplateResponse(request, "admin/chat/usage/running.html", context)

    def stop_view(self, request: HttpRequest) -> HttpResponse:
        """Stops the answers whose ids POST `answer` has, or all with `all=1`, and records it."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not may_stop_answers(request):
            raise PermissionDenied
        rows = Usage.objects.running().select_related("user")
        if request.POST.get("all") != "1":
            rows = rows.filter(answer__in=_ids(request.POST.getlist("answer")))
        stopped = list(rows)
        record(request, [(row, f"Stopped the running answer of {_whose(row)}.") for row in stopped])
        _stop(request, stopped)
        return redirect("admin:chat_usage_running")


def _ids(texts: Sequence[str]) -> list[UUID]:
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


def _whose(row: Usage) -> str:
    return row.user.get_username() if row.user else "a guest"


def _stop(request: HttpRequest, rows: Sequence[Usage]) -> None:
    if not rows:
        messages.info(request, "It had ended already.")
        return
    left = stop_and_wait(rows)
    if ended := len(rows) - left:
        messages.success(request, f"{ended} answer{' is' if ended == 1 else 's are'} stopped.")
    if left:
        messages.warning(
            request,
            f"{left} {'was' if left == 1 else 'were'} told to stop; a lost worker's answer ends"
            " within 15 seconds.",
        )
