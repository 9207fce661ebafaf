"""Slots and budgets that a turn reserves until its answer ends, for the person and the site.

What was spent is in the ledger (SQL), what is reserved is in Redis (`chat.limits.leases`). All
functions block on both.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import partial

from django.utils import timezone

from chat import redis_client
from chat.errors import Refusal, SpendExhausted, TokensExhausted, TooManyStreams
from chat.limits import budgets, leases, windows
from chat.limits.admission_request import AdmissionRequest
from chat.limits.progress import reading_ledger
from chat.models import Quota, SitePolicy, Usage
from chat.rollback import rollback_on_error

logger = logging.getLogger("chat.limits")

# The subject of the reservations that count for the whole site.
SITE = "site"
_MAX_STALE_TRIES = 20


def reserve(asked: AdmissionRequest) -> leases.Lease:
    """Takes a slot and the reservation for the person and the site, and returns their lease.

    Raises a Refusal, and takes nothing, where one of the two has no room.
    """
    lease = _own_lease(asked)
    take(asked, asked.requester.limit_key, asked.quota.enforced)
    with rollback_on_error() as undo:
        undo.callback(free, lease)
        take(asked, None, asked.policy)
    return whole_lease(asked)


def free(lease: leases.Lease) -> None:
    """Frees the slot and the reservation. While Redis is away, the lease expires by itself."""
    try:
        leases.release(redis_client.client(), lease)
    except redis_client.REDIS_ERRORS:
        logger.warning(
            "Redis is away: the slot of answer %s is free when its lease expires, if not before",
            lease.id,
        )


def take(asked: AdmissionRequest, limit_key: str | None, budget: Quota | SitePolicy) -> None:
    """Takes from one subject (None: the site) within `budget`, or raises a Refusal.

    The ledger is read again where a reservation has moved into it meanwhile.
    """
    client, lease = redis_client.client(), _own_lease(asked)
    subject = SITE if limit_key is None else limit_key
    max_slots = budget.concurrent_streams if isinstance(budget, Quota) else None
    for _ in range(_MAX_STALE_TRIES):
        limited = max_slots is not None or has_budget(budget)
        version = leases.version(client, subject, partial(running, limit_key)) if limited else ""
        tokens, micro_usd = _remaining_budget(limit_key, budget, asked.day)
        result = leases.take(
            client, subject, lease, leases.Headroom(max_slots, tokens, micro_usd, version)
        )
        if result == "ok":
            return
        if result != "stale":
            raise _refusal(asked, result, limit_key is None)
    raise windows.unavailable()


def _own_lease(asked: AdmissionRequest) -> leases.Lease:
    key = asked.requester.limit_key
    return leases.Lease(asked.id, (key,), asked.tokens, asked.micro_usd, day_number(asked.day))


def whole_lease(asked: AdmissionRequest) -> leases.Lease:
    """Returns the lease for the person and the site, even while the site has no budget.

    When the site gets one, what runs is known and will be released.
    """
    lease = _own_lease(asked)
    return replace(lease, subjects=(*lease.subjects, SITE))


def lease_of(row: Usage) -> leases.Lease:
    """Returns the lease of a running answer, by its row in the ledger."""
    tokens, micro_usd = row.prompt_tokens + row.completion_tokens, budgets.micro_usd(row.cost_usd)
    return leases.Lease(
        str(row.answer), (row.limit_key, SITE), tokens, micro_usd, day_number(row.day)
    )


def running(limit_key: str | None) -> Iterator[leases.Lease]:
    """Returns the leases of the running answers of one person or (None) of the site."""
    with reading_ledger():
        rows = list(budgets.running(limit_key))
    return map(lease_of, rows)


def day_number(day: date) -> int:
    """Returns the day as reservations carry it: 20261122."""
    return day.year * 10_000 + day.month * 100 + day.day


def has_budget(budget: Quota | SitePolicy) -> bool:
    """Tells whether tokens or money are limited at all."""
    return budget.tokens_per_day is not None or budget.spend_per_month_usd is not None


def _remaining_budget(
    limit_key: str | None, budget: Quota | SitePolicy, day: date
) -> tuple[int | None, int | None]:
    """Returns what the ledger leaves: tokens of the day, millionths of a USD of its month.

    None is no limit.
    """
    if not has_budget(budget):
        return None, None
    with reading_ledger():
        spent = budgets.spent(limit_key, day)
    tokens = None if budget.tokens_per_day is None else budget.tokens_per_day - spent.tokens
    if budget.spend_per_month_usd is None:
        return tokens, None
    return tokens, budgets.micro_usd(budget.spend_per_month_usd) - spent.micro_usd


# --- Why there is none ----------------------------------------------------------


def exhausted(asked: AdmissionRequest, *, with_reserved: bool) -> Iterator[Refusal]:
    """Yields the refusals of the budgets in which the ledger leaves no headroom.

    `with_reserved`: reservations of running answers count as used.
    """
    checks: list[tuple[str | None, Quota | SitePolicy]] = [
        (asked.requester.limit_key, asked.quota.enforced),
        (None, asked.policy),
    ]
    for limit_key, budget in checks:
        if has_budget(budget):
            with reading_ledger():
                spent = budgets.spent(limit_key, asked.day)
            for gate in _without_headroom(asked, budget, spent, with_reserved):
                yield _refusal(asked, gate, limit_key is None)


def _without_headroom(
    asked: AdmissionRequest, budget: Quota | SitePolicy, spent: budgets.Spent, with_reserved: bool
) -> Iterator[str]:
    """Yields the gates of a budget without headroom, as `leases.take` names them."""
    gates = [("tokens", budget.tokens_per_day, asked.tokens + spent.tokens, spent.reserved_tokens)]
    if budget.spend_per_month_usd is not None:
        limit = budgets.micro_usd(budget.spend_per_month_usd)
        gates.append(("money", limit, asked.micro_usd + spent.micro_usd, spent.reserved_micro_usd))
    for gate, limit_or_none, wanted, reserved in gates:
        if limit_or_none is not None and wanted > limit_or_none:
            yield gate
        elif limit_or_none is not None and with_reserved and wanted + reserved > limit_or_none:
            yield f"{gate} reserved"


def _refusal(asked: AdmissionRequest, result: str, whole_site: bool) -> Refusal:
    """Makes the refusal for what `leases.take` returned.

    What running answers have reserved may be free earlier; it is free at the reset at the latest.
    """
    if result == "slots":
        message = "You have as many answers running as you may. Wait for one to end, or stop one."
        return asked.refusal(
            TooManyStreams, message, retry_after=leases.RETRY_SECONDS, limit="concurrent_streams"
        )
    gate, _, reserved = result.partition(" ")
    whose = "This site's" if whole_site else "Your"
    state = "reserved for answers that are still running" if reserved else "used up"
    now = timezone.now()
    if gate == "tokens":
        wait = budgets.seconds_until(budgets.next_day(now), now)
        message = f"{whose} tokens for today are {state}."
        return asked.refusal(TokensExhausted, message, retry_after=wait, limit="tokens_per_day")
    wait = budgets.seconds_until(budgets.next_month(now), now)
    message = f"{whose} budget for this month is {state}."
    return asked.refusal(SpendExhausted, message, retry_after=wait, limit="spend_per_month_usd")
