"""What applies to a person, why, how much of it is used, and when it resets.

Blocks on Redis and the database.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.contrib.auth.models import Group
from django.utils import timezone

from chat import redis_client
from chat.errors import LimitsUnavailable
from chat.limits import budgets, leases, windows
from chat.limits.effective_quota import EffectiveQuota, effective_quota_of
from chat.models import Quota
from chat.requester import Requester


@dataclass(frozen=True)
class Report:
    """Holds what applies to a person and what is used of it. Money is in USD.

    `quota` includes the grants; None where none applies. `windows` and `streams` are None while
    Redis does not answer.
    """

    quota: Quota | None
    effective: EffectiveQuota
    reason: str
    windows: list[windows.Window] | None
    streams: int | None
    tokens: int
    spend: Decimal
    tokens_reset: datetime
    spend_reset: datetime


@dataclass(frozen=True)
class Words:
    """Holds the words for the person in a reason."""

    you: str
    your: str


YOU = Words("you", "your")
THEM = Words("them", "their")


def report(requester: Requester, words: Words = YOU) -> Report:
    """Makes the report for the requester, with at most seven queries.

    Tokens and spend are those of settled answers.
    """
    effective = effective_quota_of(requester)
    quota = effective.quota
    now = timezone.now()
    key = requester.limit_key
    spent = budgets.spent(key, timezone.localdate(now))
    used_windows, streams = read_redis(key, quota)
    return Report(
        quota=quota,
        effective=effective,
        reason=_reason(quota, requester, words),
        windows=used_windows,
        streams=streams,
        tokens=spent.tokens,
        spend=Decimal(spent.micro_usd).scaleb(-6),
        tokens_reset=budgets.next_day(now),
        spend_reset=budgets.next_month(now),
    )


def read_redis(key: str, quota: Quota | None) -> tuple[list[windows.Window] | None, int | None]:
    """Returns the windows and the number of running answers counted as `key`.

    Both are None while Redis does not answer.
    """
    try:
        used = windows.peek(windows.TURNS, key, quota.rates if quota else [])
        return used, leases.in_use(redis_client.client(), key)
    except (LimitsUnavailable, *redis_client.REDIS_ERRORS):
        return None, None


def _reason(quota: Quota | None, requester: Requester, words: Words) -> str:
    if quota is None:
        return f"no quota applies to {words.you}"
    if requester.user_id is None:
        return "it is the one for guests"
    if getattr(quota, "names_user", False):
        return f"it names {words.you}"
    if getattr(quota, "names_group", False):
        group = Group.objects.filter(quotas=quota, user=requester.user_id).order_by("name").first()
        return (
            f"it names {words.your} group {group.name}"
            if group
            else f"it names one of {words.your} groups"
        )
    return "it is the default"
