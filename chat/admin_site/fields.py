"""Fields of the admin's forms: an invalid key is an error there, and each box has a name."""

from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib.admin.widgets import (
    AdminSplitDateTime,
    AutocompleteMixin,
    AutocompleteSelect,
    AutocompleteSelectMultiple,
)
from django.core.exceptions import ValidationError


def _is_choice(queryset: Any, to_field: str | None, value: Any) -> bool:
    field = queryset.model._meta.get_field(to_field or queryset.model._meta.pk.name)
    try:
        field.clean(value, None)
    except (ValidationError, ValueError, OverflowError):
        return False
    return True


class _Choice(forms.ModelChoiceField[Any]):
    def to_python(self, value: Any) -> Any:
        queryset: Any = self.queryset
        known = value in self.empty_values or isinstance(value, queryset.model)
        if known or _is_choice(queryset, self.to_field_name, value):
            return super().to_python(value)
        raise ValidationError(
            self.error_messages["invalid_choice"], "invalid_choice", {"value": value}
        )


class _Choices(forms.ModelMultipleChoiceField[Any]):
    def clean(self, value: Any) -> Any:
        for each in value if isinstance(value, list | tuple) else ():
            if not _is_choice(self.queryset, self.to_field_name, each):
                raise ValidationError(
                    self.error_messages["invalid_pk_value"], "invalid_pk_value", {"pk": each}
                )
        return super().clean(value)


class _OnlyKeys(AutocompleteMixin):
    """Checks what is chosen before a widget asks the database for its names."""

    def optgroups(self, name: str, value: Sequence[str], attr: dict[str, Any] | None = None) -> Any:
        choices: Any = self.choices
        queryset = choices.queryset
        keys = [each for each in value if _is_choice(queryset, choices.field.to_field_name, each)]
        return super().optgroups(name, keys, attr)


class _Autocomplete(_OnlyKeys, AutocompleteSelect):
    pass


class _AutocompleteMultiple(_OnlyKeys, AutocompleteSelectMultiple):
    def build_attrs(
        self, base_attrs: dict[str, Any], extra_attrs: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Leaves out the cross that removes all choices.

        Select2 puts it where only items of a list may stand; each item has its own cross.
        """
        return {**super().build_attrs(base_attrs, extra_attrs), "data-allow-clear": "false"}


def checked_choice(
    make: Callable[..., Any],
    db_field: Any,
    request: Any,
    site: Any,
    kwargs: dict[str, Any],
    autocomplete: Any,
) -> Any:
    """Makes the form's field for one related row, by `make`, Django's method.

    `autocomplete` are the fields that search for it.
    """
    if db_field.name in autocomplete:
        kwargs.setdefault("widget", _Autocomplete(db_field, site, using=kwargs.get("using")))
    return make(db_field, request, **{"form_class": _Choice, **kwargs})


def checked_choices(
    make: Callable[..., Any],
    db_field: Any,
    request: Any,
    site: Any,
    kwargs: dict[str, Any],
    autocomplete: Any,
) -> Any:
    """Makes the form's field for several related rows, as `checked_choice` does for one."""
    if db_field.name in autocomplete:
        kwargs.setdefault(
            "widget", _AutocompleteMultiple(db_field, site, using=kwargs.get("using"))
        )
    return make(db_field, request, **{"form_class": _Choices, **kwargs})


class NamedSplitDateTime(AdminSplitDateTime):
    """Names both of its boxes.

    Django writes "Date:" and "Time:" beside them, but not as labels.
    """

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        for widget, name in zip(self.widgets, ("Date", "Time"), strict=True):
            widget.attrs["aria-label"] = name
