"""Checks a turn against policy, quota and database, and says what it will send and write. Writes
nothing itself.

Blocks on the database.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

import msgspec
from django.utils import timezone

from chat.errors import (
    ConversationBusy,
    Forbidden,
    InvalidRequest,
    NotFound,
    NotSignedIn,
    Paused,
    PromptTooLong,
    Refusal,
    TooManyMessages,
)
from chat.limits import budgets, configuration
from chat.limits.admission import record_in_shadow
from chat.limits.admission_request import AdmissionRequest
from chat.limits.configuration import Configuration
from chat.limits.reservations import has_budget
from chat.models import ChatModel, Conversation, Message, Quota, SitePolicy
from chat.requester import Requester
from chat.turns import history
from chat.turns.request import NewPrompt, Regenerate, Stateless, TurnRequest
from chat.upstream import adaptation, learned
from chat.upstream.attempt import Target
from chat.upstream.cost import Reserved

_MAX_FALLBACKS = 3
_PAUSED_RETRY_SECONDS = 30


@dataclass(frozen=True)
class Plan:
    """Holds a turn that has passed validation: what it will send upstream, and what it will write.
    Nothing is written yet.

    `trimmed` is how many of the oldest messages are left out.
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
    # Of its budgets; taken once, so that a turn at midnight is reserved and written in one and the
    # same day.
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
        return max(target.max_output_tokens for target in self.targets)

    @property
    def reserved(self) -> Reserved | None:
        """Returns what its attempts may cost together; None where no budget counts it."""
        return self.bound if has_budget(self.quota.enforced) or has_budget(self.policy) else None

    @property
    def bound(self) -> Reserved:
        """Returns the most that the turn can cost, as its row in the ledger has it while it runs."""
        return Reserved(self.prompt_tokens + self.output_tokens, self.max_cost_usd)

    def is_budgeted(self) -> bool:
        """Tells whether a budget counts what the requester spends, as things are now.

        Blocks on Redis and the database.
        """
        known = configuration.current()
        quota = known.effective_quota(self.requester).quota
        return has_budget(known.policy()) or (quota is not None and has_budget(quota.enforced))

    def admission_request(self) -> AdmissionRequest:
        """Returns what admission must know."""
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


# --- Validation ---------------------------------------------------------------


def plan(requester: Requester, request: TurnRequest) -> Plan:
    """Checks the turn against the policy, the quota and the database; raises the Refusal that
    applies.

    Writes nothing.
    """
    known = configuration.current()
    if (reason := known.paused(requester)) is not None:
        raise Paused(reason, retry_after=_PAUSED_RETRY_SECONDS)
    quota = _quota(requester, known)
    try:
        return _plan(requester, request, known, quota)
    except Refusal as refusal:
        refusal.quota = quota.name
        raise


def _plan(requester: Requester, request: TurnRequest, known: Configuration, quota: Quota) -> Plan:
    conversation = None if isinstance(request, Stateless) else _conversation(requester, request)
    parent = parent_of(request, conversation)
    models = _models(request.model, conversation, known.models(quota))
    _check_sizes(requester, request, quota)
    limits = quota.enforced
    messages, trimmed = history.messages_for(request, models[0], conversation, parent, limits)
    draft = Plan(
        requester=requester,
        request=request,
        answer=uuid4(),
        quota=quota,
        policy=known.policy(),
        models=models,
        targets=[_target(model, limits, budgets.estimate_prompt(messages)) for model in models],
        messages=messages,
        conversation=conversation,
        parent=parent,
        prompt_tokens=budgets.max_prompt_tokens(messages),
        day=timezone.localdate(),
        trimmed=trimmed,
    )
    return _fit_whole_budgets(draft)


def _quota(requester: Requester, known: Configuration) -> Quota:
    effective = known.effective_quota(requester)
    if effective.quota is not None and effective.quota.enforced.allows_nothing:
        raise Forbidden(
            "The quota that applies to you allows no turns. Ask whoever runs this site."
        )
    if effective.quota is None:
        if requester.user_id is None:
            raise NotSignedIn("Sign in to chat.")
        raise Forbidden("No quota applies to you. Ask whoever runs this site.")
    return effective.quota


def _conversation(requester: Requester, request: NewPrompt | Regenerate) -> Conversation | None:
    if request.conversation is None:
        return None
    conversation = (
        Conversation.objects.owned_by(requester)
        .select_related("model")
        .filter(id=request.conversation)
        .first()
    )
    if conversation is None:
        raise NotFound("There is no such conversation, or it is not yours.")
    return conversation


