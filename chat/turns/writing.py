"""Writes a turn to the database; all functions block on it."""

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from chat.answers.job import Job
from chat.conversations.titles import title_of
from chat.errors import ConversationBusy, NotFound
from chat.limits.admission import Admission, check_ledger
from chat.models import Conversation, Message, Usage
from chat.turns.existing import ExistingAnswer, find_turn, start_payload
from chat.turns.plan import Plan
from chat.turns.planning import parent_of
from chat.turns.request import NewPrompt, Regenerate, Stateless, digest


class TurnTaken(Exception):
    """Says that another request began the same turn first; `existing` is its answer."""

    def __init__(self, existing: ExistingAnswer) -> None:
        super().__init__("The same turn came first.")
        self.existing = existing


def write_turn(plan: Plan, admission: Admission, worker: str) -> Job:
    """Writes prompt, empty answer and ledger row of an admitted turn; returns the job to run.

    Writes all of them or none. Raises TurnTaken when the same turn came first, the Refusal of
    validation if the conversation changed since, and a budget's refusal where no gate could be
    asked.
    """
    try:
        with transaction.atomic():
            if admission.unchecked:
                check_ledger(plan.admission_request())
            payload = _write_messages(plan)
            _write_usage(plan, worker)
    except IntegrityError:
        _raise_if_taken(plan)
        # The conversation or the parent was deleted in between.
        raise NotFound("The conversation is gone.") from None
    return Job(plan, admission.lease, payload)


def _raise_if_taken(plan: Plan) -> None:
    if existing := find_turn(plan.requester, plan.request):
        raise TurnTaken(existing) from None


def _write_messages(plan: Plan) -> dict[str, Any]:
    """Writes what is kept of the conversation, and returns the payload of the `start` event.

    Of a stateless turn nothing is kept.
    """
    request, model = plan.request, plan.targets[0].slug
    if isinstance(request, Stateless):
        return {
            "conversation": None,
            "message": None,
            "answer": plan.answer,
            "model": model,
            "title": None,
        }
    conversation = _locked(plan) if plan.conversation else _new_conversation(plan, request)
    now = _after_the_last(conversation)
    prompt = _write_prompt(plan, request, conversation, now)
    _write_answer(plan, request, prompt, now + timedelta(microseconds=1))
    if plan.conversation:
        Conversation.objects.filter(id=conversation.id).update(updated=now)
    return start_payload(conversation, prompt.id, plan.answer, model)


def _write_prompt(
    plan: Plan, request: NewPrompt | Regenerate, conversation: Conversation, created: datetime
) -> Message:
    """Returns the prompt that is answered: a new one, or the one that is answered again."""
    if isinstance(request, Regenerate):
        assert plan.parent is not None
        return plan.parent
    return Message.objects.create(
        conversation=conversation,
        parent=plan.parent,
        role=Message.Role.USER,
        content=request.content,
        created=created,
    )


def _write_answer(
    plan: Plan, request: NewPrompt | Regenerate, prompt: Message, created: datetime
) -> None:
    Message.objects.create(
        id=plan.answer,
        conversation_id=prompt.conversation_id,
        parent=prompt,
        role=Message.Role.ASSISTANT,
        status=Message.Status.STREAMING,
        model=plan.targets[0].slug,
        trimmed=plan.trimmed,
        turn=request.turn,
        turn_owner=plan.requester.owner_key if request.turn else "",
        turn_digest=digest(request) if request.turn else "",
        created=created,
    )


def _after_the_last(conversation: Conversation) -> datetime:
    """Returns the time, or the moment after the newest message where that is later.

    The clock may have been set back, or another host's may be ahead.
    """
    newest = conversation.messages.aggregate(newest=Max("created"))["newest"]
    now = timezone.now()
    return now if newest is None or newest < now else newest + timedelta(microseconds=1)


def _locked(plan: Plan) -> Conversation:
    """Returns the conversation, locked until the turn is written.

    Raises ConversationBusy where the turn no longer follows what was planned.
    """
    assert plan.conversation is not None
    conversation = Conversation.objects.select_for_update().filter(id=plan.conversation.id).first()
    if conversation is None:
        raise NotFound("The conversation is gone.")
    _raise_if_taken(plan)
    if parent_of(plan.request, conversation, plan.quota) != plan.parent:
        raise ConversationBusy("The conversation went on in between. Reload it.")
    return conversation


def _new_conversation(plan: Plan, request: NewPrompt | Regenerate) -> Conversation:
    assert isinstance(request, NewPrompt)
    chosen = plan.models[0] if request.model else None
    return Conversation.objects.create(
        user_id=plan.requester.user_id,
        guest=plan.requester.guest,
        title=title_of(request.content),
        model=chosen,
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
