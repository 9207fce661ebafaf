"""What applies to one person: their quota, the grants of an operator, and a pause.

Blocks on the database.
"""

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from chat.limits.budgets import ExactSum
from chat.models import Grant, Pause, Quota
from chat.requester import Requester


@dataclass(frozen=True)
class EffectiveQuota:
    """Holds what applies to one person.

    `quota` includes the grants; None where none applies. `pause` is the operator's note to a paused
    person, None for others.
    """

    quota: Quota | None
    granted_tokens: int = 0
    granted_usd: Decimal = Decimal(0)
    pause: str | None = None


def effective_quota_of(requester: Requester) -> EffectiveQuota:
    """Returns what applies to the requester now.

    One query for the quota, and two more for a person with an account.
    """
    quota = Quota.objects.for_requester(requester)
    if requester.user_id is None:
        return EffectiveQuota(quota)
    pause = Pause.objects.filter(user=requester.user_id).values_list("note", flat=True).first()
    tokens, usd = granted([requester.user_id]).get(requester.user_id, (0, Decimal(0)))
    return EffectiveQuota(with_grants(quota, tokens, usd) if quota else None, tokens, usd, pause)


def granted(
    people: "Iterable[int] | QuerySet[User, Any]", reason: str | None = None
) -> dict[int, tuple[int, Decimal]]:
    """Returns tokens granted for today and USD granted for this month, by the id of the person.

    People without grants are left out. One query.
    """
    today = timezone.localdate()
    grants = Grant.objects.filter(
        user__in=people, day__gte=today.replace(day=1), day__lte=today
    ).order_by()
    if reason is not None:
        grants = grants.filter(reason=reason)
    rows = grants.values_list("user").annotate(
        tokens=Sum("tokens", filter=Q(day=today)), usd=ExactSum("usd")
    )
    return {user_id: (tokens or 0, usd) for user_id, tokens, usd in rows}


def with_grants(quota: Quota, tokens: int, usd: Decimal) -> Quota:
    """Returns a copy of the quota with the grants added; a limit of None stays None."""
    copied = copy(quota)
    if copied.tokens_per_day is not None:
        copied.tokens_per_day += tokens
    if copied.spend_per_month_usd is not None:
        copied.spend_per_month_usd += usd
    return copied
