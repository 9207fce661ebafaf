"""What becomes of the answers of a worker that was lost: a guarded claim, once only, whoever notices first."""

from uuid import UUID

from django.utils import timezone

from chat.answers import ending as endings
from chat.answers.ending import Ending
from chat.errors import AnswerError
from chat.limits import budgets, leases, reservations
from chat.models import ChatModel, Usage
from chat.upstream.cost import Bill, RunningCost


def claim(answer_id: UUID, text: str, cost_so_far: RunningCost) -> bool:
    """Ends a lost answer with the text and the cost up to its last flush; False when somebody else already has."""
    usage = Usage.objects.running().filter(answer=answer_id).first()
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
