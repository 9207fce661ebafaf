"""Holds a live answer: one growing text, and the readers that follow it.

The text is kept once, as UTF-8, however many readers follow it. A cursor is a position in those
bytes. Nothing is queued for a reader: it is woken when there is more and takes what there is, so a
slow reader gets fewer, bigger deltas.

Everything here belongs to one event loop, and uses neither Redis nor the database.
"""

import asyncio
from collections.abc import AsyncGenerator
from time import monotonic
from typing import Any
from uuid import UUID

from chat.answers import sse
from chat.answers.reader_access import ReaderAccess
from chat.errors import InvalidRequest

PING_SECONDS = 15
# The most text of one delta. A client that stops reading keeps one such frame in memory, not the
# whole of a long answer.
PIECE_BYTES = 64 * 1024


class Reader:
    """Holds one response's place in a live answer.

    `access` is the right to read, None where it is not watched. `doubted_since` (monotonic seconds)
    is when that right was first found to have ended.
    """

    __slots__ = (
        "_ping",
        "_waiter",
        "access",
        "cursor",
        "doubted_since",
        "ended",
        "released",
        "sent_at",
        "statuses_seen",
    )

    def __init__(self, cursor: int, statuses_seen: int, access: ReaderAccess | None = None) -> None:
        self.cursor = cursor
        self.statuses_seen = statuses_seen
        self.access = access
        self.doubted_since: float | None = None
        self.ended = False
        self.released = False
        self.sent_at = monotonic()
        self._waiter: asyncio.Future[None] | None = None
        self._ping = False

    async def wait(self) -> None:
        """Returns when the reader is woken."""
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def release(self) -> None:
        """Lets this one reader go without an end, whatever is left to read."""
        self.released = True
        self.wake()

    def ping_if_silent(self, now: float) -> None:
        """Makes a ping due after PING_SECONDS of silence, so that no proxy closes the stream."""
        if now - self.sent_at >= PING_SECONDS:
            self._ping = True
            self.wake()

    def take_ping(self) -> bool:
        """Tells whether a ping is due, and takes it: the next call returns False."""
        ping, self._ping = self._ping, False
        return ping

    def take_text(self, text: bytearray) -> str:
        """Returns what `text` has beyond the cursor, at most PIECE_BYTES, and moves the cursor."""
        if self.cursor >= len(text):
            return ""
        start, self.cursor = self.cursor, _end_of_piece(text, self.cursor)
        return text[start : self.cursor].decode(errors="replace")


def _end_of_piece(text: bytearray, start: int) -> int:
    end = start + PIECE_BYTES
    if end >= len(text):
        return len(text)
    while text[end] & 0xC0 == 0x80:
        end -= 1
    return end


class LiveAnswer:
    """Holds an answer that is being generated, here or on another worker.

    `start` is the payload of the `start` event. `unwatched_since` is the monotonic time at which
    the last reader left (or, before the first came, at which the answer began), None while there is
    one. `was_watched` says that a client has read it, or has left before there was anything to
    read.
    """

    def __init__(self, answer_id: UUID, start: dict[str, Any]) -> None:
        self.id = answer_id
        self.start = start
        self.text = bytearray()
        self.readers: set[Reader] = set()
        self.unwatched_since: float | None = monotonic()
        self.was_watched = False
        self.ended = False
        self._statuses: list[bytes] = []
        self._end = b""
        self._detached = False

    # --- written by the generation ------------------------------------------

    def append(self, text: str) -> None:
        """Adds a piece of text (no surrogates in it) and wakes the readers."""
        self.append_bytes(text.encode())

    def append_bytes(self, text: bytes) -> None:
        """Adds whole characters, already in UTF-8, and wakes the readers."""
        self.text += text
        self._wake_readers()

    def replace_text(self, text: bytes) -> None:
        """Puts the saved text in place of what was shown.

        The last piece of a lost worker's answer may not have been flushed.
        """
        self.text[:] = text

    def status(self, data: dict[str, Any]) -> None:
        """Sends the readers a `status` event, which says what is being waited for."""
        self._statuses.append(sse.event("status", data))
        self._wake_readers()

    def end(self, done: dict[str, Any], error: dict[str, Any] | None = None) -> None:
        """Ends the answer for every reader; call it once the end is saved.

        `done` and `error` are the payloads of the events of those names.
        """
        frames = sse.event("error", error) if error else b""
        self._end = frames + sse.event("done", done, len(self.text)) + sse.END
        self.ended = True
        self._wake_readers()

    def detach_readers(self) -> None:
        """Lets the readers go without an end: they resume on another worker."""
        self._detached = True
        self._wake_readers()

    # --- read by the readers -------------------------------------------------

    def check_cursor(self, cursor: int) -> None:
        """Raises InvalidRequest for a position inside a character, which no frame names."""
        if cursor < len(self.text) and self.text[cursor] & 0xC0 == 0x80:
            raise InvalidRequest("The cursor is not valid.")

    async def frames(
        self, cursor: int, access: ReaderAccess | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yields the events from the cursor on as frames: `start`, text as it comes, the end.

        Counts as a reader until the generator is closed.
        """
        reader = self._open_reader(cursor, access)
        try:
            yield sse.event("start", self.start)
            while not reader.released:
                frames = self._take(reader)
                if frames:
                    reader.sent_at = monotonic()
                    yield frames
                elif reader.ended or self._detached:
                    return
                else:
                    await reader.wait()
        finally:
            self._close_reader(reader)

    async def pieces(self, access: ReaderAccess | None = None) -> AsyncGenerator[str, None]:
        """Yields the text from its beginning, as it comes; "" for a ping.

        Ends when the answer ends, or when the reader is let go.
        """
        reader = self._open_reader(0, access)
        try:
            while not reader.released:
                text = reader.take_text(self.text)
                if text or reader.take_ping():
                    reader.sent_at = monotonic()
                    yield text
                elif self.ended or self._detached:
                    return
                else:
                    await reader.wait()
        finally:
            self._close_reader(reader)

    def _open_reader(self, cursor: int, access: ReaderAccess | None) -> Reader:
        # A late reader is told the latest status only, and none once there is text.
        seen = len(self._statuses) if self.text else max(0, len(self._statuses) - 1)
        reader = Reader(cursor, seen, access)
        self.readers.add(reader)
        self.unwatched_since, self.was_watched = None, True
        return reader

    def _close_reader(self, reader: Reader) -> None:
        self.readers.discard(reader)
        if not self.readers:
            self.unwatched_since = monotonic()

    def _take(self, reader: Reader) -> bytes:
        frames = b""
        if reader.statuses_seen < len(self._statuses):
            frames = b"".join(self._statuses[reader.statuses_seen :])
            reader.statuses_seen = len(self._statuses)
        if text := reader.take_text(self.text):
            frames += sse.delta(text, reader.cursor)
        if self.ended and not reader.ended and reader.cursor >= len(self.text):
            frames += self._end
            reader.ended = True
        if not frames and reader.take_ping():
            return sse.PING
        return frames

    def _wake_readers(self) -> None:
        for reader in self.readers:
            reader.wake()
