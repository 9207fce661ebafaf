"""What an upstream may put on the wire: frames of a chat-completions stream, steps of a script.

A script is a list of steps. Bytes are sent in one write of their own, `Gate`
waits for the test, `Http` answers without a stream, and the others end the
connection in some bad way. After the last step the response ends cleanly.
"""

import json
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

# Sends the response's headers and nothing else; without it they go out with the first bytes.
HEADERS = b""
DONE = b"data: [DONE]\n\n"
MODEL = "gpt-4o-mini"


class Gate:
    """Waits in a script until the test opens it; what stands before it has been sent by then."""

    def __init__(self) -> None:
        self.opened: Future[None] = Future()
        self.reached = threading.Event()
        self._lock = threading.Lock()

    def open(self) -> None:
        """Lets the script go on; opening twice is no error."""
        with self._lock:
            if not self.opened.done():
                self.opened.set_result(None)

    def wait_until_reached(self, timeout: float = 10) -> None:
        """Returns when the script waits here; AssertionError after `timeout` seconds."""
        assert self.reached.wait(timeout), f"no script reached the gate within {timeout} s"


@dataclass(frozen=True)
class Http:
    """Answers with a plain HTTP response instead of a stream.

    A `body` that is not bytes is sent as JSON.
    """

    status: int
    body: object = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reset:
    """Closes the connection abruptly: the client sees a TCP reset."""


@dataclass(frozen=True)
class Cut:
    """Closes the connection without the end of the chunked body."""


@dataclass(frozen=True)
class Stall:
    """Sends nothing more until the client leaves."""


@dataclass(frozen=True)
class Pause:
    """Sends nothing for so many seconds: for what must last, where no test waits at a gate."""

    seconds: float


@dataclass(frozen=True)
class Raw:
    """Sends these bytes as they are, `times` times: status line, headers and framing are theirs.

    The script's end closes the connection.
    """

    data: bytes
    times: int = 1


Step = bytes | Raw | Gate | Http | Reset | Cut | Stall | Pause
Script = list[Step]


def frame(payload: object, *, escape: bool = False) -> bytes:
    """Returns one `data:` frame with the payload as JSON.

    `escape` writes everything beyond ASCII as \\uXXXX.
    """
    return (
        b"data: "
        + json.dumps(payload, ensure_ascii=escape, separators=(",", ":")).encode()
        + b"\n\n"
    )


def chunk(
    delta: Mapping[str, object] | None,
    *,
    finish_reason: str | None = None,
    escape: bool = False,
    **fields: object,
) -> bytes:
    """Returns one chat.completion.chunk, with `fields` at its top level.

    `delta=None` leaves `choices` empty.
    """
    choices = (
        []
        if delta is None
        else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]
    )
    return frame(
        {
            "id": "chatcmpl-fake",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": MODEL,
            "choices": choices,
            **fields,
        },
        escape=escape,
    )


def text(*pieces: str, escape: bool = False) -> list[bytes]:
    """One delta for each piece. With `escape` a piece may hold half a surrogate pair."""
    return [chunk({"content": piece}, escape=escape) for piece in pieces]


def role() -> bytes:
    """The first chunk of a real answer: a role and empty content."""
    return chunk({"role": "assistant", "content": "", "refusal": None})


def null_content() -> bytes:
    return chunk({"content": None})


def empty_choices() -> bytes:
    return chunk(None)


def finish(reason: str = "stop") -> bytes:
    """The chunk that says why the answer ended."""
    return chunk({}, finish_reason=reason)


def usage(prompt: int = 11, completion: int = 7) -> bytes:
    """The chunk that `stream_options.include_usage` asks for."""
    return chunk(
        None,
        usage={
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        },
    )


def comment(words: str = "OPENROUTER PROCESSING") -> bytes:
    return f": {words}\n\n".encode()


def error(
    message: str = "The server had an error.", code: str | None = None, kind: str = "server_error"
) -> dict[str, object]:
    """OpenAI's error object: the body of an `Http`, or of a `frame` inside a stream."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def answer(
    *pieces: str, reason: str = "stop", prompt: int = 11, completion: int = 7, escape: bool = False
) -> Script:
    """A whole well-behaved answer in these pieces."""
    return [role(), *text(*pieces, escape=escape), finish(reason), usage(prompt, completion), DONE]


def refused(
    status: int, *, code: str | None = None, kind: str = "server_error", **headers: str
) -> Script:
    """Returns an error before the stream.

    For example `refused(429, retry_after="2")`, `refused(503)`, `refused(400, code="…")`.
    """
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return [Http(status, error(f"Refused with {status}.", code, kind), names)]


def joined(steps: Iterable[Step]) -> bytes:
    """The bytes of steps that are all bytes, to be cut elsewhere than between frames."""
    pieces = []
    for step in steps:
        assert isinstance(step, bytes), f"only bytes can be joined, not {step}"
        pieces.append(step)
    return b"".join(pieces)


def cut_every(size: int, steps: Iterable[Step]) -> Script:
    """Returns the same bytes in writes of `size` bytes.

    Frames, JSON escapes and UTF-8 characters are cut in two.
    """
    data = joined(steps)
    return [data[start : start + size] for start in range(0, len(data), size)]


def with_crlf(steps: Iterable[Step]) -> Script:
    """The same frames with CRLF line ends."""
    return [step.replace(b"\n", b"\r\n") if isinstance(step, bytes) else step for step in steps]
