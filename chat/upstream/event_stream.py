"""Decodes bytes, cut anywhere, into the data of events (WHATWG event stream). Pure.

Also reads what servers send beside the grammar: an error in a field `error`, JSON without a field
around it, a last frame without its blank line. Imports nothing of the project.
"""

import json

MAX_EVENT_BYTES = 32 * 1024 * 1024
# How much is kept of a body that is no event stream, such as an error page, to tell its meaning.
_MAX_UNFRAMED_BYTES = 64 * 1024
_FIELDS = (b":", b"id:", b"retry:", b"data:", b"event:", b"error:")
_HEARTBEATS = frozenset({b"ping", b"heartbeat", b"keepalive", b"keep-alive", b"keep_alive"})
# The names of events that end a stream.
_ENDS = frozenset({
    b"done", b"[done]", b"end", b"complete", b"completed", b"finish", b"finished", b"eos",
    b"end_of_stream", b"message_stop", b"message-end",
})  # fmt: skip
DONE = b"[DONE]"


class BrokenStream(Exception):
    """Signals that the upstream sent what is not an event stream."""


class ErrorData(bytes):
    """Holds the data of an event that its server calls an error."""


class EventDecoder:
    """Decodes one response.

    Fields other than `data`, `event` and `error` are ignored.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._data: list[bytes] = []
        self._data_size = 0
        self._name = b""
        self._is_error = False
        self._unframed: list[bytes] = []
        self._unframed_size = 0
        self._started = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Returns the data of the events that `chunk` completes.

        Raises BrokenStream for an event larger than MAX_EVENT_BYTES.
        """
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

    def end(self) -> list[bytes]:
        """Returns the data of a last event that lacks its blank line, once the body has ended."""
        return self.feed(b"\n\n\n")

    @property
    def in_line(self) -> bool:
        """Returns whether a line has begun and not ended.

        A large delta takes many reads, and each brings only a part of its line.
        """
        return bool(self._parts)

    @property
    def unframed(self) -> str:
        """Returns the first 64 kB of what was in no event.

        Where the body is no event stream that is all of it.
        """
        return b"\n".join(self._unframed)[:_MAX_UNFRAMED_BYTES].decode(errors="replace")

    def _keep(self, rest: bytes) -> None:
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
            if self._size > MAX_EVENT_BYTES:
                raise BrokenStream("a line without end")

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events: list[bytes] = []
        data = self._data
        for line in lines:
            if line.startswith(b"data:"):
                if data and self._is_event():
                    # Some end their frames with one line end.
                    self._dispatch(events)
                data.append(line[6:] if line[5:6] == b" " else line[5:])
                self._data_size += len(line)
            elif not line:
                if data or self._unframed or self._name in _ENDS:
                    self._dispatch(events)
                self._name, self._is_error = b"", False
            else:
                self._take_other(line, events)
        if self._data_size > MAX_EVENT_BYTES:
            raise BrokenStream("an event without end")
        return events

    def _is_event(self) -> bool:
        """Returns whether the data so far is whole, so that more begins another event."""
        return self._data == [DONE] or _is_json(b"\n".join(self._data))

    def _dispatch(self, events: list[bytes]) -> None:
        """Appends the event that a blank line ends.

        An event without data is dropped (WHATWG).
        """
        data = self._data
        joined = data[0] if len(data) == 1 else b"\n".join(data)
        if not joined.startswith(b"{"):
            joined = _without_wrapping(joined)
        if self._unframed:
            joined = self._with_unframed(joined)
        data.clear()
        self._data_size = 0
        self._append(joined, events)

    def _append(self, data: bytes, events: list[bytes]) -> None:
        is_empty = not data or data.isspace()
        if self._is_error or self._name == b"error":
            if not is_empty:
                events.append(ErrorData(data))
            return
        # Such an event holds a word of no meaning, unless it is JSON.
        has_word = self._name in _HEARTBEATS or self._name in _ENDS
        if not is_empty and not (has_word and not data.lstrip().startswith(b"{")):
            events.append(data)
        if self._name in _ENDS:
            events.append(DONE)

    def _take_other(self, line: bytes, events: list[bytes]) -> None:
        if line.startswith(b"event:"):
            self._name = line[6:].strip().lower()
        elif line.startswith(b"error:"):
            # SGLang, TGI and llama.cpp before 2025 have such a field.
            self._is_error = True
            self._data.append(line[6:].strip())
        elif line.startswith(_FIELDS):
            pass
        elif (field := line.strip()).startswith(b"data:"):
            events += self._events([field])
        elif field == DONE:
            events.append(DONE)
        elif not self._unframed and not self._data and _is_json(line):
            events.append(line)
        else:
            self._keep_unframed(line)

    def _keep_unframed(self, line: bytes) -> None:
        is_json = (self._unframed[0] if self._unframed else line).lstrip()[:1] in (b"{", b"[")
        bound = MAX_EVENT_BYTES if is_json or self._data else _MAX_UNFRAMED_BYTES
        if self._unframed_size + len(line) <= bound:
            self._unframed.append(line)
            self._unframed_size += len(line) + 1

    def _with_unframed(self, data: bytes) -> bytes:
        """Returns JSON that was written over several lines without fields.

        Returns `data` as it is where there is none.
        """
        if data and _is_json(data):
            self._drop_unframed()
            return data
        lines = b"\n".join([*([data] if data else []), *self._unframed])
        if _is_json(lines):
            self._drop_unframed()
            return lines
        return data

    def _drop_unframed(self) -> None:
        self._unframed.clear()
        self._unframed_size = 0


def _without_wrapping(data: bytes) -> bytes:
    """Returns the data without the `data:` that a layer in between has put before it.

    Returns b"" for a comment or a heartbeat that such a layer has wrapped as data.
    """
    data = data.lstrip()
    while data.startswith(b"data:"):
        data = data[5:].lstrip()
    return b"" if data.startswith(b":") or data.strip().lower() in _HEARTBEATS else data


def _is_json(text: bytes) -> bool:
    """Returns whether the text is a whole JSON object or list.

    Text that does not look like JSON is not parsed, which keeps this cheap.
    """
    stripped = text.strip()
    if (stripped[:1], stripped[-1:]) not in ((b"{", b"}"), (b"[", b"]")):
        return False
    try:
        json.loads(stripped, strict=False)
    except (ValueError, RecursionError):
        return False
    return True
