"""What a turn writes to the database: start, regenerate, edit (a branch). All functions block on the database."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec
from django.db import IntegrityError, transaction
from django.utils import timezone

from chat import configuration
from chat.completions import Target
from chat.configuration import Configuration
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
    TurnConflict,
)
from chat.generation import Job
from chat.limits import budgets
from chat.limits.admission import Admission, Ask, check_ledger, record_in_shadow
from chat.models import ChatModel, Conversation, Message, Quota, Requester, SitePolicy, Usage
from chat.turn_request import Again, Stateless, Stored, TurnRequest, digest

_TITLE_CHARS = 60
_MOST_FALLBACKS = 3
_PAUSED_RETRY_SECONDS = 30


@dataclass(frozen=True)
class Plan:
    """A turn that has passed validation: what it will send upstream, and what it will write. Nothing is written yet."""

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

    @property
    def prices(self) -> dict[str, budgets.Prices]:
        return {model.slug: budgets.Prices(model.input_usd_per_million, model.output_usd_per_million) for model in self.models}

    @property
    def bound_usd(self) -> Decimal:
        """The most the turn can cost, on whichever of its models."""
        return max(self.prices[target.slug].cost(self.prompt_tokens, target.max_output_tokens) for target in self.targets)

    @property
    def output_tokens(self) -> int:
        return max(target.max_output_tokens for target in self.targets)

    def ask(self) -> Ask:
        """What admission must know."""
        tokens = self.prompt_tokens + self.output_tokens
        return Ask(str(self.answer), self.requester, self.quota, self.policy, tokens, budgets.micros(self.bound_usd))


@dataclass(frozen=True)
class Follow:
    """An answer there is already: the `start` payload, the worker that runs it, and the message."""

    message: Message
    start: dict[str, Any]
    owner: str


# --- An answer there is already ---------------------------------------------


def follow(requester: Requester, answer_id: UUID) -> Follow:
    """The requester's own answer to read. Raises NotFound for what is not there, not theirs, or not an answer."""
    message = Message.objects.of(requester).filter(id=answer_id, role=Message.Role.ASSISTANT).select_related("conversation").first()
    if message is None:
        raise NotFound("There is no such answer, or it is not yours.")
    return _follow(message)


def find_turn(requester: Requester, request: TurnRequest) -> Follow | None:
    """The answer that the same turn began earlier, if any. Raises TurnConflict when it had another body."""
    if isinstance(request, Stateless) or request.turn is None:
        return None
    known = Message.objects.filter(turn_owner=requester.owner_key, turn=request.turn).select_related("conversation").first()
    if known is None:
        return None
    if known.turn_digest != digest(request):
        raise TurnConflict("This turn was sent before with another body.")
    return _follow(known)


def _follow(message: Message) -> Follow:
    owner = Usage.objects.filter(answer=message.id).values_list("worker", flat=True).first() or ""
    return Follow(message, _start_payload(message.conversation, message.parent_id, message.id, message.model), owner)


def _start_payload(conversation: Conversation, prompt: UUID | None, answer: UUID, model: str) -> dict[str, Any]:
    return {"conversation": conversation.id, "message": prompt, "answer": answer, "model": model, "title": conversation.title}


# --- Validation ---------------------------------------------------------------


def plan(requester: Requester, request: TurnRequest) -> Plan:
    """Checks the turn against the policy, the quota and the database; raises the Refusal that applies. Writes nothing."""
    known = configuration.current()
    policy = known.policy()
    if policy.paused:
        raise Paused(policy.notice or "The site is paused. Try again later.", retry_after=_PAUSED_RETRY_SECONDS)
    quota = _quota(requester, known)
    conversation = None if isinstance(request, Stateless) else _conversation(requester, request)
    parent = _parent(request, conversation)
    models = _models(request.model, conversation, known.models(quota))
    _check_sizes(requester, request, quota)
    limits = quota.enforced
    messages = _messages(request, models[0], conversation, parent, limits)
    draft = Plan(
        requester=requester,
        request=request,
        answer=uuid4(),
        quota=quota,
        policy=policy,
        models=models,
        targets=[_target(model, limits) for model in models],
        messages=messages,
        conversation=conversation,
        parent=parent,
        prompt_tokens=budgets.prompt_bound(messages),
    )
    return _fit_whole_budgets(draft)


