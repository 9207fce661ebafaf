"""May this turn run? All gates, before any cost; whoever is refused has consumed nothing.

The order: a peek at the request windows (the cheap refusal), slots and
budgets, then the windows are counted, and that count decides.
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import TypeVar

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from chat import redis_client
from chat.errors import DatabaseUnavailable, LimitsUnavailable, RateLimited, Refusal, SpendExhausted, TokensExhausted, TooManyStreams
from chat.formatting import per
from chat.limits import budgets, leases, refusal_counts, windows
from chat.limits.progress import Progress, admission_of, reading_ledger
from chat.models import Quota, SitePolicy, Usage
from chat.rates import Rate
from chat.requester import Requester
from chat.threads import in_thread

logger = logging.getLogger("chat.limits")
T = TypeVar("T")

GROUP = "chat"
SITE = "site"
SLOT_HINT_SECONDS = 2
# A refusal because Redis is down comes within 2 s.
DEADLINE_SECONDS = 1.5
_STALE_TRIES = 20


@dataclass(frozen=True)
class AdmissionRequest:
    """What is asked for: an upper bound of tokens and money, under the answer's id.

    `micro_usd` are millionths of a USD; both come out of the budgets of `day`.
    """

    id: str
    requester: Requester
    quota: Quota
    policy: SitePolicy
    tokens: int
    micro_usd: int
    day: date


@dataclass
class Admission:
    """What a turn took: the lease of slots and budgets, the window counters, and the RateLimit headers.

    `unchecked`: without Redis nobody could take the budgets for it; `check_ledger` is to be asked in the transaction that writes the turn.
    """

    lease: leases.Lease
    keys: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    unchecked: bool = False


def check_windows(request: HttpRequest, asked: AdmissionRequest) -> dict[str, str]:
    """The cheap refusal: raises it where a request window is full already, and counts nothing. Else as `rate_limit_headers`.

    Blocks on Redis; where that is away, `admit` decides.
    """
    seen = _seen(request, asked.requester, asked.quota)
    if full := _full(seen):
        slowest = _slowest([_rate_limited(full, seen), *_exhausted(asked, with_reserved=True)])
        slowest.quota, slowest.headers = asked.quota.name, windows.headers(seen)
        raise slowest
    return windows.headers(seen)


def rate_limit_headers(request: HttpRequest, requester: Requester, quota: Quota) -> dict[str, str]:
    """The RateLimit headers as the windows stand; none in shadow mode, where they limit nothing, and while Redis is away. Blocks on it."""
    return windows.headers(_seen(request, requester, quota))


def _seen(request: HttpRequest, requester: Requester, quota: Quota) -> list[windows.Window]:
    if quota.mode == Quota.Mode.SHADOW:
        return []
    try:
        return windows.peek(request, GROUP, requester.limit_key, quota.rates)
    except (LimitsUnavailable, *redis_client.REDIS_ERRORS):
        return []


def _full(seen: list[windows.Window]) -> list[windows.Window]:
    return [window for window in seen if window.remaining < 1]


async def admit(request: HttpRequest, asked: AdmissionRequest) -> Admission:
    """Takes from every gate, or raises a Refusal and takes nothing.

    Within 2 s LimitsUnavailable when Redis is down, DatabaseUnavailable when it is the database that does not answer.
    """
    progress = Progress()
    work = asyncio.ensure_future(in_thread(_admit_noting, progress, request, asked))
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await asyncio.shield(work)
    except TimeoutError:
        work.add_done_callback(_give_back_late)
        # Redis holds up no thread for long: one that has not come free waits for the database.
        if progress.reads_ledger or not (progress.has_begun or redis_client.was_away()):
            raise database_unavailable() from None
        return _without_redis(asked)
    except Refusal as refusal:
        refusal.quota = asked.quota.name
        raise


def database_unavailable() -> DatabaseUnavailable:
    """Makes the refusal for a database that does not answer in time."""
    return DatabaseUnavailable("The database does not answer. Try again in a moment.", retry_after=SLOT_HINT_SECONDS)


def _give_back_late(work: "asyncio.Future[Admission]") -> None:
    if not work.cancelled() and work.exception() is None:
        _background(give_back(work.result()))


_tasks: set[asyncio.Task[None]] = set()


def _background(coroutine: Coroutine[None, None, None]) -> None:
    task = asyncio.get_running_loop().create_task(coroutine)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def give_back(admission: Admission) -> None:
    """Undoes `admit` for a turn that did not start after all."""
    await in_thread(_give_back, admission)


def free(lease: leases.Lease) -> None:
    """Frees the slot and the reservation, in this thread. Where Redis is away the lease expires by itself."""
    try:
        leases.release(redis_client.client(), lease)
    except redis_client.REDIS_ERRORS:
        logger.warning("Redis is away: the slot of answer %s is free when its lease expires, if not before", lease.id)


def _give_back(admission: Admission) -> None:
    windows.give_back(admission.keys)
    free(admission.lease)


def _admit_noting(progress: Progress, request: HttpRequest, asked: AdmissionRequest) -> Admission:
    with admission_of(progress):
        return _admit(request, asked)


def _admit(request: HttpRequest, asked: AdmissionRequest) -> Admission:
    try:
        return _through_the_gates(request, asked)
    except TooManyStreams as refusal:
        # What running answers have reserved comes back with their slots, so only what is spent makes the wait longer.
        raise _slowest([refusal, *_exhausted(asked, with_reserved=False)]) from None
    except (RateLimited, TokensExhausted, SpendExhausted) as refusal:
        raise _slowest([refusal, *_exhausted(asked, with_reserved=True)]) from None
    except (LimitsUnavailable, *redis_client.REDIS_ERRORS):
        return _without_redis(asked)


def _slowest(refused: list[Refusal]) -> Refusal:
    """The refusal to tell of several: the gate that takes longest, or whoever waited would be refused by the next."""
    return max(refused, key=lambda refusal: refusal.retry_after or 0)


def _through_the_gates(request: HttpRequest, asked: AdmissionRequest) -> Admission:
    if asked.quota.mode == Quota.Mode.SHADOW:
        return _in_shadow(request, asked)
    admission = Admission(lease=_lease(asked))
    try:
        taken = windows.take(request, GROUP, asked.requester.limit_key, asked.quota.rates)
    except BaseException:
        _give_back(admission)
        raise
    if taken.full:
        _give_back(admission)
        raise _rate_limited(taken.full, taken.windows)
    admission.keys, admission.headers = taken.keys, windows.headers(taken.windows)
    return admission


def _in_shadow(request: HttpRequest, asked: AdmissionRequest) -> Admission:
    """A quota in shadow mode lets everyone through and records whom it would have refused. The site's own budgets hold."""
    key = asked.requester.limit_key
    try:
        _peek_at_windows(request, asked)
        _take(key, key, _own_lease(asked), asked.quota.concurrent_streams, asked.quota, asked.day)
    except (RateLimited, TooManyStreams, TokensExhausted, SpendExhausted) as refusal:
        record_in_shadow(asked.quota, asked.requester, refusal)
    admission = Admission(lease=_lease(asked))
    uncapped = [Rate(10**9, rate.period, rate.name) for rate in asked.quota.rates]
    try:
        admission.keys = windows.take(request, GROUP, key, uncapped).keys
    except BaseException:
        _give_back(admission)
        raise
    return admission


