"""People with an account."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest

from chat.admin.base import StopsAnswers
from chat.admin.history import TellsChanges
from chat.models import Conversation, Quota

if TYPE_CHECKING:
    UserBase = UserAdmin[User]
else:
    UserBase = UserAdmin


class PersonAdmin(TellsChanges, StopsAnswers, UserBase):
    """Django's, with the quota that applies to each person: worked out by the database, in the query of the list."""

    list_display = ("username", "email", "quota", "is_active", "is_staff", "last_login")
    filter_horizontal = ("groups", "user_permissions")
    # The history outlives the account.
    untold = ("username", "first_name", "last_name", "email")

    def conversations_of(self, queryset: "QuerySet[User]") -> "QuerySet[Conversation]":
        return Conversation.objects.filter(user__in=queryset.values("pk"))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[User]":
        return super().get_queryset(request).annotate(quota_name=Quota.objects.name_for("pk"))

    @admin.display(description="quota that applies", ordering="quota_name")
    def quota(self, user: User) -> str | None:
        return getattr(user, "quota_name", None)


admin.site.unregister(User)
admin.site.register(User, PersonAdmin)
