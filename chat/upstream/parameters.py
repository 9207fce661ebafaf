"""The parameters that we send for our own sake, in the form that a server takes. Pure."""

from typing import Any

from chat.upstream.attempt import Target

STREAM = "stream"
STREAM_OPTIONS = "stream_options"
OUTPUT_LIMIT = "max_tokens"
SYSTEM_ROLE = "system_role"

Messages = list[dict[str, str]]


def of(target: Target) -> dict[str, Any]:
    """Returns the parameters beside model and messages, as this target takes them."""
    sent: dict[str, Any] = {}
    if OUTPUT_LIMIT not in target.left_out:
        sent["max_tokens" if target.legacy_max_tokens else "max_completion_tokens"] = (
            target.max_output_tokens
        )
    if STREAM not in target.left_out:
        sent["stream"] = True
        if STREAM_OPTIONS not in target.left_out:
            sent["stream_options"] = {"include_usage": True}
    return sent


def messages_for(target: Target, messages: Messages) -> Messages:
    """Returns the messages as this target takes them.

    Where it takes no system role, that text goes to the head of the first prompt.
    """
    if SYSTEM_ROLE not in target.left_out or not messages or messages[0]["role"] != "system":
        return messages
    system, rest = messages[0], messages[1:]
    if not rest or rest[0]["role"] != "user":
        return [{"role": "user", "content": system["content"]}, *rest]
    return [{"role": "user", "content": f"{system['content']}\n\n{rest[0]['content']}"}, *rest[1:]]
