"""Fixtures of the tests of turns."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import MakeUser
    from tests.harness.people import Person


@pytest.fixture
def carol(make_user: "MakeUser") -> "Person":
    """Everything of hers is limited, so that whatever is taken can be seen; nothing of it is used
    yet.
    """
    return make_user(
        "carol",
        requests="10/d",
        concurrent_streams=3,
        tokens_per_day=1_000_000,
        spend_per_month_usd=100,
    )
