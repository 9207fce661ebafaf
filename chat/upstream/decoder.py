"""Turns the events of a chat-completions stream into pieces of text, cheaply. Pure.

One read of the socket becomes one batch, however many deltas it held. The hot path makes one
msgspec decode per delta and no object of the client.
"""

import contextlib
import json
from dataclasses import dataclass
from typing import Any

import msgspec

from chat.upstream import chunk_shapes, finish_reasons, usage_figures
from chat.upstream.chunk_shapes import Chunk, NoChunk
from chat.upstream.event_stream import DONE, ErrorData
from chat.upstream.thinking import ThinkingFilter

_DONE = frozenset({DONE, b"DONE", b"[END]", b"[EOS]"})


class _Delta(msgspec.Struct):
    content: str | None = None
    # Thinking, under the names that most servers use; OpenAI does not send it.
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _DeltaChunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None


@dataclass(slots=True)
class Batch:
    """Holds what one read brought.

    `text` came in `deltas` pieces. `reasoning_deltas` (other deltas, of `reasoning_chars`
    characters) show that the model is at work. `ends_in_usage`: token counts alone followed the
    last text. `done`: the upstream said that this is all. `error` is the upstream's own JSON, or
    its text. `broken`: an event after the text was no chunk.
    """

    text: str = ""
    deltas: int = 0
    reasoning_deltas: int = 0
    reasoning_chars: int = 0
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    ends_in_usage: bool = False
    done: bool = False
    error: Any = None
    broken: bool = False


class ChunkDecoder:
    """Turns the data of events into batches.

    Joins surrogate pairs that were cut between deltas; NUL and lone surrogates become U+FFFD.
    """

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_DeltaChunk).decode
        self._high_surrogate = ""
        self._thinking = ThinkingFilter()
        self._has_deltas = False
        # The choice that the answer comes from, known from its first text or thought on.
        self._index: int | None = None
        # Whether token counts alone were read last, and whether text ever came after such.
        self._after_figures = self._figures_amid = False

    def batch(self, events: list[bytes]) -> Batch:
        """Returns all that the events say, up to the first that is no JSON of a chunk.

        What came before that one is part of the answer.
        """
        batch = Batch()
        pieces: list[str] = []
        for number, data in enumerate(events):
            if data.startswith(DONE):
                batch.done = True
            elif not self._read_delta(data, batch, pieces):
                self._read_other(data, batch, pieces)
            if batch.done:
                self._take_figures(events[number + 1 :], batch)
            if batch.broken or batch.done:
                break
        if pieces:
            self._join(pieces, batch)
        return batch

    def figures(self, events: list[bytes]) -> Batch:
        """Returns a batch of nothing but token counts, from events after the end of the answer."""
        batch = Batch()
        self._take_figures(events, batch)
        return batch

    def rest(self, *, complete: bool) -> str:
        """Returns the text that was held back at the end of the stream.

        `complete`: the upstream said that the answer is whole.
        """
        held, self._high_surrogate = self._high_surrogate, ""
        text = "\ufffd" if held else ""
        return text if self._thinking.speaking else self._thinking.rest(complete=complete) + text

    # --- one event ------------------------------------------------------------

    def _read_delta(self, data: bytes, batch: Batch, pieces: list[str]) -> bool:
        """Reads a chunk that holds a delta of text or thinking, as nearly all do.

        Returns False for any other, which is then not read.
        """
        try:
            chunk = self._decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        if not chunk.choices or chunk.error or (delta := chunk.choices[0].delta) is None:
            return False
        if chunk.choices[0].index != self._index or len(chunk.choices) > 1:
            return False
        if delta.content:
            pieces.append(delta.content)
            self._has_deltas = True
        elif thought := delta.reasoning_content or delta.reasoning:
            batch.reasoning_deltas += 1
            batch.reasoning_chars += len(thought)
        else:
            return False
        self._note_words(batch)
        if reason := chunk.choices[0].finish_reason:
            batch.finish_reason = finish_reasons.later(
                batch.finish_reason, finish_reasons.read(reason)
            )
        if chunk.usage is not None:
            _note_usage(batch, *usage_figures.read(chunk.usage))
        return True

    def _read_other(self, data: bytes, batch: Batch, pieces: list[str]) -> None:
        try:
            # Python's parser takes lone surrogates, which msgspec refuses.
            value = json.loads(data, strict=False)
            if isinstance(data, ErrorData):
                batch.error = value
                return
            if isinstance(value, str) and value.strip().upper().encode(errors="replace") in _DONE:
                batch.done = True
                return
            for chunk in chunk_shapes.read(value, after_deltas=self._has_deltas, index=self._index):
                self._take(chunk, batch, pieces)
        except (ValueError, RecursionError, NoChunk):
            if isinstance(data, ErrorData):
                batch.error = data.decode(errors="replace")
            elif data.strip().upper() in _DONE:
                batch.done = True
            else:
                batch.broken = True

    def _take(self, chunk: Chunk, batch: Batch, pieces: list[str]) -> None:
        if chunk.text:
            pieces.append(chunk.text)
            self._has_deltas = self._has_deltas or not chunk.of_message
        if chunk.thought:
            batch.reasoning_deltas += 1
            batch.reasoning_chars += chunk.thought
        batch.finish_reason = finish_reasons.later(
            batch.finish_reason, finish_reasons.read(chunk.finish_reason)
        )
        if chunk.text or chunk.thought:
            self._index = chunk.index
            self._note_words(batch)
        elif (chunk.prompt_tokens, chunk.completion_tokens) != (None, None):
            self._after_figures = self._index is not None
            batch.ends_in_usage = not self._figures_amid
        _note_usage(batch, chunk.prompt_tokens, chunk.completion_tokens)
        batch.error = chunk.error or batch.error
        batch.done = batch.done or chunk.whole

    def _note_words(self, batch: Batch) -> None:
        """Notes that text or thinking came.

        After token counts it shows that these did not end the answer: some servers send them to
        keep a connection alive.
        """
        batch.ends_in_usage = False
        if self._after_figures:
            self._after_figures, self._figures_amid = False, True

    def _take_figures(self, events: list[bytes], batch: Batch) -> None:
        for data in events:
            with contextlib.suppress(ValueError, RecursionError, NoChunk):
                for chunk in chunk_shapes.read(json.loads(data, strict=False), after_deltas=True):
                    _note_usage(batch, chunk.prompt_tokens, chunk.completion_tokens)

    # --- text -----------------------------------------------------------------

    def _join(self, pieces: list[str], batch: Batch) -> None:
        text = self._clean("".join(pieces))
        if not self._thinking.speaking:
            text, thought = self._thinking.feed(text)
            batch.reasoning_chars += thought
            if not text:
                batch.reasoning_deltas += len(pieces)
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
    """Notes token counts; a known one stays where none is given."""
    batch.prompt_tokens = usage_figures.later(batch.prompt_tokens, prompt)
    batch.completion_tokens = usage_figures.later(batch.completion_tokens, completion)
