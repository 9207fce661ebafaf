"""PostgreSQL that gives no connection or no answer is told as an unavailable database."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from django.db import connections

from tests.harness.answers import wait_until
from tests.harness.environment import Environment
from tests.harness.refusals import assert_refused
from tests.harness.site import Site
from tests.harness.visitor import all_at_once

if TYPE_CHECKING:
    from tests.conftest import MakeUser, StartSite

_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND application_name <> 'filler' AND pid <> pg_backend_pid()
"""
BUDGETS = [
    {"tokens_per_day": 10**9},
    {"spend_per_month_usd": 1000},
    {"concurrent_streams": 3, "tokens_per_day": 10**9},
]


@contextmanager
def locked(environment: Environment, table: str) -> Iterator[None]:
    """Has everyone who reads the table wait; everything else goes on."""
    assert environment.postgres
    with psycopg.connect(environment.postgres.url) as server:
        server.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
        server.rollback()


def ledger_locked(environment: Environment) -> AbstractContextManager[None]:
    return locked(environment, "chat_usage")


@contextmanager
def connections_used_up(environment: Environment) -> Iterator[None]:
    """Takes all connections of the server while the block runs."""
    assert environment.postgres
    url = environment.postgres.url
    connections.close_all()
    connections["default"].close_pool()  # type: ignore[attr-defined]
    with ExitStack() as taken:

        def take_all() -> None:
            while True:
                try:
                    taken.enter_context(
                        psycopg.connect(url, application_name="filler", autocommit=True)
                    )
                except psycopg.OperationalError:
                    return

        server = taken.enter_context(
            psycopg.connect(url, application_name="filler", autocommit=True)
        )

        def are_taken() -> bool:
            others = server.execute(_OTHERS).fetchall()
            take_all()
            return not others

        wait_until(are_taken)
        yield


@pytest.mark.parametrize("budget", BUDGETS)
def test_turn_whose_budget_cannot_be_read_is_refused_for_the_database(
    environment: Environment, make_user: "MakeUser", site: Site, budget: dict[str, int]
) -> None:
    limits: dict[str, Any] = budget
    person = make_user(**limits)
    clients = [person.client_on(site) for _ in range(4)]
    with ledger_locked(environment):
        since = monotonic()
        refused = all_at_once(
            [partial(client.post, "/api/chat", json={"content": "Hello"}) for client in clients]
        )
        assert monotonic() - since < 8
        for answer in refused:
            assert_refused(answer, 503, "database_unavailable", retry_after=range(1, 6))
    # What the threads take late, they give back.
    wait_until(lambda: clients[0].chat(content="Hello").status == 200)


def test_turn_that_cannot_be_checked_in_time_is_refused_for_the_database_and_costs_nothing(
    environment: Environment, make_user: "MakeUser", site: Site
) -> None:
    client = make_user(requests="2/m").client_on(site)
    with client.chat(content="Hello") as stream:
        conversation = stream.until("start").data["conversation"]
        stream.read()
    with locked(environment, "chat_conversation"):
        since = monotonic()
        refused = client.post(
            "/api/chat", json={"content": "Hello again", "conversation": conversation}
        )
        assert monotonic() - since < 8
        assert_refused(refused, 503, "database_unavailable", retry_after=range(1, 6))
    assert client.chat(content="Hello again", conversation=conversation).status == 200


def test_where_limits_are_let_through_without_redis_a_silent_database_still_refuses(
    environment: Environment, make_user: "MakeUser", start_site: "StartSite"
) -> None:
    client = make_user(tokens_per_day=10**9).client_on(start_site(LIMITS_WHEN_REDIS_DOWN="allow"))
    with ledger_locked(environment):
        assert_refused(
            client.post("/api/chat", json={"content": "Hello"}),
            503,
            "database_unavailable",
            retry_after=range(1, 6),
        )


def test_server_that_has_no_connection_left_is_a_database_that_is_unavailable(
    environment: Environment, make_user: "MakeUser", start_site: "StartSite"
) -> None:
    person, site = make_user(tokens_per_day=10**9), start_site()
    client = person.client_on(site)
    with client.chat(content="Hello") as stream:
        stream.read()
    with connections_used_up(environment):
        refused = [
            client.post("/api/chat", json={"content": "Hello"}),
            client.get("/api/limits"),
            client.stop(stream.answer),
        ]
        page = client.get("/usage/")
    for answer in refused:
        assert_refused(answer, 503, "database_unavailable", retry_after=range(1, 6))
    assert (page.status_code, "The database cannot be reached" in page.text) == (503, True)
    assert "Traceback" not in site.log()
    wait_until(lambda: client.chat(content="Hello again").status == 200, 20)
