"""The base of every ModelAdmin, which refuses invalid keys, lookups and choices."""

import re
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME, ActionForm
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import ValidationError
from django.db.models import DateTimeField, Field, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from chat.admin_site.change_list import CheckedList
from chat.admin_site.fields import NamedSplitDateTime, checked_choice, checked_choices

# A regular expression in an address is a program for the database to run; no page of the admin
# makes one.
_REFUSED_LOOKUPS = {"regex", "iregex"}
_NOT_OURS = "That form is not one of this page’s. Nothing was changed."


def is_key(field: "Field[Any, Any]", text: str) -> bool:
    """Returns whether a column can hold the text, and would write it in the same way.

    So `½`, `1_0` and a UUID without its dashes are none.
    """
    try:
        return str(field.clean(text, None)) == text
    except (ValidationError, ValueError, OverflowError):
        return False


class StrictActionForm(ActionForm):
    """Takes only "0" and "1" for `select_across`.

    Django takes any value but "0" and "False" for all rows, not only the ticked ones.
    """

    select_across = forms.TypedChoiceField(
        label="",
        required=False,
        initial=0,
        choices=[("0", "chosen"), ("1", "all")],
        coerce=lambda value: value == "1",
        empty_value="",
        widget=forms.HiddenInput({"class": "select-across"}),
    )


class CheckedAdmin(admin.ModelAdmin[Any]):
    """Checks keys, lookups and choices before the database sees them.

    `chat.admin_site.site` puts it in front of every ModelAdmin.
    """

    action_form = StrictActionForm
    formfield_overrides = {DateTimeField: {"widget": NamedSplitDateTime}}

    # --- Addresses ----------------------------------------------------------------

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Returns the row; None where there is none, or where no row could have the key."""
        field: Any = self.opts.get_field(from_field) if from_field else self.opts.pk
        return (
            super().get_object(request, object_id, from_field) if is_key(field, object_id) else None
        )

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        refused = not _REFUSED_LOOKUPS.isdisjoint(lookup.split("__"))
        return not refused and super().lookup_allowed(lookup, value, request)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        found = super().get_changelist(request, **kwargs)
        return type(found.__name__, (CheckedList, found), {})

    # --- Forms --------------------------------------------------------------------

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return checked_choice(
            super().formfield_for_foreignkey,
            db_field,
            request,
            self.admin_site,
            kwargs,
            self.autocomplete_fields,
        )

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return checked_choices(
            super().formfield_for_manytomany,
            db_field,
            request,
            self.admin_site,
            kwargs,
            self.autocomplete_fields,
        )

    # --- What is done to rows of a list -------------------------------------------

    def response_action(
        self, request: HttpRequest, queryset: "QuerySet[Model]", *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Does nothing at all where one of the chosen rows is invalid.

        It is not known then what was meant.
        """
        if all(self._is_row(key) for key in request.POST.getlist(ACTION_CHECKBOX_NAME)):
            return super().response_action(request, queryset, *args, **kwargs)
        messages.error(request, _NOT_OURS)
        return None

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if "_save" in request.POST and not self._are_rows(request):
            messages.error(request, _NOT_OURS)
            return HttpResponseRedirect(request.path)
        return super().changelist_view(request, extra_context)

    def _is_row(self, key: str) -> bool:
        return is_key(self.opts.pk, key)

    def _are_rows(self, request: HttpRequest) -> bool:
        """Returns whether a saved list has as many rows as it says, each with a key.

        Django does not check that.
        """
        name = re.compile(rf"form-\d+-{re.escape(self.opts.pk.name)}")
        keys = [value for field, value in request.POST.items() if name.fullmatch(field)]
        counts = {request.POST.get(f"form-{which}_FORMS") for which in ("TOTAL", "INITIAL")}
        return counts == {str(len(keys))} and all(self._is_row(str(key)) for key in keys)
