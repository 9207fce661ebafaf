"""GET /api/answers/streams: several answers in one response."""

import signal
from collections import defaultdict
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from chat.answers import sse
from chat.answers.multiplex import multiplex
from chat.limits import leases, reader_leases
from tests.harness import wire
from tests.harness.answers import client_of_worker, other_worker, owner_pid, wait_until
from tests.harness.client import Stream
from tests.harness.people import Person
from tests.harness.refusals import assert_refused
from tests.harness.site import Site
from tests.harness.sse import Event, text_of
from tests.harness.upstream import DEFAULT_TEXT, Upstream

if TYPE_CHECKING:
    import redis

    from tests.conftest import StartSite


def by_item(events: list[Event]) -> dict[int, list[Event]]:
    """The events of each answer, by its place in the query."""
    items: defaultdict[int, list[Event]] = defaultdict(list)
    item = -1
    for event in events:
        if event.name == "item":
            item = event.data["item"]
        else:
            items[item].append(event)
    return items


def is_whole(events: list[Event], text: str, status: str = "complete") -> bool:
    return (events[0].name, text_of(events), events[-2].data["status"], events[-1].is_end) == (
        "start",
        text,
        status,
        True,
    )


def until_text(stream: Stream, item: int, text: str) -> None:
    while text not in text_of(by_item(stream.events)[item]):
        stream.until("delta")


def test_answers_come_side_by_side_each_from_its_cursor(alice: Person, upstream: Upstream) -> None:
    gates = [wire.Gate() for _ in range(2)]
    keys = [
        upstream.script(
            [wire.role(), *wire.text(f"one {n} "), gate, *wire.text("two"), *wire.answer()[1:]]
        )
        for n, gate in enumerate(gates)
    ]
    begun = [alice.client.chat(content=key) for key in keys]
    for stream in begun:
        stream.until("delta")
    first, second = begun
    both = alice.client.follow(
        f"{first.answer}:{first.cursor}", f"{second.answer}:", f"{first.answer}:"
    )
    until_text(both, 1, "one 1 ")
    gates[1].open()
    until_text(both, 1, "two")
    gates[0].open()
    items = by_item(both.read())
    assert is_whole(items[0], "two")
    assert is_whole(items[1], "one 1 two")
    assert is_whole(items[2], "one 0 two")
    assert (set(items), both.rest) == ({0, 1, 2}, b"")
    assert both.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (both.headers["cache-control"], both.headers["x-accel-buffering"]) == (
        "no-cache, no-transform",
        "no",
    )


def test_one_that_has_ended_is_told_at_once_and_one_that_is_not_ones_own_is_refused_alone(
    alice: Person, bob: Person, upstream: Upstream
) -> None:
    mine = alice.client.chat(content="hello")
    mine.read()
    theirs = bob.client.chat(
        content=upstream.script([wire.role(), *wire.text("a secret"), wire.Stall()])
    )
    theirs.until("delta")
    stream = alice.client.follow(f"{theirs.answer}:", f"{mine.answer}:", f"{uuid4()}:0")
    items = by_item(stream.read())
    assert is_whole(items[1], DEFAULT_TEXT)
    for place in (0, 2):
        refused, end = items[place]
        assert (refused.name, refused.data["status"], refused.data["error"]["code"]) == (
            "refused",
            404,
            "not_found",
        )
        assert end.is_end
    theirs.close()


def test_a_cursor_inside_a_character_is_refused_alone(alice: Person, upstream: Upstream) -> None:
    mine = alice.client.chat(content=upstream.script(wire.answer("é")))
    mine.read()
    items = by_item(alice.client.follow(f"{mine.answer}:1", f"{mine.answer}:2").read())
    assert items[0][0].data["error"]["code"] == "invalid_request"
    assert is_whole(items[1], "")


@pytest.mark.parametrize(
    "items",
    [
        [],
        ["x"],
        [":"],
        [f"{uuid4()}:x"],
        [f"{uuid4()}:-1"],
        [f"{uuid4()}:{'9' * 13}"],
        [f"{uuid4()}:"] * 21,
    ],
)
def test_what_names_no_answers_is_refused(alice: Person, items: list[str]) -> None:
    assert alice.client.follow(*items).status == 400


