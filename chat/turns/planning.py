"""What a turn will send and write, once it is checked against policy, quota and database. Writes nothing itself.

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
    CONTENT_FILTER,
    CONTEXT_LENGTH,
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
from chat.limits.admission import AdmissionRequest, has_budget, record_in_shadow
from chat.limits.configuration import Configuration
from chat.models import ChatModel, Conversation, Message, Quota, SitePolicy
from chat.requester import Requester
from chat.turns.request import Again, Stateless, Stored, TurnRequest
from chat.upstream import adaptation, learned, trimming
from chat.upstream.attempt import Target
from chat.upstream.cost import Reserved

_MOST_FALLBACKS = 3
_PROMPT_REFUSED = frozenset({CONTEXT_LENGTH, CONTENT_FILTER})
_PAUSED_RETRY_SECONDS = 30


@dataclass(frozen=True)
class Plan:
    """A turn that has passed validation: what it will send upstream, and what it will write. Nothing is written yet.

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
    # Of its budgets; taken once, so that a turn at midnight is reserved and written in one and the same day.
    day: date
    trimmed: int = 0

    @property
    def prices(self) -> dict[str, budgets.Prices]:
        return {model.slug: budgets.Prices(model.input_usd_per_million, model.output_usd_per_million) for model in self.models}

    @property
    def max_cost_usd(self) -> Decimal:
        """The most the turn can cost, on whichever of its models."""
        return max(self.prices[target.slug].cost(self.prompt_tokens, target.max_output_tokens) for target in self.targets)

    @property
    def output_tokens(self) -> int:
        return max(target.max_output_tokens for target in self.targets)

    @property
    def reserved(self) -> Reserved | None:
        """What its attempts may cost together; None where no budget counts it."""
        return self.bound if has_budget(self.quota.enforced) or has_budget(self.policy) else None

    @property
    def bound(self) -> Reserved:
        """The most that the turn can cost, as its row in the ledger has it while it runs."""
        return Reserved(self.prompt_tokens + self.output_tokens, self.max_cost_usd)

    def admission_request(self) -> AdmissionRequest:
        """What admission must know."""
        tokens = self.prompt_tokens + self.output_tokens
        return AdmissionRequest(
            str(self.answer), self.requester, self.quota, self.policy, tokens, budgets.micro_usd(self.max_cost_usd), self.day
        )


# --- Validation ---------------------------------------------------------------


def plan(requester: Requester, request: TurnRequest) -> Plan:
    """Checks the turn against the policy, the quota and the database; raises the Refusal that applies. Writes nothing."""
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
    messages, trimmed = _messages(request, models[0], conversation, parent, limits)
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
        raise Forbidden("The quota that applies to you allows no turns. Ask whoever runs this site.")
    if effective.quota is None:
        if requester.user_id is None:
            raise NotSignedIn("Sign in to chat.")
        raise Forbidden("No quota applies to you. Ask whoever runs this site.")
    return effective.quota


def _conversation(requester: Requester, request: Stored | Again) -> Conversation | None:
    if request.conversation is None:
        return None
    conversation = Conversation.objects.of(requester).select_related("model").filter(id=request.conversation).first()
    if conversation is None:
        raise NotFound("There is no such conversation, or it is not yours.")
    return conversation


def parent_of(request: TurnRequest, conversation: Conversation | None) -> Message | None:
    """The message that the new one follows: for a prompt an answer or nothing, for an answer given again its prompt."""
    if isinstance(request, Stateless):
        return None
    if isinstance(request, Again):
        return _prompt_of(request, conversation)
    if conversation is None:
        if isinstance(request.parent, UUID):
            raise NotFound("There is no such message in a new conversation.")
        return None
    if request.parent is msgspec.UNSET:
        parent = conversation.messages.filter(role=Message.Role.ASSISTANT).order_by("-created").first()
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


def _prompt_of(request: Again, conversation: Conversation | None) -> Message:
    answers = Message.objects.filter(conversation=conversation, role=Message.Role.ASSISTANT).select_related("parent")
    answer = answers.filter(id=request.regenerate).first()
    if answer is None or answer.parent is None:
        raise NotFound("There is no such answer in this conversation.")
    _refuse_busy(answer)
    return answer.parent


def _refuse_busy(answer: Message | None) -> None:
    if answer is not None and answer.status == Message.Status.STREAMING:
        raise ConversationBusy("The answer before is still being written. Wait for its end, or stop it.", retry_after=None)


