"""What is known of a model from its upstream, in sentences for its page in the admin."""

from dataclasses import dataclass
from datetime import UTC, datetime

from chat.formatting import figure
from chat.models import ChatModel
from chat.upstream import last_failures, learned, parameters
from chat.upstream.adaptation import CONTEXT_TOKENS, LEGACY_MAX_TOKENS, MAX_OUTPUT_TOKENS, Lesson
from chat.upstream.failure_report import FailureReport

_LEFT_OUT = {
    parameters.STREAM_OPTIONS: (
        "It does not take stream_options: it is asked without, and what it does not count is"
        " estimated."
    ),
    parameters.STREAM: "It does not stream: an answer comes whole.",
    parameters.OUTPUT_LIMIT: "It takes no limit of output tokens: none is sent.",
    parameters.SYSTEM_ROLE: (
        "It takes no system role: the system prompt is sent at the head of the first prompt."
    ),
}


@dataclass(frozen=True)
class LearnedLine:
    """Holds a sentence about a lesson, and when it was learned."""

    text: str
    at: datetime


def learned_lines(model: ChatModel) -> list[LearnedLine]:
    """Returns the lessons that hold, a sentence each."""
    return [
        LearnedLine(_sentence(lesson, model), datetime.fromisoformat(at))
        for lesson, at in learned.lessons(model)
    ]


def can_adopt(model: ChatModel) -> bool:
    """Returns whether there is a lesson for a field of the form."""
    return any(lesson.name not in _LEFT_OUT for lesson, _ in learned.lessons(model))


@dataclass(frozen=True)
class LastFailure:
    """Holds the last failure of a model, and when it was."""

    report: FailureReport
    at: datetime


def last_failure(model: ChatModel) -> LastFailure | None:
    """Returns the last failure of the model; None where none is known.

    Blocks on Redis.
    """
    report = last_failures.read().get(model.slug)
    return LastFailure(report, datetime.fromtimestamp(report.at, UTC)) if report else None


def _sentence(lesson: Lesson, model: ChatModel) -> str:
    if lesson.name == LEGACY_MAX_TOKENS:
        return f"It wants its limit as {'max_tokens' if lesson.value else 'max_completion_tokens'}."
    if lesson.name == CONTEXT_TOKENS:
        return f"It reads {figure(lesson.value or 0)} tokens, not {figure(model.context_tokens)}."
    if lesson.name == MAX_OUTPUT_TOKENS:
        return (
            f"It says {figure(lesson.value or 0)} tokens at most, not"
            f" {figure(model.max_output_tokens)}."
        )
    return _LEFT_OUT[lesson.name]
