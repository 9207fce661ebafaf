"""Conversations without their text: whose, when and how long."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from chat.admin.base import ReadOnlyMixin, StopAnswersMixin
from chat.admin.content import ContentPages
from chat.models import Conversation

# The fields by which an address may filter the list.
_ASKED_FOR = {"id", "user", "created", "updated"}


@admin.register(Conversation)
class ConversationAdmin(
    ReadOnlyMixin, StopAnswersMixin, ContentPages, admin.ModelAdmin[Conversation]
):
    """Shows whose, when and how long; chat.admin.content shows what was said.

    Deleting is allowed: an account that is deleted takes its conversations along.
    """

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

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Allows the fields that tell no text.

        Django lets an address filter by any field of the table: with `?title__startswith=a`, then
        `b` and so on, a title could be read.
        """
        return lookup.partition("__")[0] in _ASKED_FOR and super().lookup_allowed(
            lookup, value, request
        )

    @admin.display(description="messages", ordering="message_count")
    def messages(self, conversation: Conversation) -> int:
        return int(getattr(conversation, "message_count", 0))

    @admin.display(description="guest", boolean=True)
    def is_guest(self, conversation: Conversation) -> bool:
        return conversation.user_id is None
