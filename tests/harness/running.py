"""An answer that runs for as long as a test wants."""

from typing import Any

from tests.harness import wire
from tests.harness.client import Client, Stream
from tests.harness.people import Person
from tests.harness.upstream import Upstream


class Running:
    """An answer of Alice's that has said "Hello, " and waits at `gate` before it says "wörld."."""

    def __init__(self, person: Person, upstream: Upstream) -> None:
        self.gate = wire.Gate()
        self.key = upstream.script(
            [
                wire.role(),
                *wire.text("Hello, "),
                self.gate,
                *wire.text("wörld."),
                *wire.answer()[1:],
            ]
        )
        self.person = person

    def begin(self, client: Client | None = None, **fields: Any) -> Stream:
        stream = (client or self.person.client).chat({"content": self.key, **fields})
        stream.until_text("Hello, ")
        return stream