def _peek_at_windows(request: HttpRequest, asked: AdmissionRequest) -> None:
    seen = windows.peek(request, GROUP, asked.requester.limit_key, asked.quota.rates)
    if full := _full(seen):
        raise _rate_limited(full, seen)


def record_in_shadow(quota: Quota, requester: Requester, refusal: Refusal) -> None:
    """All that a quota in shadow mode does: it says whom it would have refused, and why."""
    refusal_counts.record(requester, quota.name, refusal.code, shadow=True)
    logger.info("Shadow quota %r would have refused %s: %s", quota.name, requester.limit_key, refusal.code)


def _rate_limited(full: list[windows.Window], seen: list[windows.Window]) -> RateLimited:
    seconds = windows.retry_after(full)
    limit = ", ".join(f"{window.rate.limit}/{window.rate.name}" for window in full)
    words = ", ".join(f"{window.rate.limit} {per(window.rate.period)}" for window in full)
    return RateLimited(
        f"You have reached your limit of requests: {words}.", retry_after=seconds, limit=limit, headers=windows.headers(seen)
    )


# --- Slots and budgets ------------------------------------------------------


def _own_lease(asked: AdmissionRequest) -> leases.Lease:
    return leases.Lease(asked.id, (asked.requester.limit_key,), asked.tokens, asked.micro_usd, day_number(asked.day))


def day_number(day: date) -> int:
    """The day as reservations carry it: 20261122."""
    return day.year * 10_000 + day.month * 100 + day.day


def _whole_lease(asked: AdmissionRequest) -> leases.Lease:
    """With the site itself among the subjects, even while it has no budget: the day it gets one, what runs is known and is released."""
    lease = _own_lease(asked)
    return replace(lease, subjects=(*lease.subjects, SITE))


def _lease(asked: AdmissionRequest) -> leases.Lease:
    lease, limits = _own_lease(asked), asked.quota.enforced
    _take(asked.requester.limit_key, asked.requester.limit_key, lease, limits.concurrent_streams, limits, asked.day)
    try:
        _take(SITE, None, lease, None, asked.policy, asked.day)
    except BaseException:
        free(lease)
        raise
    return _whole_lease(asked)


