"""Turns of guests."""

from typing import Any

from tests.harness.challenge import solved
from tests.harness.client import Client


def ask(client: Client, prompt: str = "hello", **fields: Any) -> dict[str, Any]:
    """Runs a whole turn of a guest; returns its start event."""
    with client.chat(content=prompt, altcha=solved(), **fields) as stream:
        stream.read()
        assert stream.ended
        start: dict[str, Any] = stream.named("start")[0]
        return start
