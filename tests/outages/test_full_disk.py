"""No room for another byte, as SQLite meets it."""

import contextlib
import resource
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.harness import wire
from tests.harness.answers import ledger, message
from tests.harness.upstream import DEFAULT_TEXT, Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser, StartSite


@contextlib.contextmanager
def no_room_for_files(pid: int) -> Iterator[None]:
    """Lets no file of the process grow while the block runs."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def test_full_disk_is_a_clear_error_and_loses_no_word_that_was_shown(
    start_site: "StartSite", make_user: "MakeUser", upstream: Upstream
) -> None:
    person, site, gate = make_user("alice", concurrent_streams=2), start_site(), wire.Gate()
    client = person.client_on(site)
    key = upstream.script([*wire.text("some "), gate, *wire.answer("text")])
    with client.chat(content=key) as stream:
        stream.until_text("some ")
        with no_room_for_files(site.process.pid):
            gate.open()
            stream.until_text("text")
            assert stream.until("status").data["state"] == "saving"
            refused = client.post("/api/chat", json={"content": "Next, please"})
            assert (refused.status_code, refused.json()["error"]["code"]) == (
                503,
                "database_unavailable",
            )
            assert client.get("/").status_code in (200, 503)
        stream.read()
    assert (stream.text, stream.ended) == ("some text", True)
    assert (message(stream).status, message(stream).content) == ("complete", "some text")
    assert ledger(stream).outcome == "complete"
    with client.chat(content="Next, please") as following:
        following.read()
    assert following.text == DEFAULT_TEXT
    assert "Traceback" not in site.log()
