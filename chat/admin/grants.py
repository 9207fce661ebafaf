"""What operators did for or against people: grants and pauses.

Most are made by the actions on people.
"""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from chat.admin.history import ChangeLogMixin
from chat.models import Grant, Pause


class CreatedByMixin:
    """Notes which operator made the row."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            obj.created_by_id = request.user.pk
        super().save_model(request, obj, form, change)  # type: ignore[misc]


@admin.register(Grant)
class GrantAdmin(CreatedByMixin, admin.ModelAdmin[Grant]):
    """Makes and deletes grants.

    They are never changed: each is a record, too.
    """

    list_display = ("user", "day", "tokens", "usd", "reason", "created", "created_by")
    list_filter = ("day",)
    list_select_related = ("user", "created_by")
    search_fields = ("user__username", "reason")
    autocomplete_fields = ("user",)
    show_full_result_count = False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Pause)
class PauseAdmin(CreatedByMixin, ChangeLogMixin, admin.ModelAdmin[Pause]):
    """Makes and ends pauses: deleting one ends it."""

    list_display = ("user", "note", "created", "created_by")
    list_select_related = ("user", "created_by")
    search_fields = ("user__username", "note")
    autocomplete_fields = ("user",)
    show_full_result_count = False
