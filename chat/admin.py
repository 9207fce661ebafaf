"""What the operator sees and sets. No prompt, answer or title is shown here: operators run the site, they do not read along."""

from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chat.links import invitation_url
from chat.models import ChatModel, Conversation, Invitation, Message, Quota, SitePolicy, Usage
from chat.worker import stop_conversation

admin.site.site_header = admin.site.site_title = "Chatsite"
admin.site.index_title = "Administration"
admin.site.empty_value_display = "–"

if TYPE_CHECKING:
    ConversationBase = admin.ModelAdmin[Conversation]
    InvitationBase = admin.ModelAdmin[Invitation]
    ModelBase = admin.ModelAdmin[ChatModel]
    ModelForm = forms.ModelForm[ChatModel]
    PolicyBase = admin.ModelAdmin[SitePolicy]
    QuotaBase = admin.ModelAdmin[Quota]
    QuotaFormBase = forms.ModelForm[Quota]
    UsageBase = admin.ModelAdmin[Usage]
    UserBase = UserAdmin[User]
else:
    ConversationBase = InvitationBase = ModelBase = PolicyBase = QuotaBase = UsageBase = admin.ModelAdmin
    UserBase = UserAdmin
    ModelForm = QuotaFormBase = forms.ModelForm


def _only_one(form: "forms.ModelForm[Any]", field: str, what: str) -> None:
    """An error at `field` where another row has it set already; the database's own words would name a constraint."""
    other = form._meta.model._default_manager.filter(**{field: True}).exclude(pk=form.instance.pk).first()
    if form.cleaned_data.get(field) and other is not None:
        form.add_error(field, f"“{other}” is {what} already. Untick it there first.")


def _make_default(request: HttpRequest, queryset: "QuerySet[Any]") -> None:
    """Hands `is_default` to the one chosen row."""
    if len(queryset) != 1:
        messages.error(request, "Choose exactly one.")
        return
    chosen = queryset[0]
    with transaction.atomic():
        chosen._meta.model._default_manager.filter(is_default=True).update(is_default=False)
        chosen.is_default = True
        chosen.save(update_fields=["is_default"])
    messages.success(request, f"“{chosen}” is the default now.")


# --- Limits and models ------------------------------------------------------


class QuotaForm(QuotaFormBase):
    def clean(self) -> dict[str, Any]:
        _only_one(self, "is_default", "the default")
        _only_one(self, "for_guests", "the quota for guests")
        return self.cleaned_data


@admin.register(Quota)
class QuotaAdmin(QuotaBase):
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
        _make_default(request, queryset)

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> "type[forms.ModelForm[Quota]]":
        kwargs["widgets"] = {"requests": forms.TextInput(attrs={"size": 14})}
        return super().get_changelist_form(request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Quota | None = None) -> bool:
        """The default stays, or nobody without a quota of their own could chat."""
        return super().has_delete_permission(request, obj) and not (obj and obj.is_default)


class ChatModelForm(ModelForm):
    def clean(self) -> dict[str, Any]:
        _only_one(self, "is_default", "the default")
        if self.instance.pk and self.cleaned_data.get("fallback") == self.instance:
            self.add_error("fallback", "A model cannot take over from itself.")
        return self.cleaned_data


@admin.register(ChatModel)
class ChatModelAdmin(ModelBase):
    form = ChatModelForm
    list_display = ("slug", "label", "enabled", "is_default", "input_usd_per_million", "output_usd_per_million", "position")
    list_editable = ("enabled", "input_usd_per_million", "output_usd_per_million", "position")
    search_fields = ("slug", "label")
    actions = ("make_default",)

    @admin.action(description="Make it the default", permissions=["change"])
    def make_default(self, request: HttpRequest, queryset: "QuerySet[ChatModel]") -> None:
        _make_default(request, queryset)


