"""Resets of used-up limits: empty windows, and a grant of what was used.

The ledger is never changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q, QuerySet, Sum
from django.utils import timezone

from chat.limits import windows
from chat.limits.budgets import ExactSum
from chat.limits.effective_quota import granted
from chat.models import Grant, Quota, SitePolicy, Usage
from chat.rates import Rate
from chat.requester import Requester

REASON = "counters reset"
_CENTS = Decimal("0.0001")  # what a grant holds


@dataclass(frozen=True)
class Reset:
    """Holds what a person was granted again: tokens of today, USD of this month."""

    tokens: int
    usd: Decimal


def reset(people: "QuerySet[User]", by: int) -> dict[int, Reset]:
    """Empties the windows of these people and grants them what they have used.

    Returns the grants by the id of the person; `by` is the id of the operator. Resetting twice
    grants nothing twice. Raises LimitsUnavailable when Redis does not answer; nothing is granted
    then.
    """
    ids = list(people.order_by().values_list("pk", flat=True))
    windows.forget(windows.TURNS, (Requester(pk, "", "").limit_key for pk in ids), _all_windows())
    with transaction.atomic():
        # One operator at a time: two who reset at once would both grant the same.
        SitePolicy.lock()
        resets = _owed(people)
        Grant.objects.bulk_create(
            [
                Grant(user_id=pk, tokens=each.tokens, usd=each.usd, reason=REASON, created_by_id=by)
                for pk, each in resets.items()
            ],
            batch_size=500,
        )
    return resets


def _all_windows() -> list[Rate]:
    """Returns one rate for each period of any quota.

    A person may have come from another quota a moment ago.
    """
    rates = (rate for quota in Quota.objects.only("requests") for rate in quota.rates)
    return list({rate.period: rate for rate in rates}.values())


def _owed(people: "QuerySet[User]") -> dict[int, Reset]:
    given: Mapping[int, tuple[int, Decimal]] = granted(
        people.order_by().values("pk"), reason=REASON
    )
    owed = {}
    for user_id, tokens, usd in _spent(people):
        tokens_before, usd_before = given.get(user_id, (0, Decimal(0)))
        each = Reset(
            max(0, (tokens or 0) - tokens_before),
            max(Decimal(0), usd.quantize(_CENTS, ROUND_CEILING) - usd_before),
        )
        if each.tokens or each.usd:
            owed[user_id] = each
    return owed


def _spent(people: "QuerySet[User]") -> "QuerySet[Usage, Any]":
    today = timezone.localdate()
    rows = Usage.objects.filter(
        user__in=people.order_by().values("pk"), day__gte=today.replace(day=1), day__lte=today
    ).order_by()
    tokens = Sum(F("prompt_tokens") + F("completion_tokens"), filter=Q(day=today))
    settled = rows.exclude(outcome=Usage.Outcome.RUNNING)
    return settled.values_list("user").annotate(tokens=tokens, usd=ExactSum("cost_usd"))
