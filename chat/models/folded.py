"""Tables with a text that is searched, and its fold beside it.

Whatever writes the text writes the fold.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, TypeVar

from django.db import models

from chat.folding import stored_fold

T = TypeVar("T", bound="FoldedModel")


class FoldedQuerySet(models.QuerySet[T]):
    """Keeps the fold up to date in changes in bulk.

    A text must be set to a string: the database cannot fold an expression.
    """

    def update(self, **values: Any) -> int:
        """Updates as Django does; raises TypeError for an expression in place of the text."""
        text = self.model.FOLDED
        if text in values:
            values[f"{text}_folded"] = stored_fold(_checked(values[text]))
        return super().update(**values)

    def bulk_create(self, objs: Iterable[T], *args: Any, **options: Any) -> list[T]:
        made = list(objs)
        for row in made:
            row.fold()
        return super().bulk_create(made, *args, **options)


def _checked(text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError("A text that is searched is set to a text, so that it can be folded.")
    return text


class FoldedModel(models.Model):
    """Keeps the fold of a text beside it.

    `FOLDED` names the text; its fold is the field of that name with `_folded` appended.
    """

    FOLDED: ClassVar[str]

    class Meta:
        abstract = True

    def fold(self) -> None:
        """Brings the fold up to date with the text, where the text was read at all."""
        if self.FOLDED not in self.get_deferred_fields():
            setattr(self, f"{self.FOLDED}_folded", stored_fold(getattr(self, self.FOLDED)))

    def save(self, *, update_fields: Iterable[str] | None = None, **options: Any) -> None:
        self.fold()
        fields = None if update_fields is None else set(update_fields)
        if fields is not None and self.FOLDED in fields:
            fields.add(f"{self.FOLDED}_folded")
        super().save(update_fields=fields, **options)
