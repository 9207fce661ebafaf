"""What becomes of the answers of a worker that was lost: a guarded claim, once only, whoever notices first."""

from collections.abc import Sequence
from uuid import UUID

from django.utils import timezone

from chat.answers import ending as endings
from chat.answers.ending import Ending
from chat.errors import AnswerError
from chat.limits import budgets, leases, reservations
from chat.models import ChatModel, Message, Usage
from chat.upstream.cost import Bill, RunningCost

# What a running answer has for its finish reason while somebody wishes it to end.
_TO_BE_STOPPED = "stopped"


def running() -> dict[str, list[UUID]]:
    """The running answers by the worker that runs them, as the ledger says."""
    found: dict[str, list[UUID]] = {}
    for worker, answer in Usage.objects.filter(outcome=Usage.Outcome.RUNNING).order_by().values_list("worker", "answer"):
        found.setdefault(worker, []).append(answer)
    return found


def claim(answer_id: UUID, text: str, cost_so_far: RunningCost) -> bool:
    """Ends a lost answer with the text and the cost up to its last flush; False when somebody else already has."""
    usage = Usage.objects.filter(answer=answer_id, outcome=Usage.Outcome.RUNNING).first()
    if usage is None:
        return False
    error = AnswerError("worker_lost")
    bill = _bill(usage, text, cost_so_far)
    ending = Ending(
        status=endings.status_for(error, bool(text)),
        text=text,
        model=cost_so_far.model or usage.model,
        error=error,
        prompt_tokens=bill.prompt_tokens,
        completion_tokens=bill.completion_tokens,
        cost_usd=bill.cost_usd,
        estimated=True,
        # The clock of the host that was lost may have been ahead of ours.
        duration_ms=max(0, round((timezone.now() - usage.created).total_seconds() * 1000)),
    )
    if not endings.save(answer_id, ending):
        return False
    reservations.free(leases.Lease(str(answer_id), (usage.limit_key, reservations.SITE), 0, 0))
    return True


def _bill(usage: Usage, text: str, cost_so_far: RunningCost) -> Bill:
    """What a lost answer may have cost: what its worker last said, and what came after it.

    A worker that has said nothing of an upstream may have reached one since:
    the reserved figures are upper bounds, and of the prompt nothing better is
    known then than a quarter of its bytes.
    """
    known = cost_so_far.bill
    prompt = known.prompt_tokens or usage.prompt_tokens // 4
    completion = max(known.completion_tokens, budgets.estimate_completion(len(text.encode()), 0))
    model = ChatModel.objects.filter(slug=cost_so_far.model or usage.model).first()
    if model is None:
        return Bill(prompt, completion, usage.cost_usd)
    prices = budgets.Prices(model.input_usd_per_million, model.output_usd_per_million)
    return Bill(prompt, completion, known.cost_usd + prices.cost(prompt - known.prompt_tokens, completion - known.completion_tokens))


def is_running(answer_id: UUID) -> bool:
    """Whether the ledger still has the answer as running."""
    return Usage.objects.filter(answer=answer_id, outcome=Usage.Outcome.RUNNING).exists()


def count_running(answer_ids: Sequence[UUID]) -> int:
    """How many of them the ledger still has as running."""
    return Usage.objects.filter(answer__in=answer_ids, outcome=Usage.Outcome.RUNNING).count()


def outcome(answer_id: UUID) -> str:
    """How the ledger says that the answer ended."""
    return Usage.objects.get(answer=answer_id).outcome


def text_of(answer_id: UUID) -> tuple[str, str] | None:
    """Status and text of a stored answer; None where there is none (a stateless one, or one that was deleted)."""
    return Message.objects.filter(id=answer_id).values_list("status", "content").first()


def streaming(answer_ids: list[UUID]) -> set[UUID]:
    """Those of the stored answers whose end is not saved yet."""
    return set(Message.objects.filter(id__in=answer_ids, status=Message.Status.STREAMING).values_list("id", flat=True))


def wanted(answer_ids: list[UUID]) -> set[UUID]:
    """Those of the stored answers whose conversation is still there, and which nobody wishes to end."""
    if not answer_ids:
        return set()
    return set(Message.objects.filter(id__in=answer_ids).exclude(finish_reason=_TO_BE_STOPPED).values_list("id", flat=True))


def wish_to_stop(answer_id: UUID) -> None:
    """Has the worker that generates a stored answer end it, within seconds, where Redis cannot tell it to."""
    Message.objects.filter(id=answer_id, status=Message.Status.STREAMING).update(finish_reason=_TO_BE_STOPPED)


def running_in(conversation_id: UUID) -> list[tuple[UUID, str]]:
    """The running answers of a conversation, and the workers that run them."""
    streaming = Message.objects.filter(conversation=conversation_id, status=Message.Status.STREAMING).values_list("id", flat=True)
    return list(Usage.objects.filter(answer__in=list(streaming)).values_list("answer", "worker"))
