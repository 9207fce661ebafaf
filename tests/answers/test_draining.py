"""A site told to stop lets readers go, finishes its answers and takes no new turn."""

import os
import re
import signal
import socket
from time import monotonic
from typing import TYPE_CHECKING
from uuid import uuid4

from chat.models import Conversation
from tests.harness import wire
from tests.harness.answers import ledger, message, other_worker, owner_pid, serving_pid, wait_until
from tests.harness.client import Client, Stream
from tests.harness.ends import check_slot_is_free, whole
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import StartSite


def test_drain_lets_readers_go_and_finishes_the_answer(
    alice: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site, gate = start_site(), wire.Gate()
    key = upstream.script([*wire.text("some "), gate, *wire.answer("text")])
    stream = alice.client_on(site).chat(content=key)
    stream.until_text("some ")
    site.terminate()
    whole(stream)
    assert (stream.ended, stream.rest, stream.named("done")) == (False, b"", [])
    assert message(stream).status == "streaming"
    gate.open()
    assert site.process.wait(10) in (0, -signal.SIGTERM)
    assert (message(stream).status, message(stream).content) == ("complete", "some text")
    assert (ledger(stream).outcome, ledger(stream).estimated) == ("complete", False)
    # Whoever comes back is told the rest, by whichever worker there is now.
    again = whole(alice.client.resume(stream.answer, stream.cursor))
    assert (again.text, again.ended) == ("text", True)


def test_drain_outlasts_the_grace_time_without_a_reader(
    alice: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site, gate = start_site(RESUME_GRACE_SECONDS="0"), wire.Gate()
    key = upstream.script([*wire.text("some "), gate, *wire.answer("text")])
    stream = alice.client_on(site).chat(content=key)
    stream.until_text("some ")
    site.terminate()
    whole(stream)
    assert not upstream.requests(key)[0].over.wait(1)
    gate.open()
    site.process.wait(10)
    assert message(stream).status == "complete"


def test_answer_that_outlasts_the_drain_is_interrupted_and_saved(
    person: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site = start_site(DRAIN_SECONDS="1")
    key = upstream.script([*wire.text("some text"), wire.Stall()])
    stream = person.client_on(site).chat(content=key)
    stream.until_text("some text")
    began = monotonic()
    site.stop()
    assert 1 <= monotonic() - began < 15
    upstream.wait_for_close(upstream.requests(key)[0])
    answer = message(stream)
    assert (answer.status, answer.content, answer.error_code, answer.finish_reason) == (
        "interrupted",
        "some text",
        "worker_lost",
        "drained",
    )
    assert (ledger(stream).outcome, ledger(stream).estimated) == ("interrupted", True)
    check_slot_is_free(person.client)


def ask_statelessly(client: Client, key: str) -> Stream:
    return client.chat(messages=[{"role": "user", "content": key}])


def test_stateless_answer_is_read_to_its_end_while_the_site_drains(
    alice: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site, gate, last = start_site(), wire.Gate(), wire.Gate()
    key = upstream.script(
        [*wire.text("some "), gate, *wire.text("more "), last, *wire.answer("text")]
    )
    stream = ask_statelessly(alice.client_on(site), key)
    stream.until_text("some ")
    site.terminate()
    wait_until(lambda: "Shutting down" in site.log())
    gate.open()
    stream.until_text("more ")
    last.open()
    assert (whole(stream).text, stream.ended) == ("some more text", True)
    assert site.process.wait(10) in (0, -signal.SIGTERM)
    assert ledger(stream).outcome == "complete"


def test_stateless_answer_that_outlasts_the_drain_ends_with_a_word(
    alice: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site = start_site(DRAIN_SECONDS="3")
    key = upstream.script([*wire.text("some text"), wire.Stall()])
    stream = ask_statelessly(alice.client_on(site), key)
    stream.until_text("some text")
    site.terminate()
    whole(stream)
    assert [error["code"] for error in stream.named("error")] == ["worker_lost"]
    assert (stream.named("done")[0]["status"], stream.ended) == ("interrupted", True)
    upstream.wait_for_close(upstream.requests(key)[0])
    assert site.process.wait(10) in (0, -signal.SIGTERM)


def test_stateless_answer_whose_reader_leaves_during_the_drain_is_closed(
    alice: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site = start_site()
    key = upstream.script([*wire.text("some text"), wire.Stall()])
    stream = ask_statelessly(alice.client_on(site), key)
    stream.until_text("some text")
    site.terminate()
    wait_until(lambda: "Shutting down" in site.log())
    left_at = monotonic()
    stream.close()
    assert upstream.wait_for_close(upstream.requests(key)[0]) - left_at < 1
    assert site.process.wait(10) in (0, -signal.SIGTERM)


def read_until(connection: socket.socket, end: bytes) -> None:
    received = b""
    while not received.endswith(end):
        more = connection.recv(10_000)
        assert more, f"closed after {received!r}"
        received += more


class SlowRequest:
    """Sends a POST /api/chat whose body the server is waiting for.

    Its connection is open and in use while the worker is told to stop.
    """

    def __init__(self, client: Client, site: Site, body: str, pid: int) -> None:
        self._body = body.encode()
        self._socket = self._connection_to(pid, site)
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.http.cookies.jar)
        head = (
            f"POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nCookie:"
            f" {cookies}\r\nX-CSRFToken: {client.csrf}\r\n"
        )
        head += (
            f"Content-Type: application/json\r\nContent-Length: {len(self._body)}\r\nExpect:"
            " 100-continue\r\n\r\n"
        )
        self._socket.sendall(head.encode())
        read_until(self._socket, b" 100 Continue\r\n\r\n")  # the handler waits for the body

    @staticmethod
    def _connection_to(pid: int, site: Site) -> socket.socket:
        for _ in range(100):
            connection = socket.create_connection(("127.0.0.1", site.port), timeout=10)
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            read_until(connection, b"\r\n\r\nok\n")
            if serving_pid(site, connection.getsockname()[1]) == pid:
                return connection
            connection.close()
        raise AssertionError(f"no connection of 100 came to worker {pid}")

    def finish(self) -> str:
        """Sends the body; all that comes until the server closes the connection."""
        with self._socket:
            self._socket.sendall(self._body)
            return b"".join(iter(lambda: self._socket.recv(65536), b"")).decode()


def test_draining_worker_refuses_a_new_turn_on_a_connection_it_still_has(
    alice: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site, gate, key = start_site(), wire.Gate(), upstream.key()
    client = alice.client_on(site)
    slow = SlowRequest(client, site, f'{{"content": "{key}"}}', site.process.pid)
    running = client.chat(
        content=upstream.script([*wire.text("some "), gate, *wire.answer("text")])
    )
    running.until_text("some ")
    site.terminate()
    whole(running)  # let go: it drains
    answer = slow.finish()
    assert answer.startswith("HTTP/1.1 503")
    assert '"code": "draining"' in answer
    assert re.search(r"(?im)^retry-after: \d+", answer)
    assert upstream.requests(key) == []
    assert not Conversation.objects.filter(title=key).exists()
    gate.open()


def test_draining_worker_keeps_no_reader_of_another_workers_answer(
    alice: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site, gate = start_site(workers=2), wire.Gate()
    key = upstream.script([*wire.text("some "), gate, *wire.answer("text")])
    turn = str(uuid4())
    first = alice.client_on(site).chat(content=key, turn=turn)
    first.until_text("some ")
    drained = other_worker(site, owner_pid(first))
    slow = SlowRequest(
        alice.client_on(site), site, f'{{"content": "{key}", "turn": "{turn}"}}', drained
    )
    os.kill(drained, signal.SIGTERM)
    wait_until(lambda: "Shutting down" in site.log())
    assert "[DONE]" not in slow.finish()
    gate.open()
    assert whole(first).text == "some text"
