"""Checks a turn against policy, quota and database, and plans what it sends and writes.

Writes nothing itself. Blocks on the database.
"""

from collections.abc import Mapping
from dataclasses import replace
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
from chat.limits.configuration import Configuration
from chat.models import ChatModel, Conversation, Message, Quota
from chat.requester import Requester
from chat.turns import history
from chat.turns.plan import Plan
from chat.turns.request import NewPrompt, Regenerate, Stateless, TurnRequest
from chat.upstream import adaptation, learned
from chat.upstream.attempt import Target

_MAX_FALLBACKS = 3
_PAUSED_RETRY_SECONDS = 30


def plan(requester: Requester, request: TurnRequest) -> Plan:
    """Returns the plan of a turn that policy, quota and database allow.

    Raises the Refusal that applies, with the name of the quota once that is known.
    """
    known = configuration.current()
    if (reason := known.paused(requester)) is not None:
        raise Paused(reason, retry_after=_PAUSED_RETRY_SECONDS)
    quota = _quota(requester, known)
    conversation = _conversation(requester, request, quota)
    parent = parent_of(request, conversation, quota)
    models = _models(request.model, conversation, known.models(quota), quota)
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


def _conversation(requester: Requester, request: TurnRequest, quota: Quota) -> Conversation | None:
    if isinstance(request, Stateless) or request.conversation is None:
        return None
    conversation = (
        Conversation.objects.owned_by(requester)
        .select_related("model")
        .filter(id=request.conversation)
        .first()
    )
    if conversation is None:
        raise NotFound("There is no such conversation, or it is not yours.", quota=quota.name)
    return conversation


def parent_of(
    request: TurnRequest, conversation: Conversation | None, quota: Quota
) -> Message | None:
    """Returns the message that the new one follows.

    For a prompt that is an answer or nothing, for an answer given again its prompt. A Refusal
    that it raises names the quota.
    """
    if isinstance(request, Stateless):
        return None
    if isinstance(request, Regenerate):
        answer = _answer_again(request, conversation, quota)
        _refuse_busy(answer, quota)
        return answer.parent
    parent = _parent_of_prompt(request, conversation, quota)
    _refuse_busy(parent, quota)
    return parent


def _parent_of_prompt(
    request: NewPrompt, conversation: Conversation | None, quota: Quota
) -> Message | None:
    if conversation is None:
        if isinstance(request.parent, UUID):
            raise NotFound("There is no such message in a new conversation.", quota=quota.name)
        return None
    if request.parent is msgspec.UNSET:
        return conversation.messages.answers().order_by("-created").first()
    if request.parent is None:
        return None
    parent = conversation.messages.filter(id=request.parent).first()
    if parent is None:
        raise NotFound("There is no such message in this conversation.", quota=quota.name)
    if parent.role != Message.Role.ASSISTANT:
        raise InvalidRequest(
            "A prompt follows an answer: `parent` names a prompt.", quota=quota.name
        )
    return parent


def _answer_again(request: Regenerate, conversation: Conversation | None, quota: Quota) -> Message:
    answers = Message.objects.answers().filter(conversation=conversation).select_related("parent")
    answer = answers.filter(id=request.regenerate).first()
    if answer is None or answer.parent is None:
        raise NotFound("There is no such answer in this conversation.", quota=quota.name)
    return answer


def _refuse_busy(answer: Message | None, quota: Quota) -> None:
    if answer is not None and answer.status == Message.Status.STREAMING:
        raise ConversationBusy(
            "The answer before is still being written. Wait for its end, or stop it.",
            quota=quota.name,
        )


def _models(
    slug: str | None, conversation: Conversation | None, choice: list[ChatModel], quota: Quota
) -> list[ChatModel]:
    """Returns the model to use and, behind it, its fallbacks.

    All are of the `choice` that the quota leaves.
    """
    allowed = {model.slug: model for model in choice}
    if slug is not None and slug not in allowed:
        raise InvalidRequest(
            "There is no such model, or you may not use it.", limit="model", quota=quota.name
        )
    if not allowed:
        raise InvalidRequest(
            "No model is enabled that you may use.", limit="model", quota=quota.name
        )
    wished = slug or (conversation.model.slug if conversation and conversation.model else None)
    model = (
        allowed.get(wished or "")
        or next((model for model in allowed.values() if model.is_default), None)
        or next(iter(allowed.values()))
    )
    return _with_fallbacks(model, allowed)


def _with_fallbacks(model: ChatModel, allowed: Mapping[str, ChatModel]) -> list[ChatModel]:
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
            quota=quota.name,
        )
    if quota.max_messages is not None and len(texts) > quota.max_messages:
        return TooManyMessages(
            f"There are more than {quota.max_messages:,} messages.",
            limit="max_messages",
            quota=quota.name,
        )
    return None


def _fit_whole_budgets(draft: Plan) -> Plan:
    """Returns the plan with its output clamped to what a whole budget can hold.

    Otherwise the turn would never pass. Raises PromptTooLong where the prompt alone is more.
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
        raise PromptTooLong(
            "The prompt alone is larger than your whole budget.",
            limit="budget",
            quota=draft.quota.name,
        )
    return replace(
        draft,
        targets=[
            replace(target, max_output_tokens=min(target.max_output_tokens, room))
            for target in draft.targets
        ],
    )
