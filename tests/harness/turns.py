"""Turns as tests take them: one to its end, many at once, and what came of them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Barrier, Thread
from typing import Any

from tests.harness import wire
from tests.harness.client import Client, Stream
from tests.harness.ends import whole
from tests.harness.people import Person
from tests.harness.upstream import Upstream

MAX_OUTPUT_TOKENS = 1000
SETTLED = 18  # what the fake upstream's usage adds up to


def held_open(upstream: Upstream, gate: wire.Gate) -> str:
    """The key of an answer that waits for the gate."""
    return upstream.script([wire.role(), *wire.text("so"), gate, *wire.answer(" on")])


def bound(prompt: str) -> int:
    """Returns what a turn with this prompt alone reserves, in tokens.

    That is a token a byte, a frame, and the whole output.
    """
    return len(prompt.encode()) + 16 + MAX_OUTPUT_TOKENS


@contextmanager
def asked_at_once(client: Client, times: int, **fields: Any) -> Iterator[list[Stream]]:
    """Yields the streams of that many turns sent at the same moment, once all are answered.

    They are open until the end of the block.
    """
    barrier, streams = Barrier(times), list[Stream]()

    def ask() -> None:
        barrier.wait(20)
        streams.append(client.chat(**fields))

    threads = [Thread(target=ask) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with ExitStack() as stack:
        for stream in streams:
            stack.enter_context(stream)
        assert len(streams) == times
        yield streams


def outcomes(streams: list[Stream]) -> Counter[str]:
    """How often a turn passed ("passed"), and how often it was refused with which code."""
    return Counter(
        "passed" if stream.status == 200 else stream.json()["error"]["code"] for stream in streams
    )


def finish(streams: list[Stream]) -> None:
    for stream in streams:
        if stream.status == 200:
            stream.read()
            assert stream.ended


def ask(client: Client, **fields: Any) -> Stream:
    """A turn to its end, or its refusal."""
    with client.chat(**{"content": "hello", **fields}) as stream:
        if stream.status == 200:
            finish([stream])
        else:
            stream.json()
        return stream


def turn_status(person: Person, content: str = "hello") -> int:
    """The status of a turn that has ended when this returns."""
    with person.client.chat(content=content) as stream:
        stream.read()
        return stream.status


def said(person: Person, content: str, **fields: Any) -> Stream:
    """A turn of the person, read to its end."""
    return whole(person.client.chat(content=content, **fields))


def event_names(stream: Stream) -> list[str]:
    """The names of the events read, repeated ones once."""
    seen = [event.name for event in stream.events]
    return [name for place, name in enumerate(seen) if place == 0 or seen[place - 1] != name]


def talk(person: "Person", **fields: Any) -> dict[str, Any]:
    """A turn to its end; the payload of its start event."""
    with person.client.chat(content="hello", **fields) as stream:
        stream.read()
        assert stream.ended
        start: dict[str, Any] = stream.named("start")[0]
        return start
