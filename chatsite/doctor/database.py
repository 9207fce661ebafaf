"""Checks the database: it answers, and its tables are those of this version."""

from collections.abc import Iterator
from pathlib import Path

from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

from chatsite.doctor.findings import Finding, fail, ok

PART = "database"


def check() -> Iterator[Finding]:
    file = _sqlite_file()
    if file is not None and not file.exists():
        # Connecting would create it.
        yield fail(
            PART,
            f"there is no {file}",
            "Start the site once, or set DATA_DIR (or DATABASE_URL) to what the site uses.",
        )
        return
    # A connection says why it fails; a pool says only that it waited.
    connection.settings_dict["OPTIONS"].pop("pool", None)
    try:
        version = ".".join(str(number) for number in connection.get_database_version())
        missing = _unapplied()
    except Error as error:
        yield fail(
            PART,
            f"{connection.display_name} cannot be used: {error}",
            "See that it runs, and that DATABASE_URL is right.",
        )
        return
    if missing:
        yield fail(
            PART,
            f"{connection.display_name} {version}, {missing} migrations are missing",
            "Run manage.py migrate, or start the site.",
        )
    else:
        yield ok(PART, f"{connection.display_name} {version}, migrated")


def _sqlite_file() -> Path | None:
    if connection.vendor != "sqlite" or connection.is_in_memory_db():  # type: ignore[attr-defined]
        return None
    return Path(connection.settings_dict["NAME"])


def _unapplied() -> int:
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
