"""Starts a turn: proof of work, validation, the gates, the database, the generation.

Every view that takes a prompt comes through here. A turn that does not start gives back all that it
took.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase

from chat import redis_client
from chat.answers import worker
from chat.answers.live_answer import LiveAnswer
from chat.errors import Draining, Refusal
from chat.limits import admission, configuration, refusal_counts, windows
from chat.limits.admission_request import AdmissionRequest
from chat.limits.turn_lock import turn_lock
from chat.requester import Requester
from chat.rollback import async_rollback_on_error
from chat.threads import in_thread
from chat.turns import guest_turns, planning
from chat.turns.existing import ExistingAnswer, find_turn
from chat.turns.plan import Plan
from chat.turns.request import Stateless, TurnRequest
from chat.turns.writing import TurnTaken, write_turn

_DRAINING_RETRY_SECONDS = 2


@dataclass(frozen=True)
class StartedTurn:
    """Holds the answer of a turn and the RateLimit headers.

    A LiveAnswer is a new one, an ExistingAnswer the one that an earlier copy of the turn began.
    """

    answer: LiveAnswer | ExistingAnswer
    headers: dict[str, str]


async def start_turn(
    session: SessionBase, requester: Requester, turn_request: TurnRequest
) -> StartedTurn:
    """Starts the turn, or finds the answer that a copy of it began.

    Raises the Refusal that applies.
    """
    turn = None if isinstance(turn_request, Stateless) else turn_request.turn
    async with turn_lock(requester, turn):
        existing = None if turn is None else await in_thread(find_turn, requester, turn_request)
        if existing is not None:
            started = StartedTurn(existing, await in_thread(_rate_limit_headers, requester))
        else:
            async with guest_turns.proof_of_work(session, requester, turn_request):
                started = await _start_new(requester, turn_request)
    await guest_turns.store_guest_id(session, requester)
    return started


def _rate_limit_headers(requester: Requester) -> dict[str, str]:
    """Returns the headers of a turn that is sent again, which counts nothing."""
    quota = configuration.current().effective_quota(requester).quota
    return admission.rate_limit_headers(requester, quota) if quota else {}


async def _start_new(requester: Requester, turn_request: TurnRequest) -> StartedTurn:
    here = worker.current()
    if here.draining:
        raise Draining(
            "This server is restarting. Try again in a moment.", retry_after=_DRAINING_RETRY_SECONDS
        )
    with _counting_refusals(requester):
        plan, asked = await _plan(requester, turn_request)
        admitted = await admission.admit(asked)
    try:
        async with async_rollback_on_error() as undo:
            undo.push_async_callback(admission.give_back, admitted)
            job = await in_thread(write_turn, plan, admitted, here.id)
    except TurnTaken as taken:
        return StartedTurn(taken.existing, dict(asked.headers))
    return StartedTurn(here.generate(job), admitted.headers)


@contextlib.contextmanager
def _counting_refusals(requester: Requester) -> Iterator[None]:
    """Records the Refusal that the block raises, for the operator's statistics."""
    try:
        yield
    except Refusal as refusal:
        refusal_counts.record(requester, refusal.quota, refusal.code)
        raise


async def _plan(requester: Requester, turn_request: TurnRequest) -> tuple[Plan, AdmissionRequest]:
    """Returns the plan of the turn, and what the gates are asked for.

    Raises a Refusal, also where the database does not answer in time.
    """
    try:
        async with asyncio.timeout(admission.DEADLINE_SECONDS):
            return await in_thread(_plan_and_check_windows, requester, turn_request)
    except TimeoutError:
        # A Redis that is away holds up no single thread for this long, but several in a queue.
        if redis_client.was_away() and settings.LIMITS_WHEN_REDIS_DOWN != "allow":
            raise windows.unavailable() from None
        raise admission.database_unavailable() from None


def _plan_and_check_windows(
    requester: Requester, turn_request: TurnRequest
) -> tuple[Plan, AdmissionRequest]:
    """Checks the windows in the thread that validates.

    A flood of turns that the windows refuse must cost little.
    """
    plan = planning.plan(requester, turn_request)
    return plan, admission.check_windows(plan.admission_request())