@admin.register(SitePolicy)
class SitePolicyAdmin(PolicyBase):
    """One row: the list is skipped, and nothing is added or deleted."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        policy, _ = SitePolicy.objects.get_or_create(pk=1)
        return redirect(reverse("admin:chat_sitepolicy_change", args=[policy.pk]))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: SitePolicy | None = None) -> bool:
        return False


# --- Deleting what may still be running ---------------------------------------


class StopsAnswers:
    """Answers of the conversations that a deletion takes along are stopped first: nobody would read what they cost."""

    def conversations_of(self, queryset: "QuerySet[Any]") -> "QuerySet[Conversation]":
        raise NotImplementedError

    def delete_view(self: Any, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        # Not in delete_model: the transaction around it would keep the answer from being saved, and we wait for that.
        obj = self.get_object(request, unquote(object_id))
        if request.method == "POST" and obj is not None and self.has_delete_permission(request, obj):
            self._stop(self.model._default_manager.filter(pk=obj.pk))
        return super().delete_view(request, object_id, extra_context)  # type: ignore[misc, no-any-return]

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        self._stop(queryset)
        super().delete_queryset(request, queryset)  # type: ignore[misc]

    def _stop(self, queryset: "QuerySet[Any]") -> None:
        running = self.conversations_of(queryset).filter(messages__status=Message.Status.STREAMING).distinct()
        for conversation_id in list(running.values_list("pk", flat=True)):
            async_to_sync(stop_conversation)(conversation_id)


# --- People -----------------------------------------------------------------


class PersonAdmin(StopsAnswers, UserBase):
    """Django's, with the quota that applies to each person: worked out by the database, in the query of the list."""

    list_display = ("username", "email", "quota", "is_active", "is_staff", "last_login")
    filter_horizontal = ("groups", "user_permissions")

    def conversations_of(self, queryset: "QuerySet[User]") -> "QuerySet[Conversation]":
        return Conversation.objects.filter(user__in=queryset.values("pk"))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[User]":
        return super().get_queryset(request).annotate(quota_name=Quota.objects.name_for("pk"))

    @admin.display(description="quota that applies", ordering="quota_name")
    def quota(self, user: User) -> str | None:
        return getattr(user, "quota_name", None)


admin.site.unregister(User)
admin.site.register(User, PersonAdmin)


@admin.register(Invitation)
class InvitationAdmin(InvitationBase):
    """An invitation is made here; its page shows the link to hand on. Deleting it withdraws the link."""

    list_display = ("__str__", "created", "expires", "used", "used_by", "created_by")
    list_filter = ("expires", "used")
    list_select_related = ("used_by", "created_by")
    fields = ("note", "expires", "link", "used", "used_by")
    readonly_fields = ("link", "used", "used_by")

    @admin.display(description="link")
    def link(self, invitation: Invitation) -> SafeString | str:
        if invitation._state.adding:
            return "The link is shown here once the invitation is saved."
        if not Invitation.objects.usable().filter(pk=invitation.pk).exists():
            return "Used or expired."
        if SitePolicy.current().signup == SitePolicy.Signup.CLOSED:
            return "Sign-up is closed: set the site policy to “By invitation link” first."
        return format_html('<input type="text" class="vLargeTextField" readonly value="{}"> It works once.', invitation_url(invitation))

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        if not change:
            obj.created_by_id = request.user.pk
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Invitation, post_url_continue: str | None = None) -> HttpResponse:
        messages.success(request, "The invitation is made. Copy the link below and hand it on.")
        return redirect(reverse("admin:chat_invitation_change", args=[obj.pk]))


# --- What went on -----------------------------------------------------------


class NeverChanged:
    """For rows that the site writes and nobody edits."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Usage)
class UsageAdmin(NeverChanged, UsageBase):
    """The ledger. It is not deleted either, or budgets would come back."""

    list_display = (
        "created",
        "user",
        "model",
        "quota",
        "prompt_tokens",
        "completion_tokens",
        "cost_usd",
        "estimated",
        "outcome",
        "duration_ms",
    )
    list_filter = ("outcome", "estimated", "model", "quota", "created")
    list_select_related = ("user",)
    search_fields = ("user__username", "limit_key")
    date_hierarchy = "created"
    show_full_result_count = False

    def has_delete_permission(self, request: HttpRequest, obj: Usage | None = None) -> bool:
        return False


@admin.register(Conversation)
class ConversationAdmin(NeverChanged, StopsAnswers, ConversationBase):
    """Whose, when and how long; never what was said. Deleting is allowed: a person's account takes its conversations along."""

    list_display = ("id", "user", "is_guest", "messages", "created", "updated")
    list_filter = ("created", "updated")
    list_select_related = ("user",)
    search_fields = ("user__username", "id")
    fields = ("id", "user", "is_guest", "created", "updated")
    readonly_fields = fields
    show_full_result_count = False

    def conversations_of(self, queryset: "QuerySet[Conversation]") -> "QuerySet[Conversation]":
        return Conversation.objects.filter(pk__in=queryset.values("pk"))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Conversation]":
        return super().get_queryset(request).annotate(message_count=Count("messages"))

    @admin.display(description="messages", ordering="message_count")
    def messages(self, conversation: Conversation) -> int:
        return int(getattr(conversation, "message_count", 0))

    @admin.display(description="guest", boolean=True)
    def is_guest(self, conversation: Conversation) -> bool:
        return conversation.user_id is None
