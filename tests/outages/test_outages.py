"""The database away at the worst moment: PostgreSQL stopped, or SQLite locked."""

import threading
from time import monotonic

from tests.harness import wire
from tests.harness.answers import ledger, message
from tests.harness.database import Database
from tests.harness.ends import check_slot_is_free
from tests.harness.people import Person
from tests.harness.upstream import Upstream

AWAY_SECONDS = 5


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
