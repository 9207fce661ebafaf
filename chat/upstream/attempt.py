"""One request of the upstream: what is asked, how far it came, and where its text goes."""

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Target:
    """Names a model and how the upstream is asked for it.

    `max_output_tokens` is sent with the request; `context_tokens` is the size of its context.
    """

    slug: str
    max_output_tokens: int
    context_tokens: int
    legacy_max_tokens: bool = False
    # Names of chat.upstream.parameters that this model's server does not take.
    left_out: frozenset[str] = frozenset()


@dataclass(slots=True)
class Attempt:
    """Holds one request, and how far it came.

    `reached`: the upstream may have taken it, and charge for it. Text came in `deltas`;
    `reasoning_deltas` are others: thinking, calls of tools. `chars` counts both. For the log,
    `status` and `request_id` are those of the response, and `fault` says why there is none.
    """

    target: Target
    messages: list[dict[str, str]]
    reached: bool = False
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    deltas: int = 0
    reasoning_deltas: int = 0
    reasoning_chars: int = 0
    chars: int = 0
    status: int | None = None
    request_id: str = ""
    fault: str = ""


class CompletionSink(Protocol):
    """Receives a completion on the event loop, as it comes.

    Implementations inherit from it.
    """

    def on_text(self, text: str) -> None:
        """Receives a piece of text: never empty, without NUL or surrogates."""

    def on_status(self, payload: dict[str, Any]) -> None:
        """Receives the payload of a `status` event (docs/protocol.md)."""