def _quota(requester: Requester, known: Configuration) -> Quota:
    quota = known.quota(requester)
    if quota is None:
        if requester.user_id is None:
            raise NotSignedIn("Sign in to chat.")
        raise Forbidden("No quota applies to you. Ask whoever runs this site.")
    return quota


def _conversation(requester: Requester, request: Stored | Again) -> Conversation | None:
    if request.conversation is None:
        return None
    conversation = Conversation.objects.of(requester).select_related("model").filter(id=request.conversation).first()
    if conversation is None:
        raise NotFound("There is no such conversation, or it is not yours.")
    return conversation


def _parent(request: TurnRequest, conversation: Conversation | None) -> Message | None:
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


def _target(model: ChatModel, quota: Quota) -> Target:
    most = min(filter(None, (model.max_output_tokens, quota.max_output_tokens, model.context_tokens)))
    return Target(model.slug, most, model.legacy_max_tokens)


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
            room = min(
                room, *(_affordable(prices, draft.prompt_tokens, budget.spend_per_month_usd, room) for prices in draft.prices.values())
            )
    if room < 1:
        raise PromptTooLong("The prompt alone is larger than your whole budget.", limit="budget")
    return replace(draft, targets=[replace(target, max_output_tokens=min(target.max_output_tokens, room)) for target in draft.targets])


def _affordable(prices: budgets.Prices, prompt_tokens: int, budget_usd: Decimal, room: int) -> int:
    """The most output tokens that the whole budget could pay for beside the prompt."""
    left = budget_usd - prices.cost(prompt_tokens, 0)
    if left < 0 or not prices.output:
        return room if left >= 0 else 0
    return int(left * 1_000_000 / prices.output)


# --- What is sent upstream ------------------------------------------------------


def _messages(
    request: TurnRequest, model: ChatModel, conversation: Conversation | None, parent: Message | None, quota: Quota
) -> list[dict[str, str]]:
    if isinstance(request, Stateless):
        return [*_system(model, None), *({"role": message.role, "content": message.content} for message in request.messages)]
    turns = _path(conversation, parent)
    if isinstance(request, Stored):
        turns.append({"role": "user", "content": request.content})
    return [*_system(model, conversation), *_newest(turns, model, quota)]


def _system(model: ChatModel, conversation: Conversation | None) -> list[dict[str, str]]:
    text = "\n\n".join(filter(None, (model.system_prompt, conversation.system_prompt if conversation else "")))
    return [{"role": "system", "content": text}] if text else []


def _path(conversation: Conversation | None, last: Message | None) -> list[dict[str, str]]:
    """The branch that ends in `last`, oldest first; an answer without text is left out."""
    if conversation is None or last is None:
        return []
    by_id = {message.id: message for message in conversation.messages.only("id", "parent_id", "role", "content")}
    path: list[dict[str, str]] = []
    message: Message | None = by_id.get(last.id)
    while message is not None:
        if message.content:
            path.append({"role": message.role, "content": message.content})
        message = by_id.get(message.parent_id) if message.parent_id else None
    return path[::-1]


