"""Decides whether a turn may run: all gates, before any cost.

The order: a look at the request windows (the cheap refusal), slots and budgets, then the windows
are counted, and that count decides. A refused turn has consumed nothing.
"""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace

from django.conf import settings

from chat import redis_client
from chat.errors import (
    DatabaseUnavailable,
    LimitsUnavailable,
    RateLimited,
    Refusal,
    SpendExhausted,
    TokensExhausted,
    TooManyStreams,
)
from chat.formatting import per
from chat.limits import leases, refusal_counts, reservations, windows
from chat.limits.admission_request import AdmissionRequest
from chat.limits.progress import Progress, admission_of
from chat.models import Quota, SitePolicy
from chat.requester import Requester
from chat.rollback import rollback_on_error
from chat.threads import in_thread

logger = logging.getLogger("chat.limits")

# Leaves half a second of the 2 s within which a refusal must come when Redis is down.
DEADLINE_SECONDS = 1.5
_DATABASE_SILENT = "The database does not answer. Try again in a moment."


@dataclass(frozen=True)
class Admission:
    """Holds what a turn took: the lease, the window counters and the RateLimit headers.

    `unchecked`: no budgets were taken, because Redis is away; the transaction that writes the turn
    must call `check_ledger`.
    """

    lease: leases.Lease
    keys: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    unchecked: bool = False


# --- The request windows, as they are ---------------------------------------------


def rate_limit_headers(requester: Requester, quota: Quota) -> dict[str, str]:
    """Returns the RateLimit headers as the windows are now.

    There are none in shadow mode and while Redis is away. Blocks on Redis.
    """
    return windows.headers(_enforced_windows(requester, quota))


def check_windows(asked: AdmissionRequest) -> AdmissionRequest:
    """Returns the request with its RateLimit headers; raises RateLimited where a window is full.

    Counts nothing. Raises the refusal of an exhausted budget where that lasts longer. Blocks on
    Redis and, for a refusal, on the database. While Redis is away, `admit` decides.
    """
    seen = _enforced_windows(asked.requester, asked.quota)
    asked = replace(asked, headers=windows.headers(seen))
    if full := windows.full(seen):
        raise _slowest(
            [_rate_limited(asked, full), *reservations.exhausted(asked, with_reserved=True)]
        )
    return asked


def _enforced_windows(requester: Requester, quota: Quota) -> list[windows.Window]:
    if quota.mode == Quota.Mode.SHADOW:
        return []
    try:
        return windows.peek(windows.TURNS, requester.limit_key, quota.rates)
    except LimitsUnavailable:
        return []


def _rate_limited(
    asked: AdmissionRequest, full: list[windows.Window], seen: list[windows.Window] | None = None
) -> RateLimited:
    """Makes the refusal for the full windows.

    `seen` are all windows, where they were read after the request was made.
    """
    words = ", ".join(f"{window.rate.limit} {per(window.rate.period)}" for window in full)
    return asked.refusal(
        RateLimited,
        f"You have reached your limit of requests: {words}.",
        retry_after=windows.retry_after(full),
        limit=", ".join(f"{window.rate.limit}/{window.rate.name}" for window in full),
        headers=windows.headers(seen or []),
    )


def _slowest(refused: list[Refusal]) -> Refusal:
    """Returns the refusal with the longest wait.

    After a shorter one, a turn that waited as told would meet the next gate.
    """
    return max(refused, key=lambda refusal: refusal.retry_after or 0)


# --- All gates ----------------------------------------------------------------------


async def admit(asked: AdmissionRequest) -> Admission:
    """Takes from every gate, or raises a Refusal and takes nothing.

    Within 2 s: LimitsUnavailable when Redis does not answer, DatabaseUnavailable when the database
    does not.
    """
    progress = Progress()
    work = asyncio.ensure_future(in_thread(_admit_noting, progress, asked))
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await asyncio.shield(work)
    except TimeoutError:
        work.add_done_callback(_give_back_late)
        # Redis holds up no thread for long: where all threads are busy, they wait for the database.
        if progress.reads_ledger or not (progress.has_begun or redis_client.was_away()):
            raise asked.refusal(
                DatabaseUnavailable, _DATABASE_SILENT, retry_after=leases.RETRY_SECONDS
            ) from None
        return _without_redis(asked)


def database_unavailable() -> DatabaseUnavailable:
    """Makes the refusal for a silent database, where there is no request yet."""
    return DatabaseUnavailable(_DATABASE_SILENT, retry_after=leases.RETRY_SECONDS)


