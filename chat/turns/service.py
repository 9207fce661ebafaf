"""What a turn writes to the database, and the answers there are already. All functions block on the database."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from chat.answers.generation import Job
from chat.conversations.titles import title_of
from chat.errors import (
    ConversationBusy,
    NotFound,
    TurnConflict,
)
from chat.limits.admission import Admission, check_ledger
from chat.models import Conversation, Message, Usage
from chat.requester import Requester
from chat.turns.planning import Plan, is_budgeted, parent_of
from chat.turns.request import Again, Stateless, Stored, TurnRequest, digest


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
                check_ledger(plan.admission_request())
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
        person=plan.requester.user_id,
        stored=not isinstance(plan.request, Stateless),
        start=payload,
        targets=plan.targets,
        prices=plan.prices,
        messages=plan.messages,
        trimmed=plan.trimmed,
        reserved=plan.reserved,
        bound=plan.bound,
        is_budgeted=partial(is_budgeted, plan.requester),
        lease=admission.lease,
    )


def _write_messages(plan: Plan, request: Stored | Again) -> dict[str, Any]:
    conversation = _locked(plan) if plan.conversation else _new_conversation(plan, request)
    now = _after_the_last(conversation)
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
        trimmed=plan.trimmed,
        turn=request.turn,
        turn_owner=plan.requester.owner_key if request.turn else "",
        turn_digest=digest(request) if request.turn else "",
        created=now + timedelta(microseconds=1),
    )
    if plan.conversation:
        Conversation.objects.filter(id=conversation.id).update(updated=now)
    return _start_payload(conversation, prompt.id, plan.answer, plan.targets[0].slug)


def _after_the_last(conversation: Conversation) -> datetime:
    """The time; where a clock was set back, or another host's is ahead, the moment after the newest message: their order is by time."""
    newest = conversation.messages.aggregate(newest=Max("created"))["newest"]
    now = timezone.now()
    return now if newest is None or newest < now else newest + timedelta(microseconds=1)


def _locked(plan: Plan) -> Conversation:
    """The conversation, locked until the turn is written; what it follows must still be what was planned."""
    assert plan.conversation is not None
    conversation = Conversation.objects.select_for_update().filter(id=plan.conversation.id).first()
    if conversation is None:
        raise NotFound("The conversation is gone.")
    known = find_turn(plan.requester, plan.request)
    if known is not None:
        raise IntegrityError("the same turn came first")
    parent = parent_of(plan.request, conversation)
    if parent != plan.parent:
        raise ConversationBusy("The conversation went on in between. Reload it.")
    return conversation


def _new_conversation(plan: Plan, request: Stored | Again) -> Conversation:
    assert isinstance(request, Stored)
    chosen = plan.models[0] if request.model else None
    return Conversation.objects.create(
        user_id=plan.requester.user_id, guest=plan.requester.guest, title=title_of(request.content), model=chosen
    )


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
        cost_usd=plan.max_cost_usd,
        estimated=True,
        worker=worker,
        day=plan.day,
    )
