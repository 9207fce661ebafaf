"""People with an account: the quota of each, and the actions of an operator."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from chat.admin import meters
from chat.admin.base import StopAnswersMixin
from chat.admin.history import ChangeLogMixin
from chat.admin.person_action_pages import PersonActionPages
from chat.limits import refusal_counts
from chat.limits.usage_report import THEM, report
from chat.models import Conversation, Grant, Pause, Quota, Usage
from chat.requester import Requester


class QuotaFilter(admin.SimpleListFilter):
    title = "quota that applies"
    parameter_name = "quota"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return list(Quota.objects.values_list("pk", "name"))

    def queryset(self, request: HttpRequest, queryset: "QuerySet[User]") -> "QuerySet[User]":
        """Finds no one for a quota that does not exist.

        If it found everyone, an action on all people found would be one on everyone.
        """
        if self.value() is None:
            return queryset
        chosen = [pk for pk, _ in self.lookup_choices if str(pk) == self.value()]
        return Quota(pk=chosen[0]).people(queryset) if chosen else queryset.none()


class PausedFilter(admin.SimpleListFilter):
    title = "paused"
    parameter_name = "paused"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[User]") -> "QuerySet[User]":
        if self.value() is None:
            return queryset
        return (
            queryset.filter(pause__isnull=self.value() == "no")
            if self.value() in ("yes", "no")
            else queryset.none()
        )


class PersonAdmin(PersonActionPages, ChangeLogMixin, StopAnswersMixin, UserAdmin[User]):
    """Adds the quota that applies to each person, computed in the query of the list."""

    list_display = ("username", "email", "quota", "paused", "is_active", "is_staff", "last_login")
    list_filter = (QuotaFilter, PausedFilter, "is_active", "is_staff", "is_superuser", "groups")
    show_full_result_count = False
    # Counts beside the filters would each count all rows.
    show_facets = admin.ShowFacets.NEVER
    filter_horizontal = ("groups", "user_permissions")
    # The history outlives the account.
    redacted_fields = ("username", "first_name", "last_name", "email")

    def conversations_of(self, queryset: "QuerySet[User]") -> "QuerySet[Conversation]":
        return Conversation.objects.filter(user__in=queryset.values("pk"))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[User]":
        rows = (
            super()
            .get_queryset(request)
            .annotate(is_paused=Exists(Pause.objects.filter(user=OuterRef("pk"))))
        )
        return rows.annotate(quota_name=Quota.objects.effective_field("pk", "name"))

    @admin.display(description="quota that applies", ordering="quota_name")
    def quota(self, user: User) -> str | None:
        return getattr(user, "quota_name", None)

    @admin.display(description="paused", ordering="is_paused")
    def paused(self, user: User) -> str:
        return "paused" if getattr(user, "is_paused", False) else ""

    # --- The page of one person -------------------------------------------------

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        user = kwargs.get("obj")
        if user is not None and request.user.has_perm("chat.view_usage"):
            context["effective_quota"] = self._effective_quota(request, user)
        return super().render_change_form(request, context, *args, **kwargs)

    def _effective_quota(self, request: HttpRequest, user: User) -> dict[str, Any]:
        """Returns what the page says about the limits, in a constant number of queries."""
        requester = Requester(user.pk, "", "")
        found = report(requester, THEM)
        today = timezone.localdate()
        grants = Grant.objects.filter(user=user, day__gte=today.replace(day=1), day__lte=today)
        pause = Pause.objects.filter(user=user).select_related("created_by").first()
        running = list(Usage.objects.running().filter(user=user))
        return {
            "report": found,
            "meters": meters.of_person(found),
            "pause": pause,
            "grants": grants.select_related("created_by"),
            "running": running,
            "refused": refusal_counts.by_gate(limit_key=requester.limit_key)
            if request.user.has_perm("chat.view_refusalcount")
            else None,
            "actions": self._buttons(request, pause is not None, bool(running)),
        }

    def _buttons(
        self, request: HttpRequest, is_paused: bool, is_running: bool
    ) -> list[tuple[str, str]]:
        """Returns name and label of the actions that are possible now and allowed to the operator.

        Dots in a label say that there is a question first.
        """
        hidden = {
            "pause" if is_paused else "unpause",
            "" if is_running else "stop_running",
            "delete_selected",
        }
        choices = [
            (name, label)
            for name, label in self.get_action_choices(request, [])
            if name not in hidden
        ]
        return [(name, label if name == "unpause" else f"{label} …") for name, label in choices]


admin.site.unregister(User)
admin.site.register(User, PersonAdmin)
