"""Reads how many tokens a call used, as servers of different makes say it. Pure.

Sources: OpenAI's `usage` of chat completions and of responses; Anthropic's, whose input leaves
out what the cache held; Gemini's `usageMetadata`; Bedrock's metrics; Cohere's `tokens`;
llama.cpp's `timings`; Ollama's counts.
"""

from collections.abc import Mapping
from typing import Any

_PROMPT = (
    "prompt_tokens", "input_tokens", "promptTokenCount", "promptTokens", "inputTokens",
    "inputTokenCount", "prompt_eval_count", "prompt_n",
)  # fmt: skip
_COMPLETION = (
    "completion_tokens", "output_tokens", "candidatesTokenCount", "completionTokens",
    "outputTokens", "outputTokenCount", "eval_count", "predicted_n", "generated_tokens",
)  # fmt: skip
_TOTAL = ("total_tokens", "totalTokenCount", "totalTokens")
_CACHED_BESIDE = ("cache_read_input_tokens", "cache_creation_input_tokens")
# No number of tokens has as many digits.
_MAX_DIGITS = 15


def read(usage: object) -> tuple[int | None, int | None]:
    """Returns prompt tokens and completion tokens; None for one that is missing or no count.

    Where a total is more than its parts, the difference is tokens of thinking, which Gemini and xAI
    leave out of the completion. A total below its parts is not believed.
    """
    if not isinstance(usage, Mapping):
        return None, None
    if isinstance(tokens := usage.get("tokens"), Mapping):
        usage = tokens  # Cohere has them beside what it bills
    prompt, completion, total = (_first(usage, names) for names in (_PROMPT, _COMPLETION, _TOTAL))
    if prompt is not None and "prompt_tokens" not in usage:
        prompt += sum(_count(usage.get(name)) or 0 for name in _CACHED_BESIDE)
    if total is not None and prompt is not None and total > prompt + (completion or 0):
        completion = total - prompt
    if prompt is None and total is not None and completion is not None and total > completion:
        prompt = total - completion
    return prompt, completion


def later(known: int | None, new: int | None) -> int | None:
    """Returns which of two counts holds; `new` came after `known`.

    A zero does not replace a count: gateways append one.
    """
    return known if new is None or (known and not new) else new


def _first(usage: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    figures = (_count(usage.get(name)) for name in names)
    return next((figure for figure in figures if figure is not None), None)


def _count(value: object) -> int | None:
    """Returns a whole number of at least zero; None for anything else.

    Servers write it as 1000, 1000.0 or "1000".
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and value >= 0 else None
