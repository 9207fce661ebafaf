"""Writes the admin's history in words: which values changed, from what to what."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.http import HttpRequest

_MAX_CHARS = 80
_MAX_NAMES = 10


def record(request: HttpRequest, done: Iterable[tuple[Model, str]]) -> None:
    """Writes into the history what the operator has done, one sentence for each object."""
    assert request.user.pk is not None
    entries = [
        LogEntry(
            user_id=request.user.pk,
            content_type=ContentType.objects.get_for_model(obj),
            object_id=str(obj.pk),
            object_repr=str(obj)[:200],
            action_flag=CHANGE,
            change_message=sentence,
        )
        for obj, sentence in done
    ]
    LogEntry.objects.bulk_create(entries, batch_size=500)


class ChangeLogMixin:
    """Writes into the history the old and the new value of each changed field.

    Of `redacted_fields` it only says that they changed. It works for lists, too.
    """

    redacted_fields: tuple[str, ...] = ()

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        if add or formsets or not form.changed_data:
            default = super().construct_change_message  # type: ignore[misc]
            return default(request, form, formsets, add)
        return " ".join(self._told(form, name) for name in form.changed_data)

    def _told(self, form: "forms.BaseForm", name: str) -> str:
        field = form.fields[name]
        label = str(field.label or name)
        label = label[:1].upper() + label[1:]
        if name in self.redacted_fields:
            return f"{label}: changed."
        before, after = form.get_initial_for_field(field, name), form.cleaned_data.get(name)
        if isinstance(field, forms.ModelMultipleChoiceField):
            return f"{label}: {_difference(before, after)}."
        if isinstance(field, forms.ModelChoiceField) and before is not None:
            before = (
                field.queryset.filter(pk=before).first() if field.queryset is not None else before
            )
        return f"{label}: {shown(before, field)} → {shown(after, field).removesuffix('.')}."


def shown(value: Any, field: "forms.Field | None" = None) -> str:
    """Returns a value as the history shows it, at most 80 characters."""
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    choices: Any = field.choices if type(field) is forms.TypedChoiceField else ()
    labels: dict[Any, Any] = dict(choices)
    text = str(labels.get(value, value))
    return text if len(text) <= _MAX_CHARS else f"{text[: _MAX_CHARS - 1]}…"


def _difference(before: Iterable[Model] | None, after: Iterable[Model] | None) -> str:
    old, new = set(before or ()), set(after or ())
    added, removed = new - old, old - new
    parts = [
        f"{verb} {_names(each)}" for verb, each in (("added", added), ("removed", removed)) if each
    ]
    return "; ".join(parts)


def _names(objects: set[Model]) -> str:
    named = ", ".join(sorted(str(each) for each in objects)[:_MAX_NAMES])
    return named if len(objects) <= _MAX_NAMES else f"{named} and {len(objects) - _MAX_NAMES} more"
