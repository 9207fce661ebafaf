"""The tables that operators change and workers remember: see chat.limits.configuration."""

from typing import Any, TypeVar

from django.apps import apps
from django.db import models
from django.dispatch import Signal

T = TypeVar("T", bound=models.Model)


# Sent by changes in bulk, for which Django sends no signals.
configured_in_bulk = Signal()


class ConfiguredQuerySet(models.QuerySet[T]):
    """Announces changes in bulk of a table that workers remember."""

    def update(self, **values: Any) -> int:
        changed = super().update(**values)
        configured_in_bulk.send(sender=self.model)
        return changed

    def bulk_create(self, *args: Any, **options: Any) -> list[T]:
        made = super().bulk_create(*args, **options)
        configured_in_bulk.send(sender=self.model)
        return made


def configured_models() -> list[type[models.Model]]:
    """Returns the tables that workers remember: those with a ConfiguredQuerySet."""
    tables = apps.get_app_config("chat").get_models()
    return [
        table for table in tables if isinstance(table._default_manager.none(), ConfiguredQuerySet)
    ]
