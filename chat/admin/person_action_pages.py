"""The actions on people in the admin: who may take which, and the question before each."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from chat.admin import person_actions
from chat.admin.base import may_stop_answers
from chat.admin.person_actions import PersonAction
from chat.errors import Refusal

if TYPE_CHECKING:
    UserBase = UserAdmin[User]
else:
    UserBase = object

_MAX_NAMES = 20


class PersonActionPages(UserBase):
    """Offers the actions of `chat.admin.person_actions` on the chosen people."""

    actions = ("reset_counters", "grant_tokens", "pause", "unpause", "stop_running")

    def has_grant_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("chat.add_grant")

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("chat.add_pause")

    def has_unpause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("chat.delete_pause")

    def has_stop_permission(self, request: HttpRequest) -> bool:
        return may_stop_answers(request)

    @admin.action(description=person_actions.RESET.title, permissions=["grant"])
    def reset_counters(
        self, request: HttpRequest, queryset: "QuerySet[User]"
    ) -> HttpResponse | None:
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

    def _ask_or_run(
        self, request: HttpRequest, queryset: "QuerySet[User]", action: PersonAction
    ) -> HttpResponse | None:
        """Asks first, unless the operator is sure or the action is harmless.

        Then runs it and goes back to the page of the person, or to the list.
        """
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

    def _ask(
        self, request: HttpRequest, people: "QuerySet[User]", action: PersonAction, form: Any
    ) -> HttpResponse:
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
            # Where all are chosen one key is enough: the filters of the list choose the people.
            "keys": keys[:1] if across else keys,
            "back": request.POST.get("back", ""),
            "leave": self._back(request) or request.get_full_path(),
        }
        return TemplateResponse(request, "admin/auth/user/action.html", context)

    def _back(self, request: HttpRequest) -> str | None:
        """Returns the address of the person's page if the button was there; None for the list."""
        key = request.POST.get(ACTION_CHECKBOX_NAME)
        if request.POST.get("back") != "page" or key is None:
            return None
        return reverse("admin:auth_user_change", args=[key])
