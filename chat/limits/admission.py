"""May this turn run? All gates, before any cost; whoever is refused has consumed nothing.

The order: a peek at the request windows (the cheap refusal), slots and
budgets, then the windows are counted, and that count decides.
"""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import TypeVar

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from chat import redis
from chat.errors import LimitsUnavailable, RateLimited, SpendExhausted, TokensExhausted, TooManyStreams
from chat.limits import budgets, slots, windows
from chat.models import Quota, Requester, SitePolicy
from chat.rates import Rate
from chat.threads import in_thread

logger = logging.getLogger("chat.limits")
T = TypeVar("T")

GROUP = "chat"
SITE = "site"
SLOT_HINT_SECONDS = 2
# A refusal because Redis is down comes within 2 s; after one failure the next
# requests do not each wait for their own.
_DEADLINE_SECONDS = 1.8
_DOWN_SECONDS = 0.5
_STALE_TRIES = 20
_down_until = 0.0


@dataclass(frozen=True)
class Ask:
    """What is asked for: an upper bound of tokens and micros (millionths of a USD) under the answer's id."""

    id: str
    requester: Requester
    quota: Quota
    policy: SitePolicy
    tokens: int
    micros: int


@dataclass
class Admission:
    """What a turn took: the hold on slots and budgets (None without Redis), the window counters, and the RateLimit headers."""

    hold: slots.Hold | None = None
    keys: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)


async def admit(request: HttpRequest, ask: Ask) -> Admission:
    """Takes from every gate, or raises a Refusal and takes nothing. LimitsUnavailable within 2 s when Redis is down."""
    work = asyncio.ensure_future(in_thread(_admit, request, ask))
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            return await asyncio.shield(work)
    except TimeoutError:
        work.add_done_callback(_give_back_late)
        raise windows.unavailable() from None


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


async def release(hold: slots.Hold | None) -> None:
    """Frees the slot and the reservation of an answer that has ended; its lease expires by itself where Redis is away."""
    if hold is not None:
        await in_thread(free, hold)


def free(hold: slots.Hold) -> None:
    try:
        slots.release(redis.client(), hold)
    except redis.Unavailable:
        logger.warning("Redis is away: the slot of answer %s is free when its lease expires", hold.id)


def _give_back(admission: Admission) -> None:
    windows.give_back(admission.keys)
    if admission.hold is not None:
        free(admission.hold)


def _admit(request: HttpRequest, ask: Ask) -> Admission:
    global _down_until
    try:
        if monotonic() < _down_until:
            raise windows.unavailable()
        return _through_the_gates(request, ask)
    except (LimitsUnavailable, *redis.Unavailable):
        if monotonic() >= _down_until:
            _down_until = monotonic() + _DOWN_SECONDS
        if settings.LIMITS_WHEN_REDIS_DOWN == "allow":
            return _without_redis(ask)
        raise windows.unavailable() from None


def _through_the_gates(request: HttpRequest, ask: Ask) -> Admission:
    if ask.quota.mode == Quota.Mode.SHADOW:
        return _in_shadow(request, ask)
    rates = ask.quota.rates
    key = ask.requester.limit_key
    seen = windows.peek(request, GROUP, key, rates)
    if full := [window for window in seen if window.remaining < 1]:
        raise _rate_limited(full, seen)
    admission = Admission(hold=_hold(ask))
    try:
        taken = windows.take(request, GROUP, key, rates)
    except BaseException:
        _give_back(admission)
        raise
    if taken.full:
        _give_back(admission)
        raise _rate_limited(taken.full, taken.windows)
    admission.keys, admission.headers = taken.keys, windows.headers(taken.windows)
    return admission


def _in_shadow(request: HttpRequest, ask: Ask) -> Admission:
    """A quota in shadow mode lets everyone through and records whom it would have refused. The site's own budgets hold."""
    key = ask.requester.limit_key
    try:
        seen = windows.peek(request, GROUP, key, ask.quota.rates)
        if full := [window for window in seen if window.remaining < 1]:
            raise _rate_limited(full, seen)
        hold = _hold(ask)
    except (RateLimited, TooManyStreams, TokensExhausted, SpendExhausted) as refusal:
        logger.info("Shadow quota %r would have refused %s: %s", ask.quota.name, key, refusal.code)
        hold = _hold(ask, enforce=False)
    uncapped = [Rate(10**9, rate.period, rate.name) for rate in ask.quota.rates]
    return Admission(hold=hold, keys=windows.take(request, GROUP, key, uncapped).keys)


