"""Encodes server-sent events: from an event to the bytes on the wire.

Every frame is valid under the grammar of the WHATWG event stream
(https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream):
payloads are JSON on one line, so no newline of a text can end a frame.
Imports nothing of the project.
"""

from typing import Any

import msgspec

PING = b": ping\n\n"
END = b"data: [DONE]\n\n"

# The size of an encrypted frame gives away the length of the text in it, token
# by token ("Whisper Leak", arXiv 2511.03675): a delta is padded to a multiple
# of this many bytes.
PAD_BYTES = 64
_PADDING = b"0" * PAD_BYTES
_PAD_FIELD = len(b',"pad":""')

_encode = msgspec.json.Encoder().encode


def event(name: str, data: dict[str, Any], cursor: int | None = None) -> bytes:
    """Returns a frame of the event `name` with `data` as JSON; with a cursor, its `id`."""
    if cursor is None:
        return b"event: %s\ndata: %s\n\n" % (name.encode(), _encode(data))
    return b"event: %s\nid: %d\ndata: %s\n\n" % (name.encode(), cursor, _encode(data))


def delta(text: str, cursor: int) -> bytes:
    """Returns the frame of a piece of an answer; `cursor` is the byte position after it.

    Its size is a multiple of PAD_BYTES.
    """
    frame = b'event: delta\nid: %d\ndata: {"text":%s' % (cursor, _encode(text))
    size = len(frame) + _PAD_FIELD + len(b"}\n\n")
    return b'%s,"pad":"%s"}\n\n' % (frame, _PADDING[: -size % PAD_BYTES])
