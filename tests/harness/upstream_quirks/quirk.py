"""One thing that a real server puts into a stream: its script, and what the site makes of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.harness import wire
from tests.harness.wire import Script

TEXT = "Hello there."
TEXT_STEPS = wire.text("Hello", " there.")
WHOLE = [wire.role(), *TEXT_STEPS]
GOOD = wire.answer("Hello", " there.")
GOOD_BYTES = wire.joined(GOOD)
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


@dataclass(frozen=True)
class Quirk:
    """A script and how it ends.

    `usage` None: the figures are an estimate; `asks` is how often the upstream is asked.
    """

    provider: str
    script: Script
    text: str = TEXT
    status: str = "complete"
    finish: str | None = "stop"
    code: str = ""
    usage: tuple[int, int] | None = (11, 7)
    asks: int = 1


def with_reason(reason: object, **fields: Any) -> Script:
    """An answer that ends with that finish reason."""
    end = wire.chunk({}, finish_reason=reason, **fields)  # type: ignore[arg-type]
    return [*WHOLE, end, wire.usage(), wire.DONE]


def with_usage(usage: object) -> Script:
    return [*WHOLE, wire.finish(), wire.chunk(None, usage=usage), wire.DONE]


def with_deltas(*deltas: Any) -> Script:
    return [*(wire.chunk(delta) for delta in deltas), wire.finish(), wire.usage(), wire.DONE]


def completion(**message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    return {
        "id": "cmpl",
        "object": "chat.completion",
        "model": wire.MODEL,
        "choices": [choice],
        "usage": USAGE,
    }


def broken(provider: str, *steps: Any) -> Quirk:
    """An answer that says what went wrong with it, behind some text."""
    code = "upstream_unavailable"
    return Quirk(
        provider, [*WHOLE, *steps], status="interrupted", finish=None, code=code, usage=None
    )


def failed(provider: str, *script: Any, code: str = "upstream_unavailable", **fields: Any) -> Quirk:
    """No answer: asked for twice, on a site that tries twice."""
    ends: dict[str, Any] = {"finish": None, "usage": None, "asks": 2, **fields}
    return Quirk(provider, list(script), "", "failed", code=code, **ends)


def between(*steps: bytes) -> Script:
    """An answer with something between its deltas."""
    return [wire.role(), TEXT_STEPS[0], *steps, TEXT_STEPS[1], *wire.answer()[1:]]


def each(change: Callable[[int, bytes], bytes]) -> Script:
    """A good answer with every frame changed."""
    steps = enumerate(wire.answer(TEXT))
    return [change(number, bytes(step)) for number, step in steps]  # type: ignore[arg-type]


def body(text: bytes, kind: str) -> wire.Http:
    return wire.Http(200, text, {"content-type": kind})


def with_choices(*choices: Any, **fields: Any) -> bytes:
    """Returns a chunk with these choices; `fields` are added to the top level."""
    return wire.frame({"object": "chat.completion.chunk", "choices": list(choices), **fields})
