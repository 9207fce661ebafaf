from collections.abc import Iterator
from typing import Any

from django.db import migrations, models

from chat.folding import stored_fold

_BATCH = 500


def fold_all(apps: Any, editor: Any) -> None:
    """Folds what was written before; most rows of most sites are in ASCII and stay as they are."""
    for name, field in (("Conversation", "title"), ("Message", "content")):
        table = apps.get_model("chat", name).objects.using(editor.connection.alias)
        for rows in _batches(table):
            changed = [row for row in rows if not getattr(row, field).isascii()]
            for row in changed:
                setattr(row, f"{field}_folded", stored_fold(getattr(row, field)))
            table.bulk_update(changed, [f"{field}_folded"], batch_size=100)


def _batches(table: Any) -> Iterator[list[Any]]:
    """All rows by their ids, never all of them in memory."""
    ids = list(table.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), _BATCH):
        yield list(table.filter(pk__in=ids[start : start + _BATCH]))


class Migration(migrations.Migration):
    dependencies = [("chat", "0009_bounded_figures")]

    operations = [
        # With a default in the database: workers of the version before go on writing rows while others are replaced.
        migrations.AddField("conversation", "title_folded", models.TextField(blank=True, default="", db_default="", editable=False)),
        migrations.AddField("message", "content_folded", models.TextField(blank=True, default="", db_default="", editable=False)),
        migrations.RunPython(fold_all, migrations.RunPython.noop, elidable=True),
    ]
