"""Rows of the ledger for tests of its sums."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import User
from django.utils import timezone

from chat.models import Usage
from chat.operator import periods
from chat.operator.periods import Period
from tests.harness.people import Person

# Months in which no other test has answers.
_months = iter(f"{year}-{month:02}" for year in range(2001, 2020) for month in range(1, 13))


def use(day: date, who: Person | User | None = None, **fields: Any) -> Usage:
    """Returns a new row of that day: of the person, or of a guest."""
    user = who.user if isinstance(who, Person) else who
    key = f"u:{user.pk}" if user else "ip:198.51.100.1"
    plain = {
        "model": "m",
        "outcome": "complete",
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "cost_usd": Decimal("0.1"),
    }
    return Usage.objects.create(
        answer=uuid4(), user=user, owner_key=key, limit_key=key, day=day, **plain | fields
    )


def new_month() -> Period:
    """Returns a month that no other test of this process has asked for."""
    return periods.period_of(next(_months), timezone.localdate())
