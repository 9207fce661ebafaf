"""The ledger: what every answer cost."""

from django.contrib import admin
from django.http import HttpRequest

from chat.admin.base import ReadOnlyMixin
from chat.admin.running import RunningPages
from chat.admin.usage_charts import UsagePages
from chat.models import Usage


@admin.register(Usage)
class UsageAdmin(ReadOnlyMixin, UsagePages, RunningPages, admin.ModelAdmin[Usage]):
    """Lists the ledger.

    Nothing of it is deleted: that would give budgets back.
    """

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
    # The day has an index; a hierarchy of dates would truncate the date of every row.
    list_filter = ("day", "outcome", "estimated", "model", "quota")
    list_select_related = ("user",)
    search_fields = ("user__username", "limit_key")
    show_full_result_count = False
    # Counts beside the filters would each count all rows.
    show_facets = admin.ShowFacets.NEVER

    def has_delete_permission(self, request: HttpRequest, obj: Usage | None = None) -> bool:
        return False
