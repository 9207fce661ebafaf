"""Holds a turn that was checked: what it sends upstream, and what it writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from chat.limits import budgets, configuration
from chat.limits.admission_request import AdmissionRequest
from chat.limits.reservations import has_budget
from chat.models import ChatModel, Conversation, Message, Quota, SitePolicy
from chat.requester import Requester
from chat.turns.request import Stateless, TurnRequest
from chat.upstream.attempt import Target
from chat.upstream.cost import Reserved


@dataclass(frozen=True)
class Plan:
    """Holds a turn that passed validation, of which nothing is written yet.

    `trimmed` counts the oldest messages that are left out of `messages`.
    """

    requester: Requester
    request: TurnRequest
    answer: UUID
    quota: Quota
    policy: SitePolicy
    models: Sequence[ChatModel]
    targets: Sequence[Target]
    messages: list[dict[str, str]]
    conversation: Conversation | None
    parent: Message | None
    prompt_tokens: int
    # Whose budgets it draws on; taken once, so that a turn at midnight is reserved and written
    # on one and the same day.
    day: date
    trimmed: int = 0

    @property
    def person(self) -> int | None:
        """Returns the id of the account that asks; None for a guest."""
        return self.requester.user_id

    @property
    def stored(self) -> bool:
        """Tells whether prompt and answer are kept."""
        return not isinstance(self.request, Stateless)

    @property
    def prices(self) -> dict[str, budgets.Prices]:
        """Returns the prices by the models' slugs."""
        return {
            model.slug: budgets.Prices(model.input_usd_per_million, model.output_usd_per_million)
            for model in self.models
        }

    @property
    def max_cost_usd(self) -> Decimal:
        """Returns the most that the turn can cost, on the dearest of its models."""
        return max(
            self.prices[target.slug].cost(self.prompt_tokens, target.max_output_tokens)
            for target in self.targets
        )

    @property
    def output_tokens(self) -> int:
        """Returns the most output tokens that any of its models may give."""
        return max(target.max_output_tokens for target in self.targets)

    @property
    def reserved(self) -> Reserved | None:
        """Returns what its attempts may cost together; None where no budget counts it."""
        return self.bound if has_budget(self.quota.enforced) or has_budget(self.policy) else None

    @property
    def bound(self) -> Reserved:
        """Returns the most that the turn can cost: its ledger row holds that while it runs."""
        return Reserved(self.prompt_tokens + self.output_tokens, self.max_cost_usd)

    def is_budgeted(self) -> bool:
        """Tells whether a budget counts, as things are now, what the requester spends.

        Blocks on Redis and the database.
        """
        known = configuration.current()
        quota = known.effective_quota(self.requester).quota
        return has_budget(known.policy()) or (quota is not None and has_budget(quota.enforced))

    def admission_request(self) -> AdmissionRequest:
        """Returns what the gates are asked for: tokens, millionths of a USD, and the day."""
        tokens = self.prompt_tokens + self.output_tokens
        return AdmissionRequest(
            str(self.answer),
            self.requester,
            self.quota,
            self.policy,
            tokens,
            budgets.micro_usd(self.max_cost_usd),
            self.day,
        )
