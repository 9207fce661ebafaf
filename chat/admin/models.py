"""The upstream's models that people may choose."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chat.admin.base import RowForm, make_default, only_one
from chat.admin.history import TellsChanges
from chat.models import ChatModel, Quota

if TYPE_CHECKING:
    ModelBase = admin.ModelAdmin[ChatModel]
    ModelForm = forms.ModelForm[ChatModel]
else:
    ModelBase = admin.ModelAdmin
    ModelForm = forms.ModelForm


class ChatModelForm(ModelForm):
    def clean(self) -> dict[str, Any]:
        only_one(self, "is_default", "the default")
        if self.instance.pk and self.cleaned_data.get("fallback") == self.instance:
            self.add_error("fallback", "A model cannot take over from itself.")
        return self.cleaned_data


def _left_without(models: list[int]) -> list[SafeString]:
    """Links to the quotas that name these models and no others."""
    others = Quota.models.through.objects.exclude(chatmodel__in=models).values("quota")
    quotas = Quota.objects.filter(models__in=models).exclude(pk__in=others).distinct()
    return [format_html('Quota: <a href="{}">{}</a>', reverse("admin:chat_quota_change", args=[quota.pk]), quota) for quota in quotas]


@admin.register(ChatModel)
class ChatModelAdmin(TellsChanges, ModelBase):
    form = ChatModelForm
    list_display = ("slug", "label", "enabled", "is_default", "input_usd_per_million", "output_usd_per_million", "position")
    list_editable = ("enabled", "input_usd_per_million", "output_usd_per_million", "position")
    search_fields = ("slug", "label")
    actions = ("make_default",)

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> "type[forms.ModelForm[ChatModel]]":
        return super().get_changelist_form(request, form=RowForm, **kwargs)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """The last models of a quota stay, or it would name none, which allows all of them: the dear ones too."""
        deleted, counts, missing, protected = super().get_deleted_objects(objs, request)
        return deleted, counts, missing, [*protected, *_left_without([obj.pk for obj in objs])]

    @admin.action(description="Make it the default", permissions=["change"])
    def make_default(self, request: HttpRequest, queryset: "QuerySet[ChatModel]") -> None:
        make_default(request, queryset)
