"""What is asked differently after a refusal that says what was wrong. Pure.

Such an attempt costs nothing, since the one before was refused. Each kind of change is made once
for a model, so that an upstream that refuses everything is not asked for ever.
"""

from dataclasses import dataclass, replace
from math import ceil

from chat.limits import budgets
from chat.upstream import parameters, trimming
from chat.upstream.attempt import Attempt, Target
from chat.upstream.refusal import Kind, Refusal

# Asked for where the upstream does not name its limit: nearly every model can give as much.
_COMMON_OUTPUT_TOKENS = 4096
# A server's chat template adds to the messages: about 30 tokens in Llama's, 70 in gpt-oss'.
_TEMPLATE_TOKENS = 256

CONTEXT_TOKENS = "context_tokens"
MAX_OUTPUT_TOKENS = "max_output_tokens"
LEGACY_MAX_TOKENS = "legacy_max_tokens"


@dataclass(frozen=True)
class Lesson:
    """Holds what was learned of a model.

    With a `value` it is one for the field `name` of the model's row; without, `name` is a parameter
    that the model does not take.
    """

    name: str
    value: int | bool | None = None


@dataclass(frozen=True)
class Change:
    """Holds how the next attempt differs, and the lesson to keep if it succeeds."""

    target: Target
    messages: trimming.Messages
    lesson: Lesson | None = None


def beside(context_tokens: int, prompt_tokens: int) -> int:
    """Returns the most output tokens to ask for beside a prompt of estimated size.

    The estimate counts twice. The template's tokens are not subtracted from a context so small that
    they would be felt.
    """
    return (
        context_tokens
        - 2 * prompt_tokens
        - (_TEMPLATE_TOKENS if context_tokens >= 16 * _TEMPLATE_TOKENS else 0)
    )


class Adaptation:
    """Makes the changes of one call, each kind once for a model."""

    def __init__(self, *, may_trim: bool) -> None:
        self._may_trim = may_trim
        self._made: set[tuple[str, str]] = set()
        self._halved = False

    def after(
        self, refusal: Refusal, attempt: Attempt, target: Target, messages: trimming.Messages
    ) -> Change | None:
        """Returns the change that may help; None if none is left.

        `attempt` was refused, and was made of `messages`.
        """
        if refusal.kind is Kind.PARAMETER:
            return self._without_parameter(refusal.parameter, target, messages)
        if refusal.kind is Kind.SYSTEM_ROLE:
            has_system = any(message["role"] == "system" for message in messages[:1])
            return self._left_out(parameters.SYSTEM_ROLE, target, messages) if has_system else None
        if refusal.kind is Kind.OUTPUT_LIMIT:
            return self._less_output(refusal.output_tokens, attempt, target, messages)
        if refusal.kind is Kind.TOO_LONG:
            return self._shorter(refusal, attempt, target, messages)
        return None

    def _first_time(self, target: Target, kind: str) -> bool:
        """Returns whether this kind of change is new for the model, and notes it as made."""
        known = (target.slug, kind) in self._made
        self._made.add((target.slug, kind))
        return not known

    def _without_parameter(
        self, name: str, target: Target, messages: trimming.Messages
    ) -> Change | None:
        if name not in ("max_tokens", "max_completion_tokens"):
            return self._left_out(name, target, messages)
        if self._first_time(target, LEGACY_MAX_TOKENS):
            legacy = not target.legacy_max_tokens
            return Change(
                replace(target, legacy_max_tokens=legacy),
                messages,
                Lesson(LEGACY_MAX_TOKENS, legacy),
            )
        return self._left_out(parameters.OUTPUT_LIMIT, target, messages)

    def _left_out(self, name: str, target: Target, messages: trimming.Messages) -> Change | None:
        if name in target.left_out or not self._first_time(target, name):
            return None
        return Change(replace(target, left_out=target.left_out | {name}), messages, Lesson(name))

    def _less_output(
        self, limit: int | None, attempt: Attempt, target: Target, messages: trimming.Messages
    ) -> Change | None:
        asked = attempt.target.max_output_tokens
        told = limit is not None and limit < asked
        less = limit if limit is not None and told else min(_COMMON_OUTPUT_TOKENS, asked // 2)
        if less < 1 or not self._first_time(target, MAX_OUTPUT_TOKENS):
            return None
        # Half of what a budget had left says nothing of the model.
        sure = told or less == _COMMON_OUTPUT_TOKENS
        return Change(
            replace(target, max_output_tokens=less),
            messages,
            Lesson(MAX_OUTPUT_TOKENS, less) if sure else None,
        )

    # --- too long ----------------------------------------------------------

    def _shorter(
        self, refusal: Refusal, attempt: Attempt, target: Target, messages: trimming.Messages
    ) -> Change | None:
        limit = refusal.context_tokens
        if limit is not None and self._first_time(target, CONTEXT_TOKENS):
            # Where only the prompt can be meant, it has at least as many tokens.
            named = refusal.prompt_tokens or (None if refusal.of_both else limit)
            change = self._within(limit, named, attempt, target, messages)
            if change is not None:
                return change
        if self._may_trim and not self._halved:
            self._halved = True
            halved = trimming.halved(messages)
            if len(halved) < len(messages):
                return Change(target, halved)
        if (
            refusal.of_both
            and 2 * budgets.estimate_prompt(messages) < attempt.target.max_output_tokens
        ):
            return self._less_output(None, attempt, target, messages)
        return None

    def _within(
        self,
        limit: int,
        named: int | None,
        attempt: Attempt,
        target: Target,
        messages: trimming.Messages,
    ) -> Change | None:
        """Returns a request that fits the context size that the upstream told, in tokens.

        Returns None where that changes nothing, or nothing fits.
        """
        estimate = max(1, budgets.estimate_prompt(messages))
        # vLLM says "at least 1 token" of a prompt that it has not counted to its end.
        counted = named if named is not None and 2 * named >= estimate else None
        scale = max(1.0, counted / estimate) if counted else 1.0
        kept = messages
        if self._may_trim:
            kept = trimming.fitted(
                messages,
                int(trimming.prompt_tokens_available(limit, target.max_output_tokens) / scale),
            )
        output = _output_beside(kept, limit, counted, estimate)
        asked = attempt.target.max_output_tokens
        if output < 1 or (len(kept) == len(messages) and output >= asked):
            return None
        smaller = replace(
            target,
            context_tokens=min(limit, target.context_tokens),
            max_output_tokens=min(target.max_output_tokens, output),
        )
        lesson = Lesson(CONTEXT_TOKENS, limit) if limit < target.context_tokens else None
        return Change(smaller, kept, lesson)


def _output_beside(kept: trimming.Messages, limit: int, counted: int | None, estimate: int) -> int:
    """Returns the most output tokens that fit beside `kept` into `limit` tokens.

    The upstream counted `counted` tokens, if any, where we had estimated `estimate`.
    """
    prompt_tokens = budgets.estimate_prompt(kept)
    if not counted:
        return beside(limit, prompt_tokens)
    return limit - ceil(prompt_tokens * counted / estimate) - min(_TEMPLATE_TOKENS, limit // 16)
