"""Claims the answers of workers that were lost.

Each once only, by the worker that notices first.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from uuid import UUID

from django.db import Error
from django.utils import timezone

from chat import redis_client
from chat.answers.answer_store import AnswerStore
from chat.answers.ending import Ending, save, status_for
from chat.answers.local_answers import LocalAnswers
from chat.answers.worker_bus import WorkerBus
from chat.errors import AnswerError
from chat.limits import budgets, leases, reservations
from chat.models import ChatModel, Message, Usage
from chat.models.usage import RunningRow
from chat.threads import in_thread
from chat.upstream.cost import Bill, RunningCost

logger = logging.getLogger("chat.answers.worker")

_RECOVER_SECONDS = 2.0


class Recovery:
    """Looks after lost answers on behalf of one worker; `local` are the answers that run there."""

    def __init__(
        self, worker_id: str, store: AnswerStore, bus: WorkerBus, local: LocalAnswers
    ) -> None:
        self._worker_id = worker_id
        self._store = store
        self._bus = bus
        self._local = local
        self._suspects: set[UUID] = set()

    async def run(self) -> None:
        """Looks every other second until it is cancelled."""
        while True:
            await asyncio.sleep(_RECOVER_SECONDS)
            try:
                await self.recover()
            except (Error, *redis_client.REDIS_ERRORS) as error:
                self._suspects = set()
                logger.warning("Lost answers wait to be claimed: %s", type(error).__name__)
            except Exception as error:
                # Lost answers hang on this as running ones do on the heartbeat.
                logger.error("The recovery failed: %s", type(error).__name__)

    async def recover(self) -> None:
        """Claims the answers of workers whose lease was missing twice in a row, with Redis
        reachable in between.

        The lease is renewed more often than this runs: a Redis that was emptied has every living
        worker's lease again by then.
        Also ends what this worker is not to go on with. Raises the database's errors and
        REDIS_ERRORS.
        """
        here = {
            generation.job.plan.answer: generation.job.plan.stored
            for generation in self._local.all()
        }
        rows = await in_thread(Usage.objects.running_rows)
        await self._cancel_disowned(here, rows)
        missing = await self._missing(rows)
        for answer_id in missing & self._suspects:
            if await in_thread(claim, answer_id, *await self._store.read_lost(answer_id)):
                logger.warning(
                    "Answer %s was left by a lost worker: saved as far as it came", answer_id
                )
                await self._store.write_end(answer_id, stored=True)
        self._suspects = missing

    async def _cancel_disowned(self, here: Mapping[UUID, bool], rows: Sequence[RunningRow]) -> None:
        """Ends what ran `here` (answers, and whether they are stored) before the rows were read,
        and is to go on no more.
        """
        owned = {
            row.answer for row in rows if row.worker == self._worker_id and not row.stop_requested
        }
        self._local.cancel_disowned(here, owned)
        stored = [answer_id for answer_id, is_stored in here.items() if is_stored]
        self._local.cancel_disowned(
            stored, await in_thread(Message.objects.still_wanted_ids, stored)
        )

    async def _missing(self, rows: Sequence[RunningRow]) -> set[UUID]:
        """Returns the running answers whose worker has no lease.

        None where it cannot be told who lives.
        """
        owners = sorted({row.worker for row in rows} - {self._worker_id})
        here_alive, *alive = await self._bus.alive([self._worker_id, *owners]) if owners else [True]
        if not here_alive:
            # Redis can be read but not written (it is full, or a replica), or this worker stood
            # still.
            return set()
        living = {owner for owner, lives in zip(owners, alive, strict=True) if lives}
        missing = {
            row.answer for row in rows if row.worker not in living and row.worker != self._worker_id
        }
        # An answer of this worker that does not run here was left by a fault of ours.
        return missing | {
            row.answer
            for row in rows
            if row.worker == self._worker_id and self._local.find(row.answer) is None
        }


def claim(answer_id: UUID, text: str, cost_so_far: RunningCost) -> bool:
    """Ends a lost answer with the text and the cost up to its last flush.

    False when another worker already has.
    """
    usage = Usage.objects.running().filter(answer=answer_id).first()
    if usage is None:
        return False
    error = AnswerError("worker_lost")
    ending = Ending(
        status=status_for(error, bool(text)),
        text=text,
        model=cost_so_far.model or usage.model,
        bill=_bill(usage, text, cost_so_far),
        error=error,
        # The clock of the host that was lost may have been ahead of ours.
        duration_ms=max(0, round((timezone.now() - usage.created).total_seconds() * 1000)),
    )
    if not save(answer_id, ending):
        return False
    reservations.free(leases.Lease(str(answer_id), (usage.limit_key, reservations.SITE), 0, 0))
    return True


def _bill(usage: Usage, text: str, cost_so_far: RunningCost) -> Bill:
    """Returns what a lost answer may have cost: what its worker last said, and what came after it.

    A worker that has said nothing of an upstream may have reached one since:
    the reserved figures are upper bounds, and of the prompt nothing better is
    known then than a quarter of its bytes.
    """
    known = cost_so_far.bill
    prompt = known.prompt_tokens or usage.prompt_tokens // 4
    completion = max(known.completion_tokens, budgets.estimate_completion(len(text.encode()), 0))
    model = ChatModel.objects.filter(slug=cost_so_far.model or usage.model).first()
    if model is None:
        return Bill(prompt, completion, usage.cost_usd, estimated=True)
    prices = budgets.Prices(model.input_usd_per_million, model.output_usd_per_million)
    cost = known.cost_usd + prices.cost(
        prompt - known.prompt_tokens, completion - known.completion_tokens
    )
    return Bill(prompt, completion, cost, estimated=True)
