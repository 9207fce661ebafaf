"""The meanings of finish reasons, of every provider. Pure; imports nothing of the project.

Sources: OpenAI's API reference (stop, length, tool_calls, content_filter), Gemini's FinishReason,
Anthropic's stop reasons, Mistral (model_length, error), DeepSeek (insufficient_system_resource),
Zhipu (sensitive, network_error), Cohere (COMPLETE, ERROR_TOXIC), TGI (eos_token), vLLM and SGLang
(abort).
"""

import re

_MAX_CHARS = 40
_KINDS = {
    "stop": (
        """stop end end_turn eos eos_token stop_sequence stop_token stop_word complete completed
        done         finished finish normal success"""
    ),
    "length": (
        """length max_length max_tokens max_output_tokens max_new_tokens token_limit
        model_length model_context_window_exceeded context_length context_length_exceeded
        truncated         limit size incomplete"""
    ),
    "content_filter": (
        """content_filter content_filtered content_policy safety recitation blocklist
        prohibited_content spii image_safety image_prohibited_content sensitive refusal
        filtered blocked         guardrail guardrails guardrail_intervened error_toxic toxic
        risk moderation         data_inspection_failed language"""
    ),
    "tool_calls": (
        """tool_calls tool_call tool_use function_call malformed_function_call
        unexpected_tool_call"""
    ),
    "error": (
        """error network_error server_error internal_error internal_server_error
        insufficient_system_resource abort aborted timeout timed_out cancel cancelled
        canceled failed         failure unavailable overloaded error_limit engine_error
        upstream_error system_error"""
    ),
}
_KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words.split()}
# Some servers write a null as text.
_NONE = frozenset({"", "null", "none", "nil", "undefined", "unspecified"})

ERROR = "error"
_CUT_SHORT = frozenset({"length", "content_filter", ERROR})


def read(value: object) -> str | None:
    """Returns the finish reason of a chunk, at most 40 printable characters; None for none.

    SGLang once sent an object with a `type`.
    """
    if isinstance(value, dict):
        value = value.get("type") or value.get("reason")
    if not isinstance(value, str):
        return None
    # Databases refuse NUL and lone surrogates.
    reason = "".join(filter(str.isprintable, value)).strip()[:_MAX_CHARS]
    return None if _word(reason) in _NONE else reason


def meaning(reason: str) -> str:
    """Returns OpenAI's word for a finish reason, `error` where the answer failed.

    An unknown reason is returned as it is.
    """
    return _KIND_OF.get(_word(reason), reason)


def later(known: str | None, new: str | None) -> str | None:
    """Returns which of two finish reasons of an answer holds; `new` came after `known`.

    Gateways append a `stop`, which does not undo that an answer was cut short.
    """
    if new is None or (known and meaning(new) == "stop" and meaning(known) in _CUT_SHORT):
        return known
    return new


def _word(reason: str) -> str:
    """Returns one spelling for MAX_TOKENS, maxTokens, max-tokens and FINISH_REASON_MAX_TOKENS."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", reason)
    word = re.sub(r"[\W_]+", "_", spaced).strip("_").lower()
    return word.removeprefix("finish_reason_").removeprefix("stop_reason_")
