"""A site with a database and a Valkey of its own, which no other site's worker sees."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import redis

from chat import redis_keys
from chat.answers import answer_store
from tests.harness.answers import client_of_worker, other_worker
from tests.harness.client import Client
from tests.harness.environment import Environment
from tests.harness.site import Site
from tests.harness.valkey import Valkey


def copy_of_database(environment: Environment) -> Path:
    """Copies the common SQLite database as it is now, people and sessions included.

    What people said is left out.
    """
    copy = environment.folder / f"apart-{uuid4()}.sqlite3"
    with contextlib.closing(sqlite3.connect(environment.folder / "db.sqlite3")) as common:
        common.execute("VACUUM INTO ?", [str(copy)])
    with contextlib.closing(sqlite3.connect(copy)) as own, own:
        for table in ("chat_message", "chat_conversation", "chat_usage"):
            own.execute(f"DELETE FROM {table}")
    return copy


class Apart:
    """Such a site, and the person whom it was made for."""

    def __init__(self, site: Site, valkey: Valkey, database: Path, session: str) -> None:
        self.site = site
        self.valkey = valkey
        self._database = database
        self.session = session
        self._clients: list[Client] = []

    def client_on(self, site: Site) -> Client:
        """A new client, signed in as the person whom the site was made for."""
        client = Client(site.url)
        client.http.cookies.set("sessionid", self.session)
        self._clients.append(client)
        return client

    def client(self) -> Client:
        return self.client_on(self.site)

    def client_elsewhere(self, answer: str) -> Client:
        """A client on the worker that does not generate the answer."""
        return client_of_worker(self, self.site, other_worker(self.site, self.owner(answer)))

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def answer(self, answer: str) -> tuple[str, str, str]:
        """Status, text and error code of an answer's row."""
        status, content, code = self._row(
            "SELECT status, content, error_code FROM chat_message WHERE id = ?", answer
        )
        return status, content, code

    def usage(self, answer: str) -> tuple[str, bool]:
        """Outcome of the ledger row, and whether its figures are an estimate."""
        outcome, estimated = self._row(
            "SELECT outcome, estimated FROM chat_usage WHERE answer = ?", answer
        )
        return outcome, bool(estimated)

    def owner(self, answer: str) -> int:
        """The process that generates the answer."""
        return int(
            self._row("SELECT worker FROM chat_usage WHERE answer = ?", answer)[0].split(":")[1]
        )

    def text_in_redis(self, answer: str) -> bytes:
        """The text of the answer in Redis."""
        with redis.Redis.from_url(self.valkey.url) as client:
            text = client.get(redis_keys.answer_text(answer))
        return text if isinstance(text, bytes) else b""

    def tokens_so_far(self, answer: str) -> int:
        """How many tokens the answer has, as its worker last said."""
        with redis.Redis.from_url(self.valkey.url) as client:
            [cost_so_far], _ = answer_store.read_costs_and_leases(client, [UUID(answer)], [])
        return cost_so_far.bill.completion_tokens

    def empty_redis(self) -> None:
        with redis.Redis.from_url(self.valkey.url) as client:
            client.flushall()

    def rows(self, query: str, *values: Any) -> list[Any]:
        """What the site's database says, past Django, whose connection is to the common one."""
        with contextlib.closing(sqlite3.connect(self._database, timeout=20)) as connection:
            return connection.execute(query, values).fetchall()

    @contextlib.contextmanager
    def locked_database(self) -> Iterator[None]:
        """Nobody else can write while the block runs."""
        with contextlib.closing(
            sqlite3.connect(self._database, timeout=20, isolation_level=None)
        ) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")

    def _row(self, query: str, answer: str) -> Any:
        (row,) = self.rows(query, UUID(answer).hex)
        return row