def _admit_noting(progress: Progress, asked: AdmissionRequest) -> Admission:
    with admission_of(progress):
        return admit_here(asked)


def admit_here(asked: AdmissionRequest) -> Admission:
    """Does what `admit` does in this thread, without its deadline.

    Blocks on Redis and the database.
    """
    try:
        return pass_gates(asked)
    except TooManyStreams as refusal:
        # Reservations of running answers end with their slots, so only what is spent makes the
        # wait longer.
        raise _slowest([refusal, *reservations.exhausted(asked, with_reserved=False)]) from None
    except (RateLimited, TokensExhausted, SpendExhausted) as refusal:
        raise _slowest([refusal, *reservations.exhausted(asked, with_reserved=True)]) from None
    except (LimitsUnavailable, *redis_client.REDIS_ERRORS):
        return _without_redis(asked)


def pass_gates(asked: AdmissionRequest) -> Admission:
    """Takes from every gate, or raises the Refusal of the first gate that has no room.

    A quota in shadow mode refuses nothing: what it would have refused is recorded. The budgets of
    the site hold all the same.
    """
    key, rates = asked.requester.limit_key, asked.quota.rates
    shadow = asked.quota.mode == Quota.Mode.SHADOW
    if shadow:
        _record_shadow_refusal(asked)
        rates = [replace(rate, limit=windows.NO_LIMIT) for rate in rates]
    with rollback_on_error() as undo:
        lease = reservations.reserve(asked)
        undo.callback(reservations.free, lease)
        taken = windows.take(windows.TURNS, key, rates)
        if taken.full:
            raise _rate_limited(asked, taken.full, taken.windows)
    return Admission(lease, taken.keys, {} if shadow else windows.headers(taken.windows))


def _without_redis(asked: AdmissionRequest) -> Admission:
    """Decides without Redis, as LIMITS_WHEN_REDIS_DOWN says.

    `allow`: no request limits and no slots, and budgets by the ledger alone. The lease is given out
    all the same: the worker writes it when Redis is back.
    """
    if settings.LIMITS_WHEN_REDIS_DOWN != "allow":
        raise asked.refusal(
            LimitsUnavailable, windows.UNAVAILABLE, retry_after=leases.RETRY_SECONDS
        )
    return Admission(reservations.whole_lease(asked), unchecked=True)


def check_ledger(asked: AdmissionRequest) -> None:
    """Raises the refusal of a budget that has no headroom by the ledger alone.

    Running answers count with what they have reserved. Call it in the transaction that writes the
    turn: it lets one turn at a time pass.
    """
    SitePolicy.lock()
    if exhausted := list(reservations.exhausted(asked, with_reserved=True)):
        raise _slowest(exhausted)


# --- Shadow mode --------------------------------------------------------------------


def _record_shadow_refusal(asked: AdmissionRequest) -> None:
    """Asks the gates of a quota in shadow mode, and records what they would have refused.

    A reservation that is taken here is taken again afterwards, without a limit, under the same id.
    """
    key = asked.requester.limit_key
    try:
        seen = windows.peek(windows.TURNS, key, asked.quota.rates)
        if full := windows.full(seen):
            raise _rate_limited(asked, full, seen)
        reservations.take(asked, key, asked.quota)
    except (RateLimited, TooManyStreams, TokensExhausted, SpendExhausted) as refusal:
        record_in_shadow(asked.quota, asked.requester, refusal)


def record_in_shadow(quota: Quota, requester: Requester, refusal: Refusal) -> None:
    """Records a turn that a quota in shadow mode would have refused, and does not refuse it."""
    refusal_counts.record(requester, quota.name, refusal.code, shadow=True)
    logger.info(
        "Shadow quota %r would have refused %s: %s", quota.name, requester.limit_key, refusal.code
    )


# --- Giving back --------------------------------------------------------------------


async def give_back(admission: Admission) -> None:
    """Undoes `admit` for a turn that did not start after all."""
    await in_thread(give_back_here, admission)


def give_back_here(admission: Admission) -> None:
    """Does what `give_back` does in this thread. Blocks on Redis."""
    windows.give_back(admission.keys)
    reservations.free(admission.lease)


def _give_back_late(work: "asyncio.Future[Admission]") -> None:
    if not work.cancelled() and work.exception() is None:
        _background(give_back(work.result()))


_tasks: set[asyncio.Task[None]] = set()


def _background(coroutine: Coroutine[None, None, None]) -> None:
    task = asyncio.get_running_loop().create_task(coroutine)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
