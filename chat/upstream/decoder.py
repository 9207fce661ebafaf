"""From the bytes of a chat-completions stream to pieces of text, cheaply. Pure; imports nothing of the project.

One read of the socket becomes one batch, whatever number of deltas it held: on
the hot path there is one msgspec decode per delta and no object of the client.
"""

import json
from dataclasses import dataclass
from typing import Any

import msgspec

_MAX_EVENT_BYTES = 32 * 1024 * 1024


class BrokenStream(Exception):
    """The upstream sent what is no event stream."""


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    # What a model thinks before it speaks, as servers of other makes call it: OpenAI keeps it to itself.
    reasoning_content: Any = None
    reasoning: Any = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None


@dataclass(slots=True)
class Batch:
    """What one read brought: text, how many deltas it came in, how many brought `thoughts` instead, and what else was said.

    `error` is the upstream's own error object; `broken` says that an event behind the text was no chunk.
    """

    text: str = ""
    deltas: int = 0
    thoughts: int = 0
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    done: bool = False
    error: Any = None
    broken: bool = False


def _tokens(usage: Any, name: str) -> int | None:
    """A figure of a usage object; None for what is no count. A wrong figure is no reason to break off an answer."""
    figure = usage.get(name) if isinstance(usage, dict) else None
    return figure if type(figure) is int and figure >= 0 else None


class EventDecoder:
    """Bytes in any split to the data of complete events (WHATWG event stream; other fields are of no use here)."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._data: list[bytes] = []
        self._data_size = 0
        self._started = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that `chunk` completes. Raises BrokenStream for an event without end."""
        if b"\n" not in chunk and b"\r" not in chunk:
            # A large delta comes in many reads; joining them once keeps it linear.
            self._keep(chunk)
            return []
        text = b"".join((*self._parts, chunk))
        held = b""
        if b"\r" in text:
            if text.endswith(b"\r"):
                text, held = text[:-1], b"\r"  # it may be half of a CRLF
            text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if not self._started:
            text = text.removeprefix(b"\xef\xbb\xbf")
        self._started = True
        *lines, rest = text.split(b"\n")
        self._parts, self._size = [], 0
        self._keep(rest + held)
        return self._events(lines)

    @property
    def in_line(self) -> bool:
        """Whether a line has begun and not ended: of a large delta many reads bring only a part."""
        return bool(self._parts)

    def _keep(self, rest: bytes) -> None:
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
            if self._size > _MAX_EVENT_BYTES:
                raise BrokenStream("a line without end")

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events = []
        data = self._data
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[6:] if line[5:6] == b" " else line[5:])
                self._data_size += len(line)
            elif not line and data:
                events.append(data[0] if len(data) == 1 else b"\n".join(data))
                data.clear()
                self._data_size = 0
        if self._data_size > _MAX_EVENT_BYTES:
            raise BrokenStream("an event without end")
        return events


class ChunkDecoder:
    """The data of events to batches. Joins surrogate pairs that were cut between deltas; NUL and lone surrogates become U+FFFD."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Chunk).decode
        self._high_surrogate = ""

    def batch(self, events: list[bytes]) -> Batch:
        """All that the events say, up to the first that is not JSON of a chunk: what came before it is part of the answer."""
        batch = Batch()
        pieces: list[str] = []
        for data in events:
            if data.startswith(b"[DONE]"):
                batch.done = True
                break
            chunk = self._chunk(data)
            if chunk is None:
                batch.broken = True
                break
            self._read(chunk, batch, pieces)
        batch.deltas = len(pieces)
        batch.text = self._clean("".join(pieces))
        return batch

    def rest(self) -> str:
        """What was held back at the end of the stream: U+FFFD for half a surrogate pair, else nothing."""
        held, self._high_surrogate = self._high_surrogate, ""
        return "\ufffd" if held else ""

    def _chunk(self, data: bytes) -> _Chunk | None:
        try:
            return self._decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # msgspec refuses lone surrogates, which Python's own parser passes on.
            try:
                return msgspec.convert(json.loads(data), _Chunk)
            except (ValueError, RecursionError, msgspec.ValidationError):
                return None

    @staticmethod
    def _read(chunk: _Chunk, batch: Batch, pieces: list[str]) -> None:
        if chunk.choices:
            choice = chunk.choices[0]
            if choice.delta is not None:
                text = choice.delta.content or choice.delta.refusal
                if text:
                    pieces.append(text)
                elif choice.delta.reasoning_content or choice.delta.reasoning:
                    batch.thoughts += 1
            if choice.finish_reason:
                batch.finish_reason = choice.finish_reason
        if chunk.usage is not None:
            batch.prompt_tokens, batch.completion_tokens = _tokens(chunk.usage, "prompt_tokens"), _tokens(chunk.usage, "completion_tokens")
        if chunk.error:
            batch.error = chunk.error

    def _clean(self, text: str) -> str:
        if "\0" in text:
            text = text.replace("\0", "\ufffd")
        if not text or (not self._high_surrogate and text.isascii()):
            return text
        text = self._high_surrogate + text
        self._high_surrogate = ""
        try:
            text.encode()
        except UnicodeEncodeError:
            if "\ud800" <= text[-1] <= "\udbff":
                self._high_surrogate, text = text[-1], text[:-1]
            # UTF-16 joins the pairs; what stays alone is replaced.
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text
