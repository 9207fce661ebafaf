"""May this turn run? All gates, before any cost; a turn that is refused has consumed nothing.

The order: a peek at the request windows (the cheap refusal), slots and
budgets, then the windows are counted, and that count decides.
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

# A refusal because Redis is down comes within 2 s.
DEADLINE_SECONDS = 1.5
_DATABASE_SILENT = "The database does not answer. Try again in a moment."


@dataclass(frozen=True)
class Admission:
    """Holds what a turn took: the lease of slots and budgets, the window counters, the RateLimit
    headers.

    `unchecked`: without Redis nothing could take the budgets for it; `check_ledger` is to be asked
    in the transaction that writes the turn.
    """

    lease: leases.Lease
    keys: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    unchecked: bool = False


# --- The request windows, as they are ---------------------------------------------


def rate_limit_headers(requester: Requester, quota: Quota) -> dict[str, str]:
    """Returns the RateLimit headers as the windows are now; none where they limit nothing.

    So it is in shadow mode and while Redis is away. Blocks on Redis.
    """
    return windows.headers(_enforced_windows(requester, quota))


def check_windows(asked: AdmissionRequest) -> AdmissionRequest:
    """Returns the request with its RateLimit headers, or refuses it where a window is full.

    The cheap refusal: it counts nothing. Blocks on Redis; where that is away, `admit` decides.
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
    """Makes the refusal for full windows; `seen` are all of them, where they are newer than the
    request.
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
    """Chooses the refusal to tell: of the gate that takes longest, or the next one would refuse a
    turn that waited.
    """
    return max(refused, key=lambda refusal: refusal.retry_after or 0)


# --- All gates ----------------------------------------------------------------------


async def admit(asked: AdmissionRequest) -> Admission:
    """Takes from every gate, or raises a Refusal and takes nothing.

    Within 2 s LimitsUnavailable when Redis is down, DatabaseUnavailable when it is the database
    that does not answer.
    """
    progress = Progress()
    work = asyncio.ensure_future(in_thread(_admit_noting, progress, asked))
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await asyncio.shield(work)
    except TimeoutError:
        work.add_done_callback(_give_back_late)
        # Redis holds up no thread for long: one that has not come free waits for the database.
        if progress.reads_ledger or not (progress.has_begun or redis_client.was_away()):
            raise asked.refusal(
                DatabaseUnavailable, _DATABASE_SILENT, retry_after=leases.RETRY_SECONDS
            ) from None
        return _without_redis(asked)


def database_unavailable() -> DatabaseUnavailable:
    """Makes the refusal for a database that does not answer in time, where there is no request yet."""
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
        # What running answers have reserved comes back with their slots, so only what is spent
        # makes the wait longer.
        raise _slowest([refusal, *reservations.exhausted(asked, with_reserved=False)]) from None
    except (RateLimited, TokensExhausted, SpendExhausted) as refusal:
        raise _slowest([refusal, *reservations.exhausted(asked, with_reserved=True)]) from None
    except (LimitsUnavailable, *redis_client.REDIS_ERRORS):
        return _without_redis(asked)


def pass_gates(asked: AdmissionRequest) -> Admission:
    """Takes from every gate, or raises the Refusal of the first that has nothing to give.

    A quota in shadow mode refuses nothing and records what it would have refused; the site's own
    budgets hold.
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
    """Decides as LIMITS_WHEN_REDIS_DOWN says: `allow` is no request limits and no slots, but the
    ledger's budgets.

    The lease is one all the same: the worker writes it when Redis is back.
    """
    if settings.LIMITS_WHEN_REDIS_DOWN != "allow":
        raise asked.refusal(
            LimitsUnavailable, windows.UNAVAILABLE, retry_after=leases.RETRY_SECONDS
        )
    return Admission(reservations.whole_lease(asked), unchecked=True)


def check_ledger(asked: AdmissionRequest) -> None:
    """Raises the refusal of a budget for which the ledger alone, running answers included, has no
    headroom.

    Call it in the transaction that writes the turn: one turn at a time comes through.
    """
    SitePolicy.lock()
    if exhausted := list(reservations.exhausted(asked, with_reserved=True)):
        raise _slowest(exhausted)


# --- Shadow mode --------------------------------------------------------------------


def _record_shadow_refusal(asked: AdmissionRequest) -> None:
    """Asks the gates of a quota in shadow mode; a reservation that is taken is taken once more,
    without a limit.
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
    """Records a turn that a quota in shadow mode would have refused; nothing else happens to it."""
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
