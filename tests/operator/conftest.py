"""Fixtures of the tests of the administration."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from django.test import Client

    from chat.operator.periods import Period
    from tests.harness.people import Person


@pytest.fixture
def helper(alice: "Person") -> "Client":
    """Returns a client of staff, Alice, who may look at people and nothing else."""
    from django.contrib.auth.models import Permission, User

    from tests.harness.visitor import visitor

    User.objects.filter(pk=alice.user.pk).update(is_staff=True)
    alice.user.user_permissions.add(Permission.objects.get(codename="view_user"))
    return visitor(alice.user)


@pytest.fixture
def month(db_ready: None) -> "Iterator[Period]":
    """Yields a month of the test's own, without any rows; those that came go afterwards."""
    from chat.models import RefusalCount, Usage
    from tests.harness.ledger import new_month

    period = new_month()
    yield period
    for table in (Usage, RefusalCount):
        table.objects.filter(day__gte=period.first, day__lte=period.last).delete()
