"""PostgreSQL stopped under a running site: clear words, no traceback, and nothing lost."""

import signal
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from tests.harness import wire
from tests.harness.answers import ledger, message, wait_until
from tests.harness.database import Database
from tests.harness.environment import Environment
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import DEFAULT_TEXT, Upstream
from tests.harness.visitor import all_at_once

if TYPE_CHECKING:
    from tests.conftest import StartSite


PAGES = ["/", "/usage/", "/search/?q=word", "/admin/", "/api/limits"]


def test_pages_say_that_the_database_is_away_and_are_back_at_once_when_it_is(
    database: Database, alice: Person, site: Site
) -> None:
    client = alice.client
    before = {path: client.get(path).status_code for path in PAGES}
    database.leave()
    away = all_at_once([partial(client.get, path) for path in PAGES])
    database.come_back()
    # Connections that its end has broken are not what a request fails on.
    for _ in range(4):
        assert {path: client.get(path).status_code for path in PAGES} == before
    for response in away:
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert "The database cannot be reached" in response.text
    assert "Traceback" not in site.log()


def test_turns_and_stops_are_refused_with_their_reason(
    database: Database, alice: Person, site: Site
) -> None:
    client = alice.client
    with client.chat(content="Hello") as stream:
        stream.read()
    database.leave()
    refused = [
        client.post("/api/chat", json={"content": "Hello again"}),
        client.stop(stream.answer),
    ]
    ready = client.get("/readyz")
    alive = client.get("/healthz")
    database.come_back()
    for response in refused:
        assert (response.status_code, response.json()["error"]["code"]) == (
            503,
            "database_unavailable",
        )
        assert int(response.headers["Retry-After"]) > 0
    assert (ready.status_code, ready.json()["database"]) == (503, "unavailable")
    assert alive.status_code == 200
    with client.chat(content="Hello again") as again:
        assert again.status == 200
        again.read()
    assert again.text == DEFAULT_TEXT


def test_database_that_takes_no_writes_is_one_that_is_away(
    environment: Environment, alice: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    """Makes it read-only, as a standby is after a failover, or a server whose disk is full."""
    site, gate = start_site(), wire.Gate()
    key = upstream.script([*wire.text("some "), gate, *wire.answer("text")])
    client = alice.client_on(site)
    assert environment.postgres
    with (
        psycopg.connect(environment.postgres.url, autocommit=True) as server,
        client.chat(content=key) as stream,
    ):
        stream.until_text("some ")
        server.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        server.execute("SELECT pg_reload_conf()")
        wait_until(lambda: client.chat(content="Hello").status == 503)
        renamed = client.post(
            f"/c/{stream.events[0].data['conversation']}/rename/", data={"title": "New"}
        )
        gate.open()
        stream.until("status")
        server.execute("ALTER SYSTEM RESET default_transaction_read_only")
        server.execute("SELECT pg_reload_conf()")
        stream.read()
    assert (renamed.status_code, stream.named("status")[0]["state"]) == (503, "saving")
    assert (message(stream).status, message(stream).content) == ("complete", "some text")
    assert (ledger(stream).outcome, ledger(stream).estimated) == ("complete", False)
    assert "Traceback" not in site.log()


def test_worker_told_to_stop_ends_and_its_answer_is_saved_when_the_database_is_back(
    database: Database, alice: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site, gate = start_site(DRAIN_SECONDS="1"), wire.Gate()
    key = upstream.script([*wire.text("some "), gate, *wire.answer("text")])
    with alice.client_on(site).chat(content=key) as stream:
        stream.until_text("some ")
        database.leave()
        gate.open()
        stream.until_text("text")
        site.terminate()
        assert site.process.wait(25) in (0, -signal.SIGTERM)
    database.come_back()
    # By the workers of the common site, as any answer whose worker is gone.
    wait_until(lambda: message(stream).status != "streaming", 15)
    assert (message(stream).status, message(stream).content) == ("interrupted", "some text")
    assert (ledger(stream).outcome, ledger(stream).estimated) == ("interrupted", True)
    assert "Traceback" not in site.log()
