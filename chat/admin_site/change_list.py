"""Lists of the admin that take any address: its parameters may hold anything.

They are filters, dates, an order and a search.
"""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.core.exceptions import FieldError, ValidationError
from django.db import DataError
from django.db.models import QuerySet
from django.http import HttpRequest

if TYPE_CHECKING:
    ListBase = ChangeList
else:
    ListBase = object

# A search is a few words. SQLite refuses patterns of 50,000 bytes and conditions of a thousand
# words, with the error of a broken database; a hundred words is far from both.
MAX_SEARCH_CHARS = 200
# The longest honest filter is a name of 150 characters.
MAX_FILTER_CHARS = 500
MAX_FILTERS = 50

# What Django and the drivers raise for a value that is no number, date or key, or that no column
# can hold.
_NO_VALUE = (ValueError, TypeError, OverflowError, ValidationError, FieldError, DataError)


class SearchForm(forms.Form):
    """Limits the length of a search.

    The form's field itself refuses NUL.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields = {
            SEARCH_VAR: forms.CharField(required=False, strip=False, max_length=MAX_SEARCH_CHARS)
        }


def is_search(text: str) -> bool:
    """Returns whether a list can be searched for the text."""
    return SearchForm({SEARCH_VAR: text}).is_valid()


class CheckedList(ListBase):
    """Leads from invalid parameters to the whole list, by a redirect that changes nothing.

    An invalid search finds nothing. It must not find everything, as Django's does: an action may be
    meant for all that was found.
    """

    search_form_class = SearchForm

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> "QuerySet[Any]":
        values = [value for values in self.filter_params.values() for value in values]
        if len(values) > MAX_FILTERS or any(
            len(value) > MAX_FILTER_CHARS
            for value in values
            if value is not self.params.get(SEARCH_VAR)
        ):
            raise IncorrectLookupParameters("too much")
        try:
            found = super().get_queryset(request, *args, **kwargs)
        except _NO_VALUE as error:
            raise self._blamed(error) from error
        return found if self.search_form_class(request.GET).is_valid() else found.none()

    def get_results(self, request: HttpRequest) -> None:
        """Asks the database, which may be the first to notice that a value is invalid."""
        try:
            super().get_results(request)
        except _NO_VALUE as error:
            raise self._blamed(error) from error

    def _blamed(self, error: Exception) -> Exception:
        """Returns the error to raise: IncorrectLookupParameters, or the error itself.

        Where the address has no parameters the fault is the site's.
        """
        return IncorrectLookupParameters(error) if self.params else error
