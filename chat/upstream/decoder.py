"""From the events of a chat-completions stream to pieces of text, cheaply. Pure but for what reads the shapes of chunks.

One read of the socket becomes one batch, whatever number of deltas it held: on
the hot path there is one msgspec decode per delta and no object of the client.
"""

import json
from dataclasses import dataclass
from typing import Any

import msgspec

from chat.upstream import chunk_shapes, finish_reasons, usage_figures
from chat.upstream.chunk_shapes import Chunk, NoChunk
from chat.upstream.event_stream import ErrorData
from chat.upstream.thinking import ThinkingFilter

_DONE = frozenset({b"[DONE]", b"DONE"})


class _Delta(msgspec.Struct):
    content: str | None = None
    # What a model thinks before it speaks, as most servers call it: OpenAI keeps it to itself.
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _DeltaChunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None


@dataclass(slots=True)
class Batch:
    """What one read brought.

    `text` came in so many `deltas`; so many `thoughts` (deltas of something else, of `thought_chars`
    characters) show that the model is at work. `ends_in_usage`: behind the last text stands a chunk
    of nothing but figures. `done`: the upstream said that this is all. `error` is the upstream's own
    JSON, or its text; `broken` says that an event behind the text was no chunk.
    """

    text: str = ""
    deltas: int = 0
    thoughts: int = 0
    thought_chars: int = 0
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    ends_in_usage: bool = False
    done: bool = False
    error: Any = None
    broken: bool = False


class ChunkDecoder:
    """The data of events to batches. Joins surrogate pairs that were cut between deltas; NUL and lone surrogates become U+FFFD."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_DeltaChunk).decode
        self._high_surrogate = ""
        self._thinking = ThinkingFilter()
        self._has_deltas = False

    def batch(self, events: list[bytes]) -> Batch:
        """Returns all that the events say, up to the first that is not JSON of a chunk: what came before it is part of the answer."""
        batch = Batch()
        pieces: list[str] = []
        for data in events:
            if data.startswith(b"[DONE]"):
                batch.done = True
                break
            if not self._read_delta(data, batch, pieces):
                self._read_other(data, batch, pieces)
            if batch.broken or batch.done:
                break
        if pieces:
            self._join(pieces, batch)
        return batch

    def rest(self, *, complete: bool) -> str:
        """Returns what was held back at the end of the stream; `complete`: the upstream said that the answer is whole."""
        held, self._high_surrogate = self._high_surrogate, ""
        text = "\ufffd" if held else ""
        return text if self._thinking.speaking else self._thinking.rest(complete=complete) + text

    # --- one event ------------------------------------------------------------

    def _read_delta(self, data: bytes, batch: Batch, pieces: list[str]) -> bool:
        """Reads a chunk that holds a delta of text or thinking, as nearly all do; False for any other."""
        try:
            chunk = self._decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        if not chunk.choices or chunk.error or (delta := chunk.choices[0].delta) is None:
            return False
        if delta.content:
            pieces.append(delta.content)
            self._has_deltas = True
        elif thought := delta.reasoning_content or delta.reasoning:
            batch.thoughts += 1
            batch.thought_chars += len(thought)
        else:
            return False
        batch.ends_in_usage = False
        if reason := chunk.choices[0].finish_reason:
            batch.finish_reason = finish_reasons.read(reason) or batch.finish_reason
        if chunk.usage is not None:
            _note_usage(batch, *usage_figures.read(chunk.usage))
        return True

    def _read_other(self, data: bytes, batch: Batch, pieces: list[str]) -> None:
        try:
            value = json.loads(data)
            if isinstance(data, ErrorData):
                batch.error = value
                return
            if isinstance(value, str) and value.strip().encode() in _DONE:
                batch.done = True
                return
            for chunk in chunk_shapes.read(value, after_deltas=self._has_deltas):
                self._take(chunk, batch, pieces)
        except (ValueError, RecursionError, NoChunk):
            # Python's parser passes lone surrogates on, which msgspec refuses.
            if isinstance(data, ErrorData):
                batch.error = data.decode(errors="replace")
            elif data.strip().upper() in _DONE:
                batch.done = True
            else:
                batch.broken = True

    def _take(self, chunk: Chunk, batch: Batch, pieces: list[str]) -> None:
        if chunk.text:
            pieces.append(chunk.text)
            self._has_deltas = True
        if chunk.thought:
            batch.thoughts += 1
            batch.thought_chars += chunk.thought
        batch.finish_reason = finish_reasons.read(chunk.finish_reason) or batch.finish_reason
        has_usage = (chunk.prompt_tokens, chunk.completion_tokens) != (None, None)
        if chunk.text or chunk.thought or has_usage:
            batch.ends_in_usage = has_usage and not (chunk.text or chunk.thought)
        _note_usage(batch, chunk.prompt_tokens, chunk.completion_tokens)
        batch.error = chunk.error or batch.error
        batch.done = batch.done or chunk.whole

    # --- text -----------------------------------------------------------------

    def _join(self, pieces: list[str], batch: Batch) -> None:
        text = self._clean("".join(pieces))
        if not self._thinking.speaking:
            text, thought = self._thinking.feed(text)
            batch.thought_chars += thought
            if not text:
                batch.thoughts += len(pieces)
                return
        batch.text, batch.deltas = text, len(pieces)

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


def _note_usage(batch: Batch, prompt: int | None, completion: int | None) -> None:
    """A figure that is not said again stays."""
    if prompt is not None:
        batch.prompt_tokens = prompt
    if completion is not None:
        batch.completion_tokens = completion
