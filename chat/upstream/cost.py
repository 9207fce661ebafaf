"""What all attempts of an answer cost together, and what that leaves of its reservation."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from chat.limits import budgets
from chat.limits.budgets import Prices
from chat.upstream.attempt import Attempt, Target

logger = logging.getLogger("chat.upstream.cost")


@dataclass(frozen=True)
class Reserved:
    """Bounds what a turn may cost, in tokens and USD, however it ends."""

    tokens: int
    usd: Decimal


@dataclass(frozen=True)
class Bill:
    """Holds tokens and USD.

    `estimated`: an upstream that may charge for an attempt did not say how much it used.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    estimated: bool = False

    def __add__(self, other: "Bill") -> "Bill":
        return Bill(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cost_usd + other.cost_usd,
            self.estimated or other.estimated,
        )


@dataclass(frozen=True)
class RunningCost:
    """Holds what a running answer has cost until now.

    `model` is the one that was asked last; "" where that is not known.
    """

    model: str
    bill: Bill


@dataclass(frozen=True)
class LateBudget:
    """Bounds an answer that no budget counted when it began.

    `reserved` is the bound of its row in the ledger; `applies` says whether a budget counts it now.
    """

    reserved: Reserved
    applies: Callable[[], Awaitable[bool]]


class CostMeter:
    """Adds up the costs of one answer.

    `prices` are by the slugs of models. `reserved` is None where no budget applied at the
    beginning; `late` then tells whether one does now.
    """

    def __init__(
        self, prices: dict[str, Prices], reserved: Reserved | None, late: LateBudget | None = None
    ) -> None:
        self._prices = prices
        self._reserved = reserved
        self._late = late

    async def note_late_budget(self) -> None:
        """Applies a budget that was set since the beginning, as an earlier one would apply.

        To be called before each further attempt.
        """
        if self._reserved is None and self._late is not None and await self._late.applies():
            self._reserved = self._late.reserved

    def bill(self, attempts: Sequence[Attempt], text_bytes: int = 0) -> Bill:
        """Returns what the attempts cost, each at the prices of its model.

        An attempt counts if it may have reached the upstream. `text_bytes` is the length of the
        answer in UTF-8; only the last attempt can have given text.
        """
        parts = (
            self._bill_of(attempt, text_bytes if attempt.deltas else 0)
            for attempt in attempts
            if attempt.reached
        )
        return sum(parts, Bill())

    def output_left(
        self, target: Target, messages: list[dict[str, str]], attempts: Sequence[Attempt]
    ) -> int:
        """Returns the most output tokens that `target` may be asked for.

        With what was spent before, they keep within the reservation.
        """
        spent = self.bill(attempts)
        if self._reserved is None or not (spent.prompt_tokens or spent.completion_tokens):
            return target.max_output_tokens
        prices, prompt = self._prices[target.slug], budgets.max_prompt_tokens(messages)
        tokens = self._reserved.tokens - spent.prompt_tokens - spent.completion_tokens - prompt
        return min(
            target.max_output_tokens,
            tokens,
            prices.affordable(prompt, self._reserved.usd - spent.cost_usd, tokens),
        )

    def _bill_of(self, attempt: Attempt, text_bytes: int) -> Bill:
        prompt, output = _believed(attempt, text_bytes)
        estimated = prompt is None or output is None
        if prompt is None:
            prompt = budgets.estimate_prompt(attempt.messages)
        if output is None:
            output = budgets.estimate_completion(
                text_bytes + attempt.reasoning_chars, attempt.deltas + attempt.reasoning_deltas
            )
        return Bill(
            prompt, output, self._prices[attempt.target.slug].cost(prompt, output), estimated
        )


def _believed(attempt: Attempt, text_bytes: int) -> tuple[int | None, int | None]:
    """Returns the upstream's own token counts as far as they can be true.

    No model reads or writes more than fits into it. A false count would take a person's whole
    budget, or the site's; and some servers say 0 of everything.
    """
    context = attempt.target.context_tokens
    max_prompt = max(context, budgets.max_prompt_tokens(attempt.messages))
    max_output = max(context, attempt.target.max_output_tokens) + text_bytes
    min_output = 1 if text_bytes else 0
    return _within(attempt.prompt_tokens, 1, max_prompt), _within(
        attempt.completion_tokens, min_output, max_output
    )


def _within(figure: int | None, minimum: int, maximum: int) -> int | None:
    return figure if figure is not None and minimum <= figure <= maximum else None


def alarm_if_overrun(answer: object, attempts: Sequence[Attempt], bill: Bill) -> None:
    """Logs an error where the upstream sent more than its limit.

    Such tokens were never reserved of any budget. They are recorded in full all the same.
    """
    limit = attempts[-1].target.max_output_tokens if attempts else 0
    if attempts and bill.completion_tokens > limit:
        logger.error(
            "Answer %s overran its limit: %d tokens of %d, from %s",
            answer,
            bill.completion_tokens,
            limit,
            attempts[-1].target.slug,
        )
