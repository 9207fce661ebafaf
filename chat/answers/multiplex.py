"""Sends several answers in one stream.

A browser opens six connections to a host over HTTP/1.1, for all its tabs together. Each answer's
frames are sent as they are; the event `item` before them says whose they are. Imports nothing of
the project but `sse`.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence

from chat.answers import sse


async def multiplex(streams: Sequence[AsyncGenerator[bytes, None]]) -> AsyncGenerator[bytes, None]:
    """Yields what the streams yield as it comes, each chunk behind `{"item": its position}`.

    The next chunk of a stream is asked for once its last was taken, so nothing is queued for a slow
    reader. Ends when all have ended, or when one closes without [DONE]: the client then comes back
    for all of them.
    """
    waiting = {_next_of(frames): item for item, frames in enumerate(streams)}
    last = [b""] * len(streams)
    try:
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                item, frames = waiting.pop(task), task.result()
                if frames:
                    waiting[_next_of(streams[item])] = item
                    last[item] = frames
                    yield sse.event("item", {"item": item}) + frames
                elif not last[item].endswith(sse.END):
                    return
    finally:
        await _close(list(waiting), streams)


def _next_of(frames: AsyncGenerator[bytes, None]) -> "asyncio.Task[bytes]":
    return asyncio.create_task(_take(frames))


async def _take(frames: AsyncGenerator[bytes, None]) -> bytes:
    return await anext(frames, b"")


async def _close(
    tasks: "list[asyncio.Task[bytes]]", streams: Sequence[AsyncGenerator[bytes, None]]
) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    for frames in streams:
        with contextlib.suppress(RuntimeError):  # it is closed already
            await frames.aclose()
