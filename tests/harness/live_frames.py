"""Reads the frames of a live answer in the test process."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from tests.harness.sse import Decoder, Event

DONE: dict[str, Any] = {"status": "complete"}


async def next_events(frames: AsyncGenerator[bytes, None]) -> list[Event]:
    """Returns the events of the next send; TimeoutError when none comes within 5 seconds."""
    async with asyncio.timeout(5):
        return Decoder().feed(await anext(frames))


async def rest(frames: AsyncGenerator[bytes, None]) -> list[Event]:
    decoder = Decoder()
    async with asyncio.timeout(5):
        return [event async for frame in frames for event in decoder.feed(frame)]


async def waiting(frames: AsyncGenerator[bytes, None]) -> "asyncio.Task[list[Event]]":
    """A reader that has read all there is and waits for more."""
    task = asyncio.create_task(next_events(frames))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not task.done()
    return task


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events]
