"""What a person is told about how an answer ended: the note under it, `note` in `done`.

Pure.
"""

from chat.errors import AnswerError, sentence

_COMPLETE = {"", "stop"}
_REASONS = {
    "stopped": "You stopped this answer.",
    "abandoned": "This answer was stopped, because nobody was connected to read it.",
    "length": "The answer has reached its length limit.",
    "content_filter": "The provider's content filter has cut this answer short.",
    "tool_calls": "The model asked for a tool, which this site does not have.",
}
# For an answer without text, in place of the reasons above.
_SAID_NOTHING = {
    "": "The model said nothing.",
    "length": "The model said nothing: it reached its length limit before its first word.",
    "content_filter": "The model said nothing: the provider's content filter held its answer back.",
    "tool_calls": "The model said nothing: it asked for a tool, which this site does not have.",
}
_STATUSES = {"interrupted": "This answer broke off.", "failed": "No answer came."}
_TRIMMED = (
    "The oldest messages were left out: the conversation is longer than what can be sent at once."
)


def ending_note(
    status: str, finish_reason: str, *, has_text: bool, error: AnswerError | None, trimmed: int
) -> str:
    """Returns the sentences about an answer's end, "" where there is nothing to say.

    `trimmed` is how many of the oldest messages were left out.
    """
    told = sentence(error.code, error.reason) if error else ""
    parts = (_ended(status, finish_reason, has_text), told, _TRIMMED if trimmed else "")
    return " ".join(filter(None, parts))


def _ended(status: str, finish_reason: str, has_text: bool) -> str:
    if status in _STATUSES:
        return _STATUSES[status]
    if status == "complete" and not has_text:
        return _SAID_NOTHING.get(finish_reason, _SAID_NOTHING[""])
    if status == "complete" and finish_reason not in _COMPLETE | _REASONS.keys():
        return f"The model ended its answer with “{finish_reason}”."
    return _REASONS.get(finish_reason, "")