def _take(subject: str, limit_key: str | None, lease: leases.Lease, most: int | None, budget: Quota | SitePolicy, day: date) -> None:
    client = redis_client.client()
    for _ in range(_STALE_TRIES):
        limited = most is not None or has_budget(budget)
        version = leases.version(client, subject, partial(_running, limit_key)) if limited else ""
        tokens, micro_usd = _remaining_budget(limit_key, budget, day)
        result = leases.take(client, subject, lease, leases.Headroom(most, tokens, micro_usd, version))
        if result == "ok":
            return
        if result != "stale":
            raise _refusal(result, limit_key is None)
    raise windows.unavailable()


def _running(limit_key: str | None) -> Iterator[leases.Lease]:
    with reading_ledger():
        rows = list(budgets.running(limit_key))
    return map(lease_of, rows)


def lease_of(row: Usage) -> leases.Lease:
    """What a running answer holds, as its row says."""
    tokens = row.prompt_tokens + row.completion_tokens
    return leases.Lease(str(row.answer), (row.limit_key, SITE), tokens, budgets.micro_usd(row.cost_usd), day_number(row.day))


def has_budget(budget: Quota | SitePolicy) -> bool:
    """Whether it limits tokens or money at all."""
    return budget.tokens_per_day is not None or budget.spend_per_month_usd is not None


def _remaining_budget(limit_key: str | None, budget: Quota | SitePolicy, day: date) -> tuple[int | None, int | None]:
    """What the ledger leaves of a budget: tokens of the day, micro_usd of its month; None where there is no limit."""
    if not has_budget(budget):
        return None, None
    with reading_ledger():
        spent = budgets.spent(limit_key, day)
    tokens = None if budget.tokens_per_day is None else budget.tokens_per_day - spent.tokens
    micro_usd = None if budget.spend_per_month_usd is None else budgets.micro_usd(budget.spend_per_month_usd) - spent.micro_usd
    return tokens, micro_usd


def _exhausted(asked: AdmissionRequest, with_reserved: bool) -> Iterator[Refusal]:
    """Yields the refusals of the budgets in which the ledger leaves no headroom.

    `with_reserved`: what running answers have reserved is used as well.
    """
    checks: list[tuple[str | None, Quota | SitePolicy]] = [(asked.requester.limit_key, asked.quota.enforced), (None, asked.policy)]
    for limit_key, budget in checks:
        if has_budget(budget):
            with reading_ledger():
                spent = budgets.spent(limit_key, asked.day)
            for gate in _without_headroom(asked, budget, spent, with_reserved):
                yield _refusal(gate, limit_key is None)


def _without_headroom(asked: AdmissionRequest, budget: Quota | SitePolicy, spent: budgets.Spent, with_reserved: bool) -> Iterator[str]:
    """The gates of a budget without headroom, as `leases.take` names them."""
    gates = [("tokens", budget.tokens_per_day, asked.tokens + spent.tokens, spent.reserved_tokens)]
    if budget.spend_per_month_usd is not None:
        gates.append(("money", budgets.micro_usd(budget.spend_per_month_usd), asked.micro_usd + spent.micro_usd, spent.reserved_micro_usd))
    for gate, limit, wanted, reserved in gates:
        if limit is not None and wanted > limit:
            yield gate
        elif limit is not None and with_reserved and wanted + reserved > limit:
            yield f"{gate} reserved"


def _refusal(result: str, whole_site: bool) -> Refusal:
    """What to say for a gate's answer. A budget that is only reserved by running answers may be free earlier, but is so at its reset."""
    whose = "This site's" if whole_site else "Your"
    now = timezone.now()
    if result == "slots":
        return TooManyStreams(
            "You have as many answers running as you may. Wait for one to end, or stop one.",
            retry_after=SLOT_HINT_SECONDS,
            limit="concurrent_streams",
        )
    gate, _, reserved = result.partition(" ")
    state = "reserved for answers that are still running" if reserved else "used up"
    if gate == "tokens":
        wait = budgets.seconds_until(budgets.next_day(now), now)
        return TokensExhausted(f"{whose} tokens for today are {state}.", retry_after=wait, limit="tokens_per_day")
    wait = budgets.seconds_until(budgets.next_month(now), now)
    return SpendExhausted(f"{whose} budget for this month is {state}.", retry_after=wait, limit="spend_per_month_usd")


def _without_redis(asked: AdmissionRequest) -> Admission:
    """LIMITS_WHEN_REDIS_DOWN=allow: no request limits and no slots, but the budgets of the ledger hold.

    The lease is one all the same: the worker writes it when Redis is back.
    """
    if settings.LIMITS_WHEN_REDIS_DOWN != "allow":
        raise windows.unavailable()
    return Admission(lease=_whole_lease(asked), unchecked=True)


def check_ledger(asked: AdmissionRequest) -> None:
    """Raises the refusal of a budget for which the ledger alone, running answers included, has no headroom.

    Call it in the transaction that writes the turn: one turn at a time comes through.
    """
    SitePolicy.lock()
    if exhausted := list(_exhausted(asked, with_reserved=True)):
        raise _slowest(exhausted)
