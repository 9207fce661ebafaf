"""What applies to one person: their quota, what an operator granted beyond it, and whether they are paused. Blocks on the database."""

from copy import copy
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum
from django.utils import timezone

from chat.limits.budgets import ExactSum
from chat.models import Grant, Pause, Quota, Requester


@dataclass(frozen=True)
class Standing:
    """`quota` has the grants in it already; None where none applies. `pause` is the operator's note to a paused person."""

    quota: Quota | None
    granted_tokens: int = 0
    granted_usd: Decimal = Decimal(0)
    pause: str | None = None


def standing_of(requester: Requester) -> Standing:
    """What applies right now: one query for the quota, and two more for people with an account."""
    quota = Quota.objects.for_requester(requester)
    if requester.user_id is None:
        return Standing(quota)
    pause = Pause.objects.filter(user=requester.user_id).values_list("note", flat=True).first()
    tokens, usd = _granted(requester.user_id)
    return Standing(_raised(quota, tokens, usd) if quota else None, tokens, usd, pause)


def _granted(user_id: int) -> tuple[int, Decimal]:
    """Tokens granted for today, and USD granted for this month."""
    today = timezone.localdate()
    grants = Grant.objects.filter(user=user_id).order_by()
    tokens = grants.filter(day=today).aggregate(tokens=Sum("tokens"))["tokens"]
    usd = grants.filter(day__gte=today.replace(day=1), day__lte=today).aggregate(usd=ExactSum("usd"))["usd"]
    return tokens or 0, usd


def _raised(quota: Quota, tokens: int, usd: Decimal) -> Quota:
    raised = copy(quota)
    if raised.tokens_per_day is not None:
        raised.tokens_per_day += tokens
    if raised.spend_per_month_usd is not None:
        raised.spend_per_month_usd += usd
    return raised
