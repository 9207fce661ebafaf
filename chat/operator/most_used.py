"""The people who use most of a quota now, for its page in the admin.

Blocks on Redis and the database.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, ExpressionWrapper, F, FloatField, Max, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from chat.limits import budgets
from chat.limits.budgets import ExactSum
from chat.limits.effective_quota import EffectiveQuota, granted, with_grants
from chat.limits.usage_report import Report, read_redis
from chat.models import Quota, Usage
from chat.rates import Rate

MAX_SHOWN = 10


@dataclass(frozen=True)
class Use:
    """Holds what one person used.

    `key` is what the limits are counted on; `user` is None for a guest.
    """

    key: str
    user: User | None
    report: Report


def most_used(quota: Quota) -> list[Use]:
    """Returns the people or guests nearest to one of the quota's limits, at most MAX_SHOWN.

    Those who have used nothing are left out. Three queries.
    """
    now = timezone.now()
    rows = list(_ranked(quota, now)[:MAX_SHOWN])
    ids = [row["user_id"] for row in rows if row["user_id"]]
    people, grants = User.objects.in_bulk(ids), granted(ids)
    return [
        _use(
            quota, row, people.get(row["user_id"]), grants.get(row["user_id"], (0, Decimal(0))), now
        )
        for row in rows
    ]


def _use(
    quota: Quota, row: dict[str, Any], user: User | None, grant: tuple[int, Decimal], now: datetime
) -> Use:
    limits = with_grants(quota, *grant)
    windows, streams = read_redis(row["limit_key"], quota)
    report = Report(
        quota=limits,
        effective=EffectiveQuota(limits, *grant),
        reason="",
        windows=windows,
        streams=streams,
        tokens=row["tokens"] or 0,
        spend=row["spend"],
        tokens_reset=budgets.next_day(now),
        spend_reset=budgets.next_month(now),
    )
    return Use(row["limit_key"], user, report)


def _ranked(quota: Quota, now: datetime) -> "QuerySet[Usage, Any]":
    """Returns the use by limit key, nearest to a limit first.

    The rank alone is a float; the figures are exact.
    """
    today = timezone.localdate(now)
    longest = timedelta(seconds=max((rate.period for rate in quota.rates), default=0))
    since = min(today.replace(day=1), timezone.localdate(now - longest))
    limits: dict[str, int | Decimal | None] = {
        "tokens": quota.tokens_per_day,
        "money": quota.spend_per_month_usd,
        "running": quota.concurrent_streams,
    }
    limits |= {_turns(rate): rate.limit for rate in quota.rates}
    parts = [_share(name, limit) for name, limit in limits.items() if limit]
    parts = parts or [_share("tokens", 1)]
    rank = Greatest(*parts) if len(parts) > 1 else parts[0]
    return (
        _rows(quota)
        .filter(day__gte=since)
        .order_by()
        .values("limit_key")
        .annotate(**_figures(quota, now))
        .annotate(rank=rank)
        .filter(rank__gt=0)
        .order_by("-rank", "limit_key")
    )


def _figures(quota: Quota, now: datetime) -> dict[str, Any]:
    """Returns the aggregates of what is used of each limit; `spend` is exact, `money` a float."""
    today = timezone.localdate(now)
    settled = ~Q(outcome=Usage.Outcome.RUNNING)
    this_month = settled & Q(day__gte=today.replace(day=1))
    figures: dict[str, Any] = {
        "tokens": Sum(F("prompt_tokens") + F("completion_tokens"), filter=settled & Q(day=today)),
        "spend": ExactSum("cost_usd", filter=this_month),
        "running": Count("pk", filter=~settled),
        "user_id": Max("user"),
        "money": Sum("cost_usd", filter=this_month, output_field=FloatField()),
    }
    for rate in quota.rates:
        begin = now - timedelta(seconds=rate.period)
        figures[_turns(rate)] = Count("pk", filter=Q(created__gte=begin))
    return figures


def _turns(rate: Rate) -> str:
    return f"turns_{rate.period}"


def _share(name: str, limit: int | Decimal) -> Coalesce:
    share = ExpressionWrapper(F(name) * Value(1.0) / Value(float(limit)), output_field=FloatField())
    return Coalesce(share, Value(0.0), output_field=FloatField())


def _rows(quota: Quota) -> "QuerySet[Usage]":
    people = Q(user__in=quota.people().values("pk"))
    return Usage.objects.filter(
        people | Q(user=None, limit_key__startswith="ip:") if quota.for_guests else people
    )
