"""The tables that an operator sets and that workers remember: see chat.limits.configuration."""

from typing import Any, TypeVar

from django.db import models
from django.dispatch import Signal

T = TypeVar("T", bound=models.Model)


# Sent by changes in bulk, of which Django's own signals say nothing.
configured_in_bulk = Signal()


class ConfiguredQuerySet(models.QuerySet[T]):
    """A table that workers remember: see chat.limits.configuration."""

    def update(self, **values: Any) -> int:
        changed = super().update(**values)
        configured_in_bulk.send(sender=self.model)
        return changed

    def bulk_create(self, *args: Any, **options: Any) -> list[T]:
        made = super().bulk_create(*args, **options)
        configured_in_bulk.send(sender=self.model)
        return made
