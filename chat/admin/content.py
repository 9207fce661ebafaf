"""Reads a person's conversation, if the site policy allows it, and records each access."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import BigIntegerField, Case, OuterRef, QuerySet, Subquery, When
from django.db.models.functions import Cast, Substr
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from chat.admin.base import ReadOnlyMixin
from chat.markdown import render
from chat.models import ContentAccess, Conversation, Message, SitePolicy
from chat.requester import Requester

if TYPE_CHECKING:
    ConversationBase = admin.ModelAdmin[Conversation]
else:
    ConversationBase = object


def may_read_content(request: HttpRequest) -> bool:
    return request.user.has_perm("chat.read_content") and SitePolicy.current().content_access


@dataclass(frozen=True)
class Shown:
    """Holds a message as this page shows it.

    `version` is its place among the branches at that point, such as "2 of 3".
    """

    message: Message
    html: SafeString | str
    version: str


class ContentPages(ConversationBase):
    """Adds the page that shows a conversation, and the button that leads to it."""

    def get_urls(self) -> list[URLPattern]:
        read = path(
            "<uuid:conversation_id>/read/",
            self.admin_site.admin_view(self.read_view),
            name="chat_conversation_read",
        )
        return [read, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {"may_read": may_read_content(request), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def read_view(self, request: HttpRequest, conversation_id: UUID) -> HttpResponse:
        """Shows the conversation; POST only.

        A link could be followed by chance, or fetched ahead, and would count as an access.
        """
        if request.method != "POST":
            return redirect("admin:chat_conversation_change", conversation_id)
        conversation, messages = _record_access(request, conversation_id)
        context = {
            **self.admin_site.each_context(request),
            "title": "Conversation",
            "conversation": conversation,
            "messages_shown": _shown(messages),
        }
        return TemplateResponse(request, "admin/chat/conversation/read.html", context)


def _record_access(
    request: HttpRequest, conversation_id: UUID
) -> tuple[Conversation, list[Message]]:
    """Records the access and reads, both or neither.

    Raises PermissionDenied, or Http404 while the site policy lets no one read.
    """
    if not request.user.has_perm("chat.read_content"):
        raise PermissionDenied
    with transaction.atomic():
        policy = SitePolicy.objects.select_for_update().first()
        conversation = (
            Conversation.objects.select_related("user").filter(pk=conversation_id).first()
        )
        if policy is None or not policy.content_access or conversation is None:
            raise Http404
        owner = Requester(user_id=conversation.user_id, guest=conversation.guest, ip="")
        ContentAccess.objects.create(
            operator_id=request.user.pk,
            operator_name=request.user.get_username(),
            conversation=conversation.pk,
            owner_key=owner.owner_key if conversation.user_id is not None else "guest",
        )
        return conversation, list(conversation.messages.order_by("created", "-role", "pk"))


def _shown(messages: list[Message]) -> list[Shown]:
    counts = Counter(message.parent_id for message in messages)
    places: defaultdict[UUID | None, int] = defaultdict(int)
    shown = []
    for message in messages:
        places[message.parent_id] += 1
        count = counts[message.parent_id]
        version = f"{places[message.parent_id]} of {count}" if count > 1 else ""
        html = SafeString(render(message.content)) if message.role == Message.Role.ASSISTANT else ""
        shown.append(Shown(message, html, version))
    return shown


@admin.register(ContentAccess)
class ContentAccessAdmin(ReadOnlyMixin, admin.ModelAdmin[ContentAccess]):
    """Lists who read whose conversation, and when.

    All staff may see it, and no one may change it.
    """

    list_display = ("created", "operator_name", "person", "conversation")
    search_fields = ("operator_name", "conversation")
    fields = ("created", "operator_name", "person", "conversation")
    readonly_fields = fields
    date_hierarchy = "created"
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> "QuerySet[ContentAccess]":
        owner = Case(
            When(owner_key__startswith="u:", then=Cast(Substr("owner_key", 3), BigIntegerField()))
        )
        name = Subquery(User.objects.filter(pk=OuterRef("owner_id")).values("username")[:1])
        return super().get_queryset(request).annotate(owner_id=owner).annotate(owner_name=name)

    @admin.display(description="conversation of", ordering="owner_name")
    def person(self, access: ContentAccess) -> str:
        return getattr(access, "owner_name", None) or (
            "a guest" if access.owner_key == "guest" else "a deleted account"
        )

    def has_module_permission(self, request: HttpRequest) -> bool:
        return True

    def has_view_permission(self, request: HttpRequest, obj: ContentAccess | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    def has_delete_permission(self, request: HttpRequest, obj: ContentAccess | None = None) -> bool:
        return False
