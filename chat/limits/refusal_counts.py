"""Which gate refused which turns: counted in memory, written to the database every few seconds.

A flood of refusals must not become a flood of writes, so a refusal costs no query. When a worker is
killed, what it counted since its last write is lost.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, F, Max, Q, QuerySet, Sum
from django.utils import timezone

from chat.models import RefusalCount
from chat.requester import Requester
from chat.rollback import rollback_on_error

KEPT_DAYS = 90
_MAX_KEYS = 5_000


@dataclass(frozen=True)
class _Key:
    user_id: int | None
    limit_key: str
    quota: str
    code: str
    shadow: bool


_counts: Counter[_Key] = Counter()
_lock = Lock()


def record(requester: Requester, quota: str, code: str, *, shadow: bool = False) -> None:
    """Counts one refused turn; `shadow`: one that a quota in shadow mode let through.

    Does not block.
    """
    key = _Key(requester.user_id, requester.limit_key, quota, code, shadow)
    with _lock:
        # A flood from ever new addresses is counted in one line, so that memory stays bounded.
        _counts[
            key
            if key in _counts or len(_counts) < _MAX_KEYS
            else _Key(None, "", quota, code, shadow)
        ] += 1


def write() -> None:
    """Writes what was counted since the last time, all or nothing.

    Blocks on the database; its errors are raised, and lose no count.
    """
    with _lock:
        counts = Counter(_counts)
        _counts.clear()
    if not counts:
        return
    with rollback_on_error() as undo:
        undo.callback(_count_again, counts)
        _write(counts)


def _count_again(counts: Counter[_Key]) -> None:
    with _lock:
        _counts.update(counts)


def _write(counts: Counter[_Key]) -> None:
    now = timezone.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    with transaction.atomic():
        people = set(
            User.objects.filter(id__in={key.user_id for key in counts if key.user_id}).values_list(
                "id", flat=True
            )
        )
        for key, count in counts.items():
            row, made = RefusalCount.objects.get_or_create(
                hour=hour,
                limit_key=key.limit_key,
                quota=key.quota,
                code=key.code,
                shadow=key.shadow,
                defaults={
                    "user_id": key.user_id if key.user_id in people else None,
                    "day": timezone.localdate(now),
                    "count": count,
                    "last": now,
                },
            )
            if made:
                _forget_old(row)
            else:
                RefusalCount.objects.filter(pk=row.pk).update(count=F("count") + count, last=now)


def _forget_old(newest: RefusalCount) -> None:
    """Deletes rows older than KEPT_DAYS.

    Called when an hour has a new row, which is rare enough.
    """
    RefusalCount.objects.filter(day__lt=newest.day - timedelta(days=KEPT_DAYS)).delete()


# --- For operators --------------------------------------------------------------


def by_gate(**which: Any) -> "QuerySet[RefusalCount, Any]":
    """Returns sums by `code` and `shadow`, the most turns first.

    `last_day` and `last_week` are turns, `people` counts those who were refused, `last` is the
    time.
    """
    return _lately("code", "shadow", **which).annotate(people=Count("limit_key", distinct=True))


def by_person(**which: Any) -> "QuerySet[RefusalCount, Any]":
    """Returns the same sums by person, `code` and `shadow`, without `people`."""
    return _lately("user_id", "user__username", "limit_key", "code", "shadow", **which)


def _lately(*groups: str, **which: Any) -> "QuerySet[RefusalCount, Any]":
    now = timezone.now()
    rows: QuerySet[RefusalCount, Any] = (
        RefusalCount.objects.filter(**which, last__gte=now - timedelta(days=7))
        .order_by()
        .values(*groups)
    )
    day = Sum("count", filter=Q(last__gte=now - timedelta(days=1)), default=0)
    return rows.annotate(last_day=day, last_week=Sum("count"), last=Max("last")).order_by(
        "-last_week", "-last"
    )
