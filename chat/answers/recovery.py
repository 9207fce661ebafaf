"""Claims the answers of lost workers: each once, by the worker that notices first."""

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
    """Claims lost answers for one worker; `local` are the answers that run there."""

    def __init__(
        self, worker_id: str, store: AnswerStore, bus: WorkerBus, local: LocalAnswers
    ) -> None:
        self._worker_id = worker_id
        self._store = store
        self._bus = bus
        self._local = local
        self._suspects: set[UUID] = set()

    async def run(self) -> None:
        """Looks for lost answers every two seconds until it is cancelled."""
        while True:
            await asyncio.sleep(_RECOVER_SECONDS)
            try:
                await self.recover()
            except (Error, *redis_client.REDIS_ERRORS) as error:
                self._suspects = set()
                logger.warning("Lost answers wait to be claimed: %s", type(error).__name__)
            except Exception as error:
                # Lost answers depend on this loop as running ones do on the heartbeat.
                logger.error("The recovery failed: %s", type(error).__name__)

    async def recover(self) -> None:
        """Claims the answers of workers whose lease was missing twice in a row.

        Redis must be reachable both times. A lease is renewed more often than this runs, so an
        emptied Redis has every living worker's lease again the second time. Also ends what this
        worker is not to go on with. Raises the database's errors and REDIS_ERRORS.
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
        """Ends what ran `here` before the rows were read and may not go on.

        `here` says of each answer whether it is stored.
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

        Returns none where it is not known which workers live.
        """
        owners = sorted({row.worker for row in rows} - {self._worker_id})
        here_alive, *alive = await self._bus.alive([self._worker_id, *owners]) if owners else [True]
        if not here_alive:
            # Redis can only be read (it is full, or a replica), or this worker stood still.
            return set()
        living = {owner for owner, lives in zip(owners, alive, strict=True) if lives}
        missing = {
            row.answer for row in rows if row.worker not in living and row.worker != self._worker_id
        }
        # A fault of ours left an answer of this worker that does not run here.
        return missing | {
            row.answer
            for row in rows
            if row.worker == self._worker_id and self._local.find(row.answer) is None
        }


def claim(answer_id: UUID, text: str, cost_so_far: RunningCost) -> bool:
    """Ends a lost answer with its text and cost up to the last flush.

    Returns False where another worker already has. Blocks on the database and on Redis.
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
    """Returns what a lost answer may have cost: its worker's last figures, and what followed.

    A worker that has told of no upstream may have reached one since. The reserved figures are upper
    bounds; for the prompt the best estimate then is a quarter of its bytes.
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
