"""Quotas: who may use how much."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from chat.admin.base import make_default, only_one
from chat.admin.history import TellsChanges
from chat.models import Quota

if TYPE_CHECKING:
    QuotaBase = admin.ModelAdmin[Quota]
    QuotaFormBase = forms.ModelForm[Quota]
else:
    QuotaBase = admin.ModelAdmin
    QuotaFormBase = forms.ModelForm


class QuotaForm(QuotaFormBase):
    def clean(self) -> dict[str, Any]:
        only_one(self, "is_default", "the default")
        only_one(self, "for_guests", "the quota for guests")
        return self.cleaned_data


@admin.register(Quota)
class QuotaAdmin(TellsChanges, QuotaBase):
    form = QuotaForm
    # What is set day by day comes first: the list is wider than a small screen.
    list_editable = ("requests", "concurrent_streams", "tokens_per_day", "spend_per_month_usd", "priority")
    list_display = ("name", *list_editable, "mode", "is_default", "for_guests")
    search_fields = ("name", "users__username", "groups__name")
    filter_horizontal = ("users", "groups", "models")
    actions = ("make_default",)
    fieldsets = (
        (None, {"fields": ("name", "mode")}),
        ("Who", {"fields": ("is_default", "for_guests", "users", "groups", "priority")}),
        ("How much", {"fields": ("requests", "concurrent_streams", "tokens_per_day", "spend_per_month_usd")}),
        ("Each turn", {"fields": ("max_prompt_chars", "max_messages", "max_output_tokens", "models")}),
    )

    @admin.action(description="Make it the default", permissions=["change"])
    def make_default(self, request: HttpRequest, queryset: "QuerySet[Quota]") -> None:
        make_default(request, queryset)

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> "type[forms.ModelForm[Quota]]":
        kwargs["widgets"] = {"requests": forms.TextInput(attrs={"size": 14})}
        return super().get_changelist_form(request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Quota | None = None) -> bool:
        """The default stays, or nobody without a quota of their own could chat."""
        return super().has_delete_permission(request, obj) and not (obj and obj.is_default)
