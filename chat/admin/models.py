"""The upstream's models that people may choose."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from chat.admin.base import make_default, only_one
from chat.admin.history import TellsChanges
from chat.models import ChatModel

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


@admin.register(ChatModel)
class ChatModelAdmin(TellsChanges, ModelBase):
    form = ChatModelForm
    list_display = ("slug", "label", "enabled", "is_default", "input_usd_per_million", "output_usd_per_million", "position")
    list_editable = ("enabled", "input_usd_per_million", "output_usd_per_million", "position")
    search_fields = ("slug", "label")
    actions = ("make_default",)

    @admin.action(description="Make it the default", permissions=["change"])
    def make_default(self, request: HttpRequest, queryset: "QuerySet[ChatModel]") -> None:
        make_default(request, queryset)