def test_strangers_and_other_methods_are_refused(alice: Person, site: Site) -> None:
    with alice.client_on(site) as client:
        client.http.cookies.delete("sessionid")
        assert_refused(client.follow(f"{uuid4()}:"), 401, "not_signed_in")
    assert_refused(alice.client.post("/api/answers/streams"), 405, "method_not_allowed")


def test_it_is_one_reader_and_none_when_it_is_left(
    alice: Person, site: Site, upstream: Upstream, redis_client: "redis.Redis"
) -> None:
    subject = reader_leases.SUBJECT_PREFIX + alice.requester.owner_key
    keys = [upstream.script([wire.role(), *wire.text("one"), wire.Stall()]) for _ in range(3)]
    begun = [alice.client.chat(content=key) for key in keys]
    for stream in begun:
        stream.until("delta")
    followed = alice.client.follow(*(f"{stream.answer}:" for stream in begun))
    until_text(followed, 2, "one")
    assert leases.in_use(redis_client, subject) == 1
    for stream in begun:
        stream.close()
    followed.close()
    # Nobody reads them any more: they are given up when the time for coming back is over.
    for key in keys:
        upstream.wait_for_close(upstream.requests(key)[0])
    wait_until(lambda: leases.in_use(redis_client, subject) == 0)


def test_more_readers_than_a_person_may_have_are_refused(alice: Person, upstream: Upstream) -> None:
    begun = alice.client.chat(
        content=upstream.script([wire.role(), *wire.text("one"), wire.Stall()])
    )
    many = [alice.client.follow(f"{begun.answer}:") for _ in range(reader_leases.MAX_READERS)]
    assert {stream.status for stream in many} == {200}
    assert_refused(
        alice.client.follow(f"{begun.answer}:"), 429, "too_many_readers", retry_after=range(2, 3)
    )
    for stream in (begun, *many):
        stream.close()


def test_answers_of_another_worker_are_read_too(
    alice: Person, site2: Site, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [wire.role(), *wire.text("one "), gate, *wire.text("two"), *wire.answer()[1:]]
    )
    begun = alice.client_on(site2).chat(content=key)
    begun.until("delta")
    there = client_of_worker(alice, site2, other_worker(site2, owner_pid(begun)))
    followed = there.follow(f"{begun.answer}:")
    until_text(followed, 0, "one ")
    begun.close()
    gate.open()
    assert is_whole(by_item(followed.read())[0], "one two")


def test_a_server_that_is_told_to_stop_hands_them_over(
    alice: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site, gate = start_site(), wire.Gate()
    keys = [upstream.script([*wire.text("some "), gate, *wire.answer("text")]) for _ in range(2)]
    begun = [alice.client_on(site).chat(content=key) for key in keys]
    for stream in begun:
        stream.until("delta")
    followed = alice.client_on(site).follow(*(f"{stream.answer}:" for stream in begun))
    for item in range(2):
        until_text(followed, item, "some ")
    site.terminate()
    followed.read()
    assert (followed.named("done"), followed.rest) == ([], b"")
    gate.open()
    assert site.process.wait(10) in (0, -signal.SIGTERM)
    items = by_item(
        alice.client.follow(*(f"{stream.answer}:{stream.cursor}" for stream in begun)).read()
    )
    assert is_whole(items[0], "text")
    assert is_whole(items[1], "text")


async def test_one_that_closes_without_its_end_closes_all_and_leaves_nothing_open() -> None:
    closed: list[str] = []

    async def frames(name: str, *pieces: bytes) -> AsyncGenerator[bytes, None]:
        try:
            for piece in pieces:
                yield piece
        finally:
            closed.append(name)

    streams = [frames("cut", b"a"), frames("whole", sse.END), frames("long", *[b"c"] * 1000)]
    sent = [piece async for piece in multiplex(streams)]
    assert sse.event("item", {"item": 0}) + b"a" in sent
    assert sse.event("item", {"item": 1}) + sse.END in sent
    assert len(sent) < 100
    assert sorted(closed) == ["cut", "long", "whole"]
