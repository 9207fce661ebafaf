"""The common database, which can be taken away from the sites and from the test process alike."""

import sqlite3

from django.db import connections

from tests.harness.environment import Environment


class Database:
    """While it is away, the ORM must not be used."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._lock: sqlite3.Connection | None = None
        self._is_stopped = False

    def leave(self) -> None:
        """PostgreSQL ends; an SQLite file is written to by someone who does not come to an end."""
        connections.close_all()
        if self._environment.postgres:
            # A pool that finds its server away asks again ever later; a new one asks at once.
            connections["default"].close_pool()  # type: ignore[attr-defined]
            self._environment.postgres.shut_down()
            self._is_stopped = True
        else:
            self._lock = sqlite3.connect(
                self._environment.folder / "db.sqlite3",
                timeout=20,
                isolation_level=None,
                check_same_thread=False,
            )
            self._lock.execute("BEGIN IMMEDIATE")

    def come_back(self) -> None:
        """Returns when it can be used again; no error if it was never away."""
        if self._lock:
            self._lock.close()
            self._lock = None
        if self._is_stopped and self._environment.postgres:
            self._environment.postgres.run()
            self._is_stopped = False