def _newest(turns: list[dict[str, str]], model: ChatModel, quota: Quota) -> list[dict[str, str]]:
    """As many of the newest turns as the model's context and the quota hold; never a part of a turn, always the last."""
    room = max(model.context_tokens - min(model.max_output_tokens, model.context_tokens // 2), 1)
    first = len(turns) - 1
    used = budgets.estimate_prompt(turns[first:])
    for index in range(len(turns) - 2, -1, -1):
        used += budgets.estimate_prompt([turns[index]])
        too_many = quota.max_messages is not None and len(turns) - index > quota.max_messages
        if used > room or too_many:
            break
        if turns[index]["role"] == "user":
            first = index
    return turns[first:]


# --- Writing ----------------------------------------------------------------------


def start(plan: Plan, admission: Admission, worker: str) -> Job | Follow:
    """Writes prompt, empty answer and ledger row of a turn that was admitted, all or nothing.

    Returns the job to run, or the answer to follow when the same turn came
    first by another request. Raises what validation raises if the conversation
    changed since, and a budget's refusal where no gate could be asked.
    """
    try:
        with transaction.atomic():
            if admission.unchecked:
                check_ledger(plan.ask())
            payload = {"conversation": None, "message": None, "answer": plan.answer, "model": plan.targets[0].slug, "title": None}
            if not isinstance(plan.request, Stateless):
                payload = _write_messages(plan, plan.request)
            _write_usage(plan, worker)
    except IntegrityError:
        if known := find_turn(plan.requester, plan.request):
            return known
        # The conversation or the parent was deleted in between.
        raise NotFound("The conversation is gone.") from None
    return Job(
        answer=plan.answer,
        stored=not isinstance(plan.request, Stateless),
        start=payload,
        targets=plan.targets,
        prices=plan.prices,
        messages=plan.messages,
        hold=admission.hold,
    )


def _write_messages(plan: Plan, request: Stored | Again) -> dict[str, Any]:
    conversation = _locked(plan) if plan.conversation else _new_conversation(plan, request)
    now = timezone.now()
    if isinstance(request, Stored):
        prompt = Message.objects.create(
            conversation=conversation, parent=plan.parent, role=Message.Role.USER, content=request.content, created=now
        )
    else:
        assert plan.parent is not None
        prompt = plan.parent
    Message.objects.create(
        id=plan.answer,
        conversation=conversation,
        parent=prompt,
        role=Message.Role.ASSISTANT,
        status=Message.Status.STREAMING,
        model=plan.targets[0].slug,
        turn=request.turn,
        turn_owner=plan.requester.owner_key if request.turn else "",
        turn_digest=digest(request) if request.turn else "",
        created=now + timedelta(microseconds=1),
    )
    if plan.conversation:
        Conversation.objects.filter(id=conversation.id).update(updated=now)
    return _start_payload(conversation, prompt.id, plan.answer, plan.targets[0].slug)


def _locked(plan: Plan) -> Conversation:
    """The conversation, locked until the turn is written; what it follows must still be what was planned."""
    assert plan.conversation is not None
    conversation = Conversation.objects.select_for_update().filter(id=plan.conversation.id).first()
    if conversation is None:
        raise NotFound("The conversation is gone.")
    known = find_turn(plan.requester, plan.request)
    if known is not None:
        raise IntegrityError("the same turn came first")
    parent = _parent(plan.request, conversation)
    if parent != plan.parent:
        raise ConversationBusy("The conversation went on in between. Reload it.")
    return conversation


def _new_conversation(plan: Plan, request: Stored | Again) -> Conversation:
    assert isinstance(request, Stored)
    chosen = plan.models[0] if request.model else None
    return Conversation.objects.create(
        user_id=plan.requester.user_id, guest=plan.requester.guest, title=_title(request.content), model=chosen
    )


def _title(prompt: str) -> str:
    line = " ".join(prompt.split())
    return line if len(line) <= _TITLE_CHARS else line[: _TITLE_CHARS - 1].rsplit(" ", 1)[0] + "…"


def _write_usage(plan: Plan, worker: str) -> None:
    Usage.objects.create(
        answer=plan.answer,
        user_id=plan.requester.user_id,
        owner_key=plan.requester.owner_key,
        limit_key=plan.requester.limit_key,
        model=plan.targets[0].slug,
        quota=plan.quota.name,
        prompt_tokens=plan.prompt_tokens,
        completion_tokens=plan.output_tokens,
        cost_usd=plan.bound_usd,
        estimated=True,
        worker=worker,
    )
