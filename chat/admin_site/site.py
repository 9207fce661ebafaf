"""The admin site: what holds for every model and page of it, Django's included.

Staff may send anything to it. Invalid rows, dates and searches are refused here, once, by a form's
error, an empty list or a 404. No ModelAdmin has to care: each is registered with `CheckedAdmin` in
front.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.contenttypes.views import shortcut
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.db.models.base import ModelBase
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, path

from chat.admin_site.change_list import is_search
from chat.admin_site.model_admin import CheckedAdmin

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    AnyAdmin = type[ModelAdmin[Any]]


class ChatsiteAdmin(admin.AdminSite):
    """Registers every ModelAdmin as a checked one, and is Django's in all else."""

    site_header = site_title = "Chatsite"
    index_title = "Administration"
    empty_value_display = "–"

    def register(
        self,
        model_or_iterable: "type[Model] | Iterable[type[Model]]",
        admin_class: "AnyAdmin | None" = None,
        **options: Any,
    ) -> None:
        """Registers one model or several as Django does, each with a checked ModelAdmin."""
        models = (
            [model_or_iterable] if isinstance(model_or_iterable, ModelBase) else model_or_iterable
        )
        super().register(models, _checked(admin_class or admin.ModelAdmin), **options)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        # Django's pattern for it comes later and is not reached; its name leads to the same path.
        view = self.admin_view(view_on_site)
        own = path("r/<path:content_type_id>/<path:object_id>/", view, name="view_on_site")
        return [own, *super().get_urls()]

    def autocomplete_view(self, request: HttpRequest) -> HttpResponseBase:  # type: ignore[override]
        return Autocomplete.as_view(admin_site=self)(request)


def _checked(admin_class: "AnyAdmin") -> "AnyAdmin":
    if issubclass(admin_class, CheckedAdmin):
        return admin_class
    return type(
        admin_class.__name__, (CheckedAdmin, admin_class), {"__module__": admin_class.__module__}
    )


class Autocomplete(AutocompleteJsonView):
    """Finds nothing for an invalid search."""

    def get_queryset(self) -> "QuerySet[Any]":
        return (
            super().get_queryset()
            if is_search(self.term)
            else self.model_admin.get_queryset(self.request).none()
        )


def view_on_site(request: HttpRequest, content_type_id: str, object_id: str) -> HttpResponseBase:
    """Redirects to the page of an object.

    Raises Http404 also for a key that is no UUID, for which Django's own view would break.
    """
    try:
        return shortcut(request, content_type_id, object_id)
    except (ValidationError, OverflowError):
        raise Http404 from None
