"""Quotas: who may use how much."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chat.admin import meters
from chat.admin.base import RowForm, make_default, only_one
from chat.admin.history import ChangeLogMixin
from chat.formatting import figure
from chat.limits import refusal_counts
from chat.models import Quota
from chat.operator.most_used import most_used

_MAX_REFUSED = 20


class QuotaForm(forms.ModelForm[Quota]):
    def clean(self) -> dict[str, Any]:
        only_one(self, "is_default", "the default")
        only_one(self, "for_guests", "the quota for guests")
        return self.cleaned_data


class QuotaList(ChangeList):
    def get_results(self, request: HttpRequest) -> None:
        """Adds the number of people to whom each quota applies, all counted in one query."""
        super().get_results(request)
        counts = Quota.objects.people_counts()
        for quota in self.result_list:
            quota.people_count = counts.get(quota.pk, 0)


@admin.register(Quota)
class QuotaAdmin(ChangeLogMixin, admin.ModelAdmin[Quota]):
    form = QuotaForm
    # The fields that change most come first: the list is wider than a small screen.
    list_editable = (
        "requests",
        "concurrent_streams",
        "tokens_per_day",
        "spend_per_month_usd",
        "priority",
    )
    list_display = ("name", "people", *list_editable, "how", "is_default", "for_guests")
    search_fields = ("name", "users__username", "groups__name")
    # A search, not a list to choose from: a site may have ten thousand people.
    autocomplete_fields = ("users",)
    filter_horizontal = ("groups", "models")
    change_form_template = "admin/chat/quota/change_form.html"
    actions = ("make_default",)
    fieldsets = (
        (None, {"fields": ("name", "mode")}),
        ("Who", {"fields": ("is_default", "for_guests", "users", "groups", "priority")}),
        (
            "How much",
            {"fields": ("requests", "concurrent_streams", "tokens_per_day", "spend_per_month_usd")},
        ),
        (
            "Each turn",
            {"fields": ("max_prompt_chars", "max_messages", "max_output_tokens", "models")},
        ),
    )

    @admin.action(description="Make it the default", permissions=["change"])
    def make_default(self, request: HttpRequest, queryset: "QuerySet[Quota]") -> None:
        make_default(request, queryset)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return QuotaList

    @admin.display(description="people")
    def people(self, quota: Quota) -> SafeString:
        """Returns a link to the people to whom the quota applies."""
        count = getattr(quota, "people_count", 0)
        url = f"{reverse('admin:auth_user_changelist')}?quota={quota.pk}"
        return format_html(
            '<a href="{}" aria-label="{} people with the quota {}">{}</a>',
            url,
            count,
            quota,
            figure(count),
        )

    @admin.display(description="mode", ordering="mode")
    def how(self, quota: Quota) -> str:
        return quota.get_mode_display().partition(":")[0]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        quota = kwargs.get("obj")
        if quota is not None:
            # A refused form has put its values into the object; the page shows the limits that
            # hold.
            saved = Quota.objects.get(pk=quota.pk) if request.method == "POST" else quota
            context |= self._use(request, saved)
        return super().render_change_form(request, context, *args, **kwargs)

    def _use(self, request: HttpRequest, quota: Quota) -> dict[str, Any]:
        """Returns who uses the quota, and whom it refused, as far as the operator may see that.

        The number of queries is the same for every quota.
        """
        context: dict[str, Any] = {"people_count": quota.people().count()}
        if request.user.has_perm("chat.view_usage"):
            uses = [(use, meters.of_person(use.report)) for use in most_used(quota)]
            context |= {"uses": uses, "limits": meters.labels(quota)}
        if request.user.has_perm("chat.view_refusalcount"):
            for name, shadow in (("refused", False), ("shadowed", True)):
                context[name] = refusal_counts.by_gate(quota=quota.name, shadow=shadow)
                context[f"{name}_people"] = refusal_counts.by_person(
                    quota=quota.name, shadow=shadow
                )[:_MAX_REFUSED]
        return context

    def get_changelist_form(
        self, request: HttpRequest, **kwargs: Any
    ) -> "type[forms.ModelForm[Quota]]":
        kwargs["widgets"] = {"requests": forms.TextInput(attrs={"size": 14})}
        return super().get_changelist_form(request, form=RowForm, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Quota | None = None) -> bool:
        """Keeps the default: without it, people without another quota could not chat."""
        return super().has_delete_permission(request, obj) and not (obj and obj.is_default)
