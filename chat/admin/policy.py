"""What holds for the whole site."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from chat.admin import gauges
from chat.admin.history import TellsChanges
from chat.models import SitePolicy

if TYPE_CHECKING:
    PolicyBase = admin.ModelAdmin[SitePolicy]
else:
    PolicyBase = admin.ModelAdmin


@admin.register(SitePolicy)
class SitePolicyAdmin(TellsChanges, PolicyBase):
    """One row: the list is skipped, and nothing is added or deleted."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        policy, _ = SitePolicy.objects.get_or_create(pk=1)
        return redirect(reverse("admin:chat_sitepolicy_change", args=[policy.pk]))

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.has_perm("chat.view_usage"):
            context["gauges"] = gauges.of_site(SitePolicy.current())
        return super().render_change_form(request, context, *args, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: SitePolicy | None = None) -> bool:
        return False
