"""The database away at the worst moment: stopped (PostgreSQL, where these tests run a second time), or locked (SQLite)."""

import threading
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from tests.harness import wire
from tests.harness.answers import ledger, message
from tests.harness.client import Client
from tests.harness.database import Database
from tests.harness.people import Person
from tests.harness.upstream import DEFAULT_TEXT, Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser

AWAY_SECONDS = 5


@pytest.fixture
def person(make_user: "MakeUser") -> Person:
    """Someone who has one slot: one that leaks is seen at the next turn."""
    return make_user("alice", concurrent_streams=1)


def check_slot_is_free(client: Client) -> None:
    with client.chat(content="Next, please") as following:
        assert following.status == 200, following.json()
        following.read()
        assert following.text == DEFAULT_TEXT


def test_answer_that_ends_while_the_database_is_away_is_shown_whole_and_saved_when_it_is_back(
    database: Database, person: Person, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script([*wire.text("some "), gate, *wire.answer("text")])
    client = person.client
    with client.chat(content=key) as stream:
        stream.until_text("some ")
        database.leave()
        left_at = monotonic()
        gate.open()
        stream.until_text("text")
        waits = stream.until("status").data
        assert (waits["state"], waits["reason"]) == ("saving", "database_unavailable")
        back = threading.Timer(AWAY_SECONDS, database.come_back)
        back.start()
        stream.read()
        assert monotonic() - left_at > AWAY_SECONDS
        back.join()
    assert (stream.text, stream.ended, len(stream.named("done"))) == ("some text", True, 1)
    assert (message(stream).status, message(stream).content) == ("complete", "some text")
    assert (ledger(stream).outcome, ledger(stream).completion_tokens) == ("complete", 7)
    assert upstream.running(key) == 0
    check_slot_is_free(client)
