"""People with an account: what applies to each, and what an operator may do about it."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from chat.admin import meters, person_actions
from chat.admin.base import StopAnswersMixin, may_stop_answers
from chat.admin.history import ChangeLogMixin
from chat.admin.person_actions import PersonAction
from chat.errors import Refusal
from chat.limits import refusal_counts
from chat.limits.usage_report import THEM, report
from chat.models import Conversation, Grant, Pause, Quota, Usage
from chat.requester import Requester

_MAX_NAMES = 20


class QuotaFilter(admin.SimpleListFilter):
    title = "quota that applies"
    parameter_name = "quota"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return list(Quota.objects.values_list("pk", "name"))

    def queryset(self, request: HttpRequest, queryset: "QuerySet[User]") -> "QuerySet[User]":
        """Nobody has a quota that is none: were it everybody, an action for all of them would be one for all there are."""
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
        return queryset.filter(pause__isnull=self.value() == "no") if self.value() in ("yes", "no") else queryset.none()


class PersonAdmin(ChangeLogMixin, StopAnswersMixin, UserAdmin[User]):
    """Django's, with the quota that applies to each person: worked out by the database, in the query of the list."""

    list_display = ("username", "email", "quota", "paused", "is_active", "is_staff", "last_login")
    list_filter = (QuotaFilter, PausedFilter, "is_active", "is_staff", "is_superuser", "groups")
    show_full_result_count = False
    # Numbers beside the filters would be a count of all rows for each.
    show_facets = admin.ShowFacets.NEVER
    filter_horizontal = ("groups", "user_permissions")
    actions = ("reset_counters", "grant_tokens", "pause", "unpause", "stop_running")
    # The history outlives the account.
    redacted_fields = ("username", "first_name", "last_name", "email")

    def conversations_of(self, queryset: "QuerySet[User]") -> "QuerySet[Conversation]":
        return Conversation.objects.filter(user__in=queryset.values("pk"))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[User]":
        rows = super().get_queryset(request).annotate(is_paused=Exists(Pause.objects.filter(user=OuterRef("pk"))))
        return rows.annotate(quota_name=Quota.objects.effective_field("pk", "name"))

    @admin.display(description="quota that applies", ordering="quota_name")
    def quota(self, user: User) -> str | None:
        return getattr(user, "quota_name", None)

    @admin.display(description="paused", ordering="is_paused")
    def paused(self, user: User) -> str:
        return "paused" if getattr(user, "is_paused", False) else ""

    # --- The page of one person -------------------------------------------------

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> HttpResponse:
        user = kwargs.get("obj")
        if user is not None and request.user.has_perm("chat.view_usage"):
            context["effective_quota"] = self._effective_quota(request, user)
        return super().render_change_form(request, context, *args, **kwargs)

    def _effective_quota(self, request: HttpRequest, user: User) -> dict[str, Any]:
        """All that the page says about the limits; the same number of queries for everybody."""
        requester = Requester(user.pk, "", "")
        found = report(request, requester, THEM)
        today = timezone.localdate()
        grants = Grant.objects.filter(user=user, day__gte=today.replace(day=1), day__lte=today)
        pause = Pause.objects.filter(user=user).select_related("created_by").first()
        running = list(Usage.objects.filter(user=user, outcome=Usage.Outcome.RUNNING))
        return {
            "report": found,
            "meters": meters.of_person(found),
            "pause": pause,
            "grants": grants.select_related("created_by"),
            "running": running,
            "refused": refusal_counts.by_gate(limit_key=requester.limit_key) if request.user.has_perm("chat.view_refusalcount") else None,
            "actions": self._buttons(request, pause is not None, bool(running)),
        }

    def _buttons(self, request: HttpRequest, is_paused: bool, is_running: bool) -> list[tuple[str, str]]:
        """Name and label of the actions that make sense now and that the operator may do; the dots say that there is a question first."""
        hidden = {"pause" if is_paused else "unpause", "" if is_running else "stop_running", "delete_selected"}
        choices = [(name, label) for name, label in self.get_action_choices(request, []) if name not in hidden]
        return [(name, label if name == "unpause" else f"{label} …") for name, label in choices]

    # --- What is done about people ------------------------------------------------

    def has_grant_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("chat.add_grant")

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("chat.add_pause")

    def has_unpause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("chat.delete_pause")

    def has_stop_permission(self, request: HttpRequest) -> bool:
        return may_stop_answers(request)

    @admin.action(description=person_actions.RESET.title, permissions=["grant"])
    def reset_counters(self, request: HttpRequest, queryset: "QuerySet[User]") -> HttpResponse | None:
        return self._ask_or_run(request, queryset, person_actions.RESET)

    @admin.action(description=person_actions.GRANT.title, permissions=["grant"])
    def grant_tokens(self, request: HttpRequest, queryset: "QuerySet[User]") -> HttpResponse | None:
        return self._ask_or_run(request, queryset, person_actions.GRANT)

    @admin.action(description=person_actions.PAUSE.title, permissions=["pause"])
    def pause(self, request: HttpRequest, queryset: "QuerySet[User]") -> HttpResponse | None:
        return self._ask_or_run(request, queryset, person_actions.PAUSE)

    @admin.action(description=person_actions.UNPAUSE.title, permissions=["unpause"])
    def unpause(self, request: HttpRequest, queryset: "QuerySet[User]") -> HttpResponse | None:
        return self._ask_or_run(request, queryset, person_actions.UNPAUSE)

    @admin.action(description=person_actions.STOP.title, permissions=["stop"])
    def stop_running(self, request: HttpRequest, queryset: "QuerySet[User]") -> HttpResponse | None:
        return self._ask_or_run(request, queryset, person_actions.STOP)

    def _ask_or_run(self, request: HttpRequest, queryset: "QuerySet[User]", action: PersonAction) -> HttpResponse | None:
        """Asks first, unless the operator is sure or the action is harmless; then does it and goes back to where the operator came from."""
        people = User.objects.filter(pk__in=queryset.order_by().values("pk"))
        sure = request.POST.get("sure") == "yes"
        form = action.fields(request.POST if sure or action.explanation is None else None)
        if not form.is_valid():
            return self._ask(request, people, action, form)
        try:
            messages.success(request, action.run(request, people, form.cleaned_data))
        except Refusal as refusal:
            messages.error(request, f"Nothing was done. {refusal.message}")
        back = self._back(request)
        return redirect(back) if back else None

    def _ask(self, request: HttpRequest, people: "QuerySet[User]", action: PersonAction, form: Any) -> HttpResponse:
        named, count = list(people.order_by("username")[:_MAX_NAMES]), people.count()
        keys = request.POST.getlist(ACTION_CHECKBOX_NAME)
        across = request.POST.get("select_across") == "1"
        context = {
            **self.admin_site.each_context(request),
            "title": action.title,
            "explanation": action.explanation,
            "opts": self.opts,
            "people": named,
            "count": count,
            "more": count - len(named),
            "form": form,
            "action": request.POST["action"],
            "across": across,
            # For all of them one key is enough: the list's own filters say who they are.
            "keys": keys[:1] if across else keys,
            "back": request.POST.get("back", ""),
            "leave": self._back(request) or request.get_full_path(),
        }
        return TemplateResponse(request, "admin/auth/user/action.html", context)

    def _back(self, request: HttpRequest) -> str | None:
        """The page of the person whose button it was; None: the list."""
        key = request.POST.get(ACTION_CHECKBOX_NAME)
        if request.POST.get("back") != "page" or key is None:
            return None
        return reverse("admin:auth_user_change", args=[key])


admin.site.unregister(User)
admin.site.register(User, PersonAdmin)