def _models(slug: str | None, conversation: Conversation | None, choice: list[ChatModel]) -> list[ChatModel]:
    """The model to use and, behind it, its fallbacks; all of the `choice` that the quota leaves."""
    allowed = {model.slug: model for model in choice}
    if slug is not None and slug not in allowed:
        raise InvalidRequest("There is no such model, or you may not use it.", limit="model")
    if not allowed:
        raise InvalidRequest("No model is enabled that you may use.", limit="model")
    wished = slug or (conversation.model.slug if conversation and conversation.model else None)
    model = (
        allowed.get(wished or "") or next((model for model in allowed.values() if model.is_default), None) or next(iter(allowed.values()))
    )
    chain = [model]
    while model.fallback and model.fallback.slug in allowed and len(chain) <= _MOST_FALLBACKS:
        model = allowed[model.fallback.slug]
        if model in chain:
            break
        chain.append(model)
    return chain


def _target(model: ChatModel, quota: Quota, prompt_tokens: int) -> Target:
    known = learned.applied(model)
    # Servers refuse a limit that does not fit beside the prompt.
    beside = max(adaptation.beside(known.context_tokens, prompt_tokens), known.context_tokens // 2, 1)
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
        if isinstance(request, Stored)
        else [m.content for m in request.messages]
        if isinstance(request, Stateless)
        else []
    )
    if quota.max_prompt_chars is not None and sum(map(len, texts)) > quota.max_prompt_chars:
        return PromptTooLong(f"The prompt is longer than {quota.max_prompt_chars:,} characters.", limit="max_prompt_chars")
    if quota.max_messages is not None and len(texts) > quota.max_messages:
        return TooManyMessages(f"There are more than {quota.max_messages:,} messages.", limit="max_messages")
    return None


def _fit_whole_budgets(draft: Plan) -> Plan:
    """A turn larger than a whole budget would never pass: its output is clamped to what the budget can hold, or it is too long."""
    room = draft.output_tokens
    for budget in (draft.quota.enforced, draft.policy):
        if budget.tokens_per_day is not None:
            room = min(room, budget.tokens_per_day - draft.prompt_tokens)
        if budget.spend_per_month_usd is not None:
            room = min(prices.affordable(draft.prompt_tokens, budget.spend_per_month_usd, room) for prices in draft.prices.values())
    if room < 1:
        raise PromptTooLong("The prompt alone is larger than your whole budget.", limit="budget")
    return replace(draft, targets=[replace(target, max_output_tokens=min(target.max_output_tokens, room)) for target in draft.targets])


def is_budgeted(requester: Requester) -> bool:
    """Whether a budget counts what the requester spends, as things are now. Blocks on Redis and the database."""
    known = configuration.current()
    quota = known.effective_quota(requester).quota
    return has_budget(known.policy()) or (quota is not None and has_budget(quota.enforced))


# --- What is sent upstream ------------------------------------------------------


def _messages(
    request: TurnRequest, model: ChatModel, conversation: Conversation | None, parent: Message | None, quota: Quota
) -> tuple[list[dict[str, str]], int]:
    """What is sent, and how many of the oldest messages are left out of it. What a program sends itself is sent whole."""
    if isinstance(request, Stateless):
        return [*_system(model, None), *({"role": message.role, "content": message.content} for message in request.messages)], 0
    turns = _path(conversation, parent)
    if isinstance(request, Stored):
        turns.append({"role": "user", "content": request.content})
    system = _system(model, conversation)
    known = learned.applied(model)
    room = trimming.prompt_tokens_available(known.context_tokens, known.max_output_tokens) - budgets.estimate_prompt(system)
    kept = trimming.newest(turns, room, quota.max_messages)
    return [*system, *kept], len(turns) - len(kept)


def _system(model: ChatModel, conversation: Conversation | None) -> list[dict[str, str]]:
    text = "\n\n".join(filter(None, (model.system_prompt, conversation.system_prompt if conversation else "")))
    return [{"role": "system", "content": text}] if text else []


def _path(conversation: Conversation | None, last: Message | None) -> list[dict[str, str]]:
    """The branch that ends in `last`, oldest first; without answers that have no text, and prompts that were refused for themselves.

    A prompt that merely got no answer stays: what follows may refer to it.
    """
    if conversation is None or last is None:
        return []
    fields = ("id", "parent", "role", "content", "error_reason", "finish_reason")
    by_id = {row[0]: row for row in conversation.messages.values_list(*fields)}
    path: list[dict[str, str]] = []
    row, refused = by_id.get(last.id), False
    while row is not None:
        _, parent, role, content, *reasons = row
        if content and not refused:
            path.append({"role": role, "content": content})
        # Sent again, it would have every later turn of the conversation refused as well.
        refused = not content and not _PROMPT_REFUSED.isdisjoint(reasons)
        row = by_id.get(parent) if parent else None
    return path[::-1]
