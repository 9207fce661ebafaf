"""The upstream's models that people may choose."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chat.admin import upstream_findings
from chat.admin.base import RowForm, make_default, only_one
from chat.admin.history import ChangeLogMixin, record
from chat.models import ChatModel, Quota
from chat.upstream import learned


class ChatModelForm(forms.ModelForm[ChatModel]):
    def clean(self) -> dict[str, Any]:
        only_one(self, "is_default", "the default")
        if self.instance.pk and self.cleaned_data.get("fallback") == self.instance:
            self.add_error("fallback", "A model cannot take over from itself.")
        return self.cleaned_data


def _left_without(models: list[int]) -> list[SafeString]:
    """Returns links to the quotas that name only such models."""
    others = Quota.models.through.objects.exclude(chatmodel__in=models).values("quota")
    quotas = Quota.objects.filter(models__in=models).exclude(pk__in=others).distinct()
    return [
        format_html(
            'Quota: <a href="{}">{}</a>', reverse("admin:chat_quota_change", args=[quota.pk]), quota
        )
        for quota in quotas
    ]


@admin.register(ChatModel)
class ChatModelAdmin(ChangeLogMixin, admin.ModelAdmin[ChatModel]):
    form = ChatModelForm
    list_display = (
        "slug",
        "label",
        "enabled",
        "is_default",
        "input_usd_per_million",
        "output_usd_per_million",
        "position",
    )
    list_editable = ("enabled", "input_usd_per_million", "output_usd_per_million", "position")
    search_fields = ("slug", "label")
    actions = ("make_default",)
    change_form_template = "admin/chat/chatmodel/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        return [
            path(
                "<int:model_id>/learned/",
                self.admin_site.admin_view(self.learned),
                name="chat_chatmodel_learned",
            ),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        model = kwargs.get("obj")
        if model is not None:
            # A form that was refused has put its values into the object.
            saved = ChatModel.objects.get(pk=model.pk) if request.method == "POST" else model
            context |= {
                "learned_lines": upstream_findings.learned_lines(saved),
                "can_adopt": upstream_findings.can_adopt(saved),
                "last_failure": upstream_findings.last_failure(saved),
                "may_change": self.has_change_permission(request, saved),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def learned(self, request: HttpRequest, model_id: int) -> HttpResponse:
        """Sets or forgets what was learned, as POST `do` says; other methods change nothing."""
        model = get_object_or_404(ChatModel, pk=model_id)
        if not self.has_change_permission(request, model):
            raise PermissionDenied
        if request.method == "POST" and request.POST.get("do") == "adopt":
            self._done(
                request,
                model,
                f"Set as learned: {', '.join(learned.adopt(model)).replace('_', ' ')}.",
            )
        elif request.method == "POST" and request.POST.get("do") == "forget":
            learned.forget(model)
            self._done(request, model, "What was learned from refusals is forgotten.")
        return redirect("admin:chat_chatmodel_change", model_id)

    def _done(self, request: HttpRequest, model: ChatModel, sentence: str) -> None:
        record(request, [(model, sentence)])
        self.message_user(request, sentence, messages.SUCCESS)

    def get_changelist_form(
        self, request: HttpRequest, **kwargs: Any
    ) -> "type[forms.ModelForm[ChatModel]]":
        return super().get_changelist_form(request, form=RowForm, **kwargs)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """Protects the last models of a quota.

        A quota that names no model allows all of them, also the expensive ones.
        """
        deleted, counts, missing, protected = super().get_deleted_objects(objs, request)
        return deleted, counts, missing, [*protected, *_left_without([obj.pk for obj in objs])]

    @admin.action(description="Make it the default", permissions=["change"])
    def make_default(self, request: HttpRequest, queryset: "QuerySet[ChatModel]") -> None:
        make_default(request, queryset)
