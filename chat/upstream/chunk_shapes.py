"""Reads chunks in all the shapes that servers give them. Pure; imports nothing of the project.

The hot path (chat.upstream.decoder) reads what OpenAI sends for a delta of text;
everything else comes here, as the JSON that it is.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chat.upstream import usage_figures

# The members of a delta that do not show that the model is at work.
_NO_ACTIVITY = frozenset({
    "role", "content", "text", "refusal", "name", "id", "type", "index", "object", "sender",
    "annotations", "citations", "references", "extra_content",
})  # fmt: skip
_TEXT_PARTS = frozenset({"", "text", "output_text", "input_text", "text_delta", "refusal"})
_ERROR_NAMES = (
    "message",
    "detail",
    "error_msg",
    "errors",
    "error_code",
    "msg",
    "error_message",
    "fault",
    "code",
)
_SUCCESS_WORDS = ("ok", "success", "succeeded", "successful")
_SUCCESS_CODES = (0, 200, "0", "200", "Success", "OK")


class NoChunk(Exception):
    """Signals JSON that is no chunk of an answer."""


@dataclass(slots=True)
class Chunk:
    """Holds what a chunk says.

    `thought` counts the characters of what is not the answer: thinking, calls of tools. `error` is
    the JSON in which the upstream says that something went wrong. `whole`: the chunk is a complete
    answer. `index` is that of the choice that was read, where there are several. `of_message`: the
    text stood in a message, not in a delta.
    """

    text: str = ""
    thought: int = 0
    finish_reason: object = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    error: Any = None
    whole: bool = False
    index: int = 0
    of_message: bool = False


def read(value: Any, *, after_deltas: bool, index: int | None = None) -> Iterator[Chunk]:
    """Yields the chunk that a JSON value is, or those of a list (Gemini sends errors so).

    `after_deltas`: deltas came before it, so a whole message is a repetition of them. `index`: the
    choice that earlier text came from; None reads the lowest one. Raises NoChunk.
    """
    if isinstance(value, Mapping):
        yield _chunk(value, after_deltas, index)
    elif isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
        for part in value:
            yield _chunk(part, after_deltas, index)
    else:
        raise NoChunk


def _chunk(value: Mapping[str, Any], after_deltas: bool, index: int | None) -> Chunk:
    choice = _choice(value.get("choices"), index)
    chunk = _message(choice, after_deltas)
    chunk.index = _index(choice)
    if index not in (None, chunk.index):
        chunk = Chunk(index=chunk.index)
    chunk.whole = chunk.of_message and value.get("object") != "chat.completion.chunk"
    names = ("finish_reason", "finishReason", "stop_reason")
    chunk.finish_reason = next(
        (part[name] for part in (choice, value) for name in names if part.get(name)), None
    )
    figures = [usage_figures.read(usage) for usage in _usages(value, choice)]
    chunk.prompt_tokens, chunk.completion_tokens = next(
        (pair for pair in figures if pair != (None, None)), (None, None)
    )
    chunk.error = _error(value, choice)
    return chunk


def _choice(choices: Any, index: int | None) -> Mapping[str, Any]:
    """Returns the choice with this index if there is one, else the lowest; raises NoChunk."""
    if choices is not None and not isinstance(choices, list):
        raise NoChunk
    given = [choice for choice in choices or () if choice is not None]
    if not all(isinstance(choice, Mapping) for choice in given):
        raise NoChunk
    return min(given, key=lambda choice: (_index(choice) != index, _index(choice)), default={})


def _index(choice: Mapping[str, Any]) -> int:
    index = choice.get("index")
    return index if isinstance(index, int) else 0


def _message(choice: Mapping[str, Any], after_deltas: bool) -> Chunk:
    delta, message = choice.get("delta"), choice.get("message")
    if isinstance(delta, str):
        return Chunk(text=delta)
    if delta:
        return _delta(delta)
    if message and not after_deltas:
        chunk = _delta({"content": message} if isinstance(message, str) else message)
        chunk.of_message = True
        return chunk
    text = choice.get("text")
    return Chunk(text=text if isinstance(text, str) else "")


def _delta(delta: Any) -> Chunk:
    if not isinstance(delta, Mapping):
        raise NoChunk
    text, thought = _content(delta.get("content"))
    for name in ("text", "refusal"):
        text = text or _content(delta.get(name))[0]
    thought += _characters(value for name, value in delta.items() if name not in _NO_ACTIVITY)
    return Chunk(text=text, thought=thought)


def _content(content: Any) -> tuple[str, int]:
    """Returns the text of `content` and the number of characters of thinking in it.

    Raises NoChunk.
    """
    if content is None or isinstance(content, str):
        return content or "", 0
    if isinstance(content, int | float) and not isinstance(content, bool):
        return str(content), 0
    if isinstance(content, Mapping):
        return _part(content)
    if isinstance(content, list):
        parts = [_content(part) for part in content]
        return "".join(text for text, _ in parts), sum(thought for _, thought in parts)
    raise NoChunk


def _part(part: Mapping[str, Any]) -> tuple[str, int]:
    """Reads a part in the shapes of Mistral's magistral, Anthropic and OpenAI's responses."""
    kind = part.get("type") or ""
    if kind not in _TEXT_PARTS:
        return "", _characters(value for name, value in part.items() if name != "type")
    text = next(
        (part[name] for name in ("text", "content", "parts", "refusal") if name in part), None
    )
    return _content(text.get("value") if isinstance(text, Mapping) else text)


def _characters(values: Iterable[Any]) -> int:
    """Counts the characters of all text in JSON: the only measure of thinking there is."""
    total, pending = 0, list(values)
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            total += len(value)
        elif isinstance(value, Mapping):
            pending += value.values()
        elif isinstance(value, list):
            pending += value
    return total


def _usages(value: Mapping[str, Any], choice: Mapping[str, Any]) -> Iterator[Any]:
    """Yields the places of token counts: Moonshot has them in the choice, Groq in `x_groq`."""
    yield value.get("usage")
    yield choice.get("usage")
    groq = value.get("x_groq")
    yield groq.get("usage") if isinstance(groq, Mapping) else None
    yield value.get("usageMetadata")
    yield value.get("usage_metadata")
    yield value.get("timings")
    yield value.get("amazon-bedrock-invocationMetrics")


def _error(value: Mapping[str, Any], choice: Mapping[str, Any]) -> Any:
    if _says_error(value.get("error")):
        return value
    if _says_error(choice.get("error")):
        return choice
    base = value.get("base_resp")
    if isinstance(base, Mapping) and base.get("status_code"):
        return value
    # An error without that word: FastAPI's detail, DashScope's code and message, older vLLM's
    # object.
    says_well = value.get("code") in _SUCCESS_CODES or value.get("success") is True
    if "choices" in value or value.get("usage") or says_well:
        return None
    return value if any(value.get(name) for name in _ERROR_NAMES) else None


def _says_error(error: Any) -> bool:
    """Returns whether the member `error` holds an error.

    new-api sends an empty object there, or one that says `success`.
    """
    if isinstance(error, Mapping):
        message = error.get("message")
        says_well = (
            error.get("code") in _SUCCESS_CODES and str(message or "ok").lower() in _SUCCESS_WORDS
        )
        return any(error.values()) and not says_well
    return bool(error)