def parent_of(request: TurnRequest, conversation: Conversation | None) -> Message | None:
    """Returns the message that the new one follows: for a prompt an answer or nothing, for an
    answer given again its prompt.
    """
    if isinstance(request, Stateless):
        return None
    if isinstance(request, Regenerate):
        return _prompt_of(request, conversation)
    if conversation is None:
        if isinstance(request.parent, UUID):
            raise NotFound("There is no such message in a new conversation.")
        return None
    if request.parent is msgspec.UNSET:
        parent = conversation.messages.answers().order_by("-created").first()
    elif request.parent is None:
        return None
    else:
        parent = conversation.messages.filter(id=request.parent).first()
        if parent is None:
            raise NotFound("There is no such message in this conversation.")
        if parent.role != Message.Role.ASSISTANT:
            raise InvalidRequest("A prompt follows an answer: `parent` names a prompt.")
    _refuse_busy(parent)
    return parent


def _prompt_of(request: Regenerate, conversation: Conversation | None) -> Message:
    answers = Message.objects.answers().filter(conversation=conversation).select_related("parent")
    answer = answers.filter(id=request.regenerate).first()
    if answer is None or answer.parent is None:
        raise NotFound("There is no such answer in this conversation.")
    _refuse_busy(answer)
    return answer.parent


def _refuse_busy(answer: Message | None) -> None:
    if answer is not None and answer.status == Message.Status.STREAMING:
        raise ConversationBusy(
            "The answer before is still being written. Wait for its end, or stop it.",
            retry_after=None,
        )


def _models(
    slug: str | None, conversation: Conversation | None, choice: list[ChatModel]
) -> list[ChatModel]:
    """Returns the model to use and, behind it, its fallbacks; all of the `choice` that the quota
    leaves.
    """
    allowed = {model.slug: model for model in choice}
    if slug is not None and slug not in allowed:
        raise InvalidRequest("There is no such model, or you may not use it.", limit="model")
    if not allowed:
        raise InvalidRequest("No model is enabled that you may use.", limit="model")
    wished = slug or (conversation.model.slug if conversation and conversation.model else None)
    model = (
        allowed.get(wished or "")
        or next((model for model in allowed.values() if model.is_default), None)
        or next(iter(allowed.values()))
    )
    chain = [model]
    while model.fallback and model.fallback.slug in allowed and len(chain) <= _MAX_FALLBACKS:
        model = allowed[model.fallback.slug]
        if model in chain:
            break
        chain.append(model)
    return chain


def _target(model: ChatModel, quota: Quota, prompt_tokens: int) -> Target:
    known = learned.applied(model)
    # Servers refuse a limit that does not fit beside the prompt.
    beside = max(
        adaptation.beside(known.context_tokens, prompt_tokens), known.context_tokens // 2, 1
    )
    most = min(filter(None, (known.max_output_tokens, quota.max_output_tokens, beside)))
    return Target(model.slug, most, known.context_tokens, known.legacy_max_tokens, known.left_out)


def _check_sizes(requester: Requester, request: TurnRequest, quota: Quota) -> None:
    refusal = _size_refusal(request, quota)
    if refusal is not None and quota.mode == Quota.Mode.SHADOW:
        record_in_shadow(quota, requester, refusal)
    elif refusal is not None:
        raise refusal


def _size_refusal(request: TurnRequest, quota: Quota) -> Refusal | None:
    texts = (
        [request.content]
        if isinstance(request, NewPrompt)
        else [m.content for m in request.messages]
        if isinstance(request, Stateless)
        else []
    )
    if quota.max_prompt_chars is not None and sum(map(len, texts)) > quota.max_prompt_chars:
        return PromptTooLong(
            f"The prompt is longer than {quota.max_prompt_chars:,} characters.",
            limit="max_prompt_chars",
        )
    if quota.max_messages is not None and len(texts) > quota.max_messages:
        return TooManyMessages(
            f"There are more than {quota.max_messages:,} messages.", limit="max_messages"
        )
    return None


def _fit_whole_budgets(draft: Plan) -> Plan:
    """Clamps the output to what a whole budget can hold, or the turn would never pass.

    Raises PromptTooLong where the prompt alone is more.
    """
    room = draft.output_tokens
    for budget in (draft.quota.enforced, draft.policy):
        if budget.tokens_per_day is not None:
            room = min(room, budget.tokens_per_day - draft.prompt_tokens)
        if budget.spend_per_month_usd is not None:
            room = min(
                prices.affordable(draft.prompt_tokens, budget.spend_per_month_usd, room)
                for prices in draft.prices.values()
            )
    if room < 1:
        raise PromptTooLong("The prompt alone is larger than your whole budget.", limit="budget")
    return replace(
        draft,
        targets=[
            replace(target, max_output_tokens=min(target.max_output_tokens, room))
            for target in draft.targets
        ],
    )
