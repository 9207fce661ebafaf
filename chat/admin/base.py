"""What several of the admin's pages have in common."""

from collections.abc import Sequence
from typing import Any

from asgiref.sync import async_to_sync
from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from chat.admin.history import record
from chat.answers.worker import stop_answers, stop_conversation, wait_until_ended
from chat.models import Conversation, Message, Usage

# A worker looks for notes ten times a second. A lost worker's answer is claimed later than an
# operator would wait.
_STOP_SECONDS = 3


class RowForm(forms.ModelForm[Any]):
    """Names the fields of a list that is edited in place, which has no labels for them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.setdefault("aria-label", f"{field.label} of {self.instance}")


def only_one(form: "forms.ModelForm[Any]", field: str, what: str) -> None:
    """Adds an error at `field` where another row has it set already.

    The database's own message would name a constraint. Called by forms that define clean(); it runs
    Django's clean(), too, which finds names that are taken.
    """
    forms.ModelForm.clean(form)
    other = (
        form._meta.model._default_manager.filter(**{field: True})
        .exclude(pk=form.instance.pk)
        .first()
    )
    if form.cleaned_data.get(field) and other is not None:
        form.add_error(field, f"“{other}” is {what} already. Untick it there first.")


def make_default(request: HttpRequest, queryset: "QuerySet[Any]") -> None:
    """Sets `is_default` on the one chosen row, and takes it off all others."""
    if len(queryset) != 1:
        messages.error(request, "Choose exactly one.")
        return
    chosen = queryset[0]
    table = chosen._meta.model._default_manager
    with transaction.atomic():
        others = list(table.filter(is_default=True).exclude(pk=chosen.pk))
        table.filter(is_default=True).update(is_default=False)
        table.filter(pk=chosen.pk).update(is_default=True)
        record(request, [(other, "Default: yes → no.") for other in others])
        record(request, [(chosen, "Default: no → yes.")] if not chosen.is_default else [])
    messages.success(request, f"“{chosen}” is the default now.")


class StopAnswersMixin:
    """Stops the answers that a deletion takes along: no one would read what they cost."""

    def conversations_of(self, queryset: "QuerySet[Any]") -> "QuerySet[Conversation]":
        raise NotImplementedError

    def delete_view(
        self: Any, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # Not in delete_model: its transaction would keep the answer from being saved, and we wait
        # for that.
        obj = self.get_object(request, unquote(object_id))
        if (
            request.method == "POST"
            and obj is not None
            and self.has_delete_permission(request, obj)
        ):
            self._stop(self.model._default_manager.filter(pk=obj.pk))
        response: HttpResponse = super().delete_view(  # type: ignore[misc]
            request, object_id, extra_context
        )
        return response

    def delete_model(self: Any, request: HttpRequest, obj: Any) -> None:
        self._lock(self.model._default_manager.filter(pk=obj.pk))
        super().delete_model(request, obj)  # type: ignore[misc]

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        self._stop(queryset)
        with transaction.atomic():
            self._lock(queryset)
            super().delete_queryset(request, queryset)  # type: ignore[misc]

    def _lock(self, queryset: "QuerySet[Any]") -> None:
        """Locks the rows and their conversations.

        A turn that begins meanwhile waits and then finds nothing. Otherwise its rows would be left
        without an owner.
        """
        for rows in (queryset, self.conversations_of(queryset)):
            table: Any = rows.model._default_manager
            list(
                table.filter(pk__in=rows.values("pk"))
                .select_for_update()
                .order_by("pk")
                .values_list("pk")
            )

    def _stop(self, queryset: "QuerySet[Any]") -> None:
        running = (
            self.conversations_of(queryset)
            .filter(messages__status=Message.Status.STREAMING)
            .distinct()
        )
        for conversation_id in list(running.values_list("pk", flat=True)):
            async_to_sync(stop_conversation)(conversation_id)


def may_stop_answers(request: HttpRequest) -> bool:
    return request.user.has_perm("chat.stop_answers")


def stop_and_wait(rows: "Sequence[Usage]") -> int:
    """Ends running answers on all workers; returns how many were not saved within 3 seconds.

    Not to be called in a transaction, which would keep them from being saved.
    """
    async_to_sync(stop_answers)([(row.answer, row.worker) for row in rows])
    return async_to_sync(wait_until_ended)([row.answer for row in rows], _STOP_SECONDS)


class ReadOnlyMixin:
    """Forbids adding and changing, for rows that only the site writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
