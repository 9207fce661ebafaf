"""Defines what a generation is given to begin with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from chat.limits.budgets import Prices
from chat.limits.leases import Lease
from chat.upstream.attempt import Target
from chat.upstream.cost import Reserved


class AnswerPlan(Protocol):
    """Has what a generation must know of a planned turn (`chat.turns.plan.Plan`)."""

    @property
    def answer(self) -> UUID: ...
    @property
    def targets(self) -> Sequence[Target]: ...
    @property
    def messages(self) -> list[dict[str, str]]: ...

    @property
    def person(self) -> int | None:
        """Returns the account that asks; None for a guest."""

    @property
    def stored(self) -> bool:
        """Tells whether the answer is kept."""

    @property
    def prices(self) -> dict[str, Prices]:
        """Returns the prices by the models' slugs."""

    @property
    def trimmed(self) -> int:
        """Counts the messages that were left out of `messages`."""

    @property
    def reserved(self) -> Reserved | None:
        """Returns what is reserved; None where no budget applies."""

    @property
    def bound(self) -> Reserved:
        """Returns what would be reserved if a budget applied."""

    def is_budgeted(self) -> bool:
        """Tells whether a budget applies now.

        Blocks on Redis, and seldom on the database, whose errors it raises.
        """


@dataclass(frozen=True)
class Job:
    """Holds what a generation begins with; `start` is the payload of the event of that name."""

    plan: AnswerPlan
    lease: Lease
    start: dict[str, Any]
