"""The requests that the demo model takes, checked as OpenAI checks them."""

import json
from dataclasses import dataclass
from typing import Any

from chatsite.demo.answer import tokens_of

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_MESSAGE_TOKENS = 4  # what OpenAI counts for the frame of a message, about


class BadRequest(Exception):
    """Signals a request that OpenAI would refuse; `param` names the field."""

    def __init__(self, message: str, param: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.param = param
        self.status = status


@dataclass(frozen=True)
class CompletionRequest:
    """Holds a valid request; `limit` is the most tokens the answer may have."""

    model: str
    prompts: list[str]
    prompt_tokens: int
    limit: int | None
    stream: bool
    include_usage: bool


def read_request(body: bytes) -> CompletionRequest:
    """Returns the request in a body, checked as OpenAI checks it.

    Raises BadRequest.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("We could not parse the JSON body of your request.") from None
    if not isinstance(fields, dict):
        raise BadRequest("The body must be a JSON object.")
    model, stream = fields.get("model"), fields.get("stream") or False
    if not isinstance(model, str) or not model:
        raise BadRequest("you must provide a model parameter")
    if not isinstance(stream, bool):
        raise BadRequest("'stream' must be true or false.", "stream")
    if fields.get("n", 1) not in (1, None):
        raise BadRequest("'n' must be 1: the demo model gives one answer.", "n")
    texts = _texts(fields.get("messages"))
    return CompletionRequest(
        model=model,
        prompts=[text for role, text in texts if role == "user"],
        prompt_tokens=sum(len(tokens_of(text)) + _MESSAGE_TOKENS for _, text in texts),
        limit=_limit(fields),
        stream=stream,
        include_usage=_include_usage(fields.get("stream_options"), stream),
    )


def _texts(messages: Any) -> list[tuple[str, str]]:
    """Returns role and text of each message; raises BadRequest."""
    if not isinstance(messages, list) or not messages:
        raise BadRequest("'messages' must be a list with at least one message.", "messages")
    texts = []
    for position, message in enumerate(messages):
        param = f"messages[{position}]"
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise BadRequest(f"'{param}.role' must be one of {', '.join(_ROLES)}.", f"{param}.role")
        texts.append((message["role"], _text(message.get("content"), f"{param}.content")))
    return texts


def _text(content: Any, param: str) -> str:
    if isinstance(content, list) and all(
        isinstance(part, dict) and isinstance(part.get("text"), str) for part in content
    ):
        return "".join(part["text"] for part in content)
    if not isinstance(content, str):
        raise BadRequest(f"'{param}' must be a string or a list of text parts.", param)
    return content


def _limit(fields: dict[str, Any]) -> int | None:
    """Returns `max_completion_tokens`, or its older name; None where neither is given."""
    given = [
        name for name in ("max_completion_tokens", "max_tokens") if fields.get(name) is not None
    ]
    if len(given) > 1:
        raise BadRequest(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            given[1],
        )
    if not given:
        return None
    limit = fields[given[0]]
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise BadRequest(f"'{given[0]}' must be a whole number of at least 1.", given[0])
    return limit


def _include_usage(options: Any, stream: bool) -> bool:
    if options is None:
        return False
    if not stream:
        raise BadRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
        )
    if not isinstance(options, dict):
        raise BadRequest("'stream_options' must be an object.", "stream_options")
    return options.get("include_usage") is True
