"""One refusal of a provider: what it sends, and what the site must make of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.harness import wire


@dataclass(frozen=True)
class ProviderRefusal:
    """Holds a refusal and what the site must make of it (`means`).

    `limit` is what it names in tokens, `wait` in seconds.
    """

    provider: str
    status: int
    body: object
    means: str
    limit: int | None = None
    wait: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def script(self) -> wire.Script:
        return [wire.Http(self.status, self.body, self.headers)]


TOO_LONG = "too long"  # by its prompt
OUTPUT = "output"  # the answer's limit is too large
WHOLE = "whole"  # prompt and limit together: a short prompt must be answered
NO_CREDIT = "no credit"
FILTER = "filter"
BUSY = "busy"
PARAMETER = "parameter"
SYSTEM = "system role"
KEY = "key"
FORBIDDEN = "forbidden"
UNKNOWN_MODEL = "unknown model"


def openai(
    message: str, code: object = None, kind: str | None = "invalid_request_error", **more: object
) -> dict[str, object]:
    """OpenAI's shape, which most others borrow."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code, **more}}


def gemini(code: int, message: str, status: str, *details: object) -> dict[str, object]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def anthropic(kind: str, message: str) -> dict[str, object]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011"}


def vllm(message: str, kind: str = "BadRequestError") -> dict[str, object]:
    return {"object": "error", "message": message, "type": kind, "param": None, "code": 400}
