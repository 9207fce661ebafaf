"""The policy of the whole site."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse

from chat.admin import meters
from chat.admin.history import ChangeLogMixin, record, shown
from chat.models import SitePolicy

_WANTED = {"yes": True, "no": False}


@admin.register(SitePolicy)
class SitePolicyAdmin(ChangeLogMixin, admin.ModelAdmin[SitePolicy]):
    """Shows the one row: the list is skipped, and nothing is added or deleted."""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        policy, _ = SitePolicy.objects.get_or_create(pk=1)
        return redirect(reverse("admin:chat_sitepolicy_change", args=[policy.pk]))

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "pause/", self.admin_site.admin_view(self.pause_view), name="chat_sitepolicy_pause"
            ),
            *super().get_urls(),
        ]

    def pause_view(self, request: HttpRequest) -> HttpResponse:
        """Sets POST `paused`, "yes" or "no", for the button on the admin's first page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        wanted = _WANTED.get(request.POST.get("paused", ""))
        if wanted is None:
            raise BadRequest("paused is neither yes nor no")
        with transaction.atomic():
            policy, _ = SitePolicy.objects.select_for_update().get_or_create(pk=1)
            if policy.paused != wanted:
                SitePolicy.objects.filter(pk=policy.pk).update(paused=wanted)
                record(request, [(policy, f"Paused: {shown(policy.paused)} → {shown(wanted)}.")])
        return redirect("admin:index")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if request.user.has_perm("chat.view_usage"):
            context["meters"] = meters.of_site(SitePolicy.current())
        return super().render_change_form(request, context, *args, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: SitePolicy | None = None) -> bool:
        return False