def _rate_limited(full: list[windows.Window], seen: list[windows.Window]) -> RateLimited:
    seconds = windows.retry_after(full)
    limit = ", ".join(f"{window.rate.limit}/{window.rate.name}" for window in full)
    return RateLimited(
        f"You have reached your limit of requests ({limit}).", retry_after=seconds, limit=limit, headers=windows.headers(seen)
    )


# --- Slots and budgets ------------------------------------------------------


def _hold(ask: Ask, enforce: bool = True) -> slots.Hold:
    hold = slots.Hold(ask.id, (ask.requester.limit_key,), ask.tokens, ask.micros)
    quota = ask.quota if enforce else Quota()
    _take(ask.requester.limit_key, ask.requester.limit_key, hold, quota.concurrent_streams, quota)
    if ask.policy.tokens_per_day is None and ask.policy.spend_per_month_usd is None:
        return hold
    try:
        _take(SITE, None, hold, None, ask.policy)
    except BaseException:
        free(hold)
        raise
    return slots.Hold(ask.id, (*hold.holders, SITE), ask.tokens, ask.micros)


def _take(holder: str, limit_key: str | None, hold: slots.Hold, most: int | None, budget: Quota | SitePolicy) -> None:
    client = redis.client()
    for _ in range(_STALE_TRIES):
        now = timezone.now()
        version = slots.version(client, holder) if _is_set(budget) else ""
        tokens, micros = _room(limit_key, budget, now)
        result = slots.take(client, holder, hold, slots.Room(most, tokens, micros, version))
        if result != "stale":
            return _refuse(result, limit_key is None, now)
    raise windows.unavailable()


def _is_set(budget: Quota | SitePolicy) -> bool:
    return budget.tokens_per_day is not None or budget.spend_per_month_usd is not None


def _room(limit_key: str | None, budget: Quota | SitePolicy, now: datetime, running: bool = False) -> tuple[int | None, int | None]:
    """What the ledger leaves of a budget: tokens of today, micros of this month; None where there is no limit."""
    tokens = micros = None
    if budget.tokens_per_day is not None:
        tokens = budget.tokens_per_day - budgets.spent_tokens(limit_key, now, running)
    if budget.spend_per_month_usd is not None:
        micros = budgets.micros(budget.spend_per_month_usd) - budgets.spent_micros(limit_key, now, running)
    return tokens, micros


def _refuse(result: str, whole_site: bool, now: datetime) -> None:
    """Raises the refusal that a gate's answer stands for; nothing for "ok"."""
    whose = "This site's" if whole_site else "Your"
    if result == "slots":
        raise TooManyStreams(
            "You have as many answers running as you may. Wait for one to end, or stop one.",
            retry_after=SLOT_HINT_SECONDS,
            limit="concurrent_streams",
        )
    if result == "tokens":
        wait = budgets.seconds_until(budgets.next_day(now), now)
        raise TokensExhausted(f"{whose} tokens for today are used up.", retry_after=wait, limit="tokens_per_day")
    if result == "money":
        wait = budgets.seconds_until(budgets.next_month(now), now)
        raise SpendExhausted(f"{whose} budget for this month is used up.", retry_after=wait, limit="spend_per_month_usd")


def _without_redis(ask: Ask) -> Admission:
    """LIMITS_WHEN_REDIS_DOWN=allow: no request limits and no slots, but the budgets of the ledger hold."""
    now = timezone.now()
    checks: list[tuple[str | None, Quota | SitePolicy]] = [(ask.requester.limit_key, ask.quota), (None, ask.policy)]
    for limit_key, budget in checks:
        tokens, micros = _room(limit_key, budget, now, running=True)
        if tokens is not None and ask.tokens > tokens:
            _refuse("tokens", limit_key is None, now)
        if micros is not None and ask.micros > micros:
            _refuse("money", limit_key is None, now)
    return Admission()
