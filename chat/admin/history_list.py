"""The admin's history of all changes, read-only."""

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chat.admin.base import ReadOnlyMixin


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyMixin, admin.ModelAdmin[LogEntry]):
    list_display = ("action_time", "user", "kind", "what", "change")
    list_display_links = None
    list_filter = ("action_time", "action_flag", ("content_type", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("user", "content_type")
    search_fields = ("user__username", "object_repr", "change_message")
    show_full_result_count = False

    @admin.display(description="kind", ordering="content_type")
    def kind(self, entry: LogEntry) -> str | None:
        return entry.content_type.name if entry.content_type else None

    @admin.display(description="what", ordering="object_repr")
    def what(self, entry: LogEntry) -> SafeString | str:
        url = None if entry.is_deletion() else entry.get_admin_url()
        return (
            format_html('<a href="{}">{}</a>', url, entry.object_repr) if url else entry.object_repr
        )

    @admin.display(description="change")
    def change(self, entry: LogEntry) -> str:
        return "Deleted." if entry.is_deletion() else entry.get_change_message()

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
