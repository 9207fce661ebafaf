"""Reads an event stream as the WHATWG grammar says, and is strict where a browser would shrug."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any


@dataclass(frozen=True)
class Event:
    """Holds one frame.

    `name` is "message" where the frame names none, and "comment" for a comment, whose text is in
    `raw`.
    """

    name: str
    raw: str
    id: str | None
    at: float

    @property
    def data(self) -> Any:
        """The payload: parsed JSON."""
        return json.loads(self.raw)

    @property
    def is_end(self) -> bool:
        """The last frame of every answer that ended."""
        return self.name == "message" and self.raw == "[DONE]"


class Decoder:
    """Turns bytes cut anywhere into the events they complete.

    `rest` is what no blank line has ended yet. Raises ValueError for a field that the grammar does
    not know and for bytes that are not UTF-8.
    """

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> list[Event]:
        *frames, self.rest = (self.rest + data).replace(b"\r\n", b"\n").split(b"\n\n")
        return [event for frame in frames for event in _events(frame.decode())]


def _events(frame: str) -> Iterator[Event]:
    name, event_id, data = "message", None, []
    for line in frame.split("\n"):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not field:
            yield Event("comment", value, None, monotonic())
        elif field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif field == "id":
            event_id = value
        else:
            raise ValueError(f"{line!r} is no field of an event stream")
    if data:
        yield Event(name, "\n".join(data), event_id, monotonic())


def text_of(events: Iterable[Event]) -> str:
    """The joined texts of the delta events."""
    return "".join(event.data["text"] for event in events if event.name == "delta")
