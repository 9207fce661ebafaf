"""Fixtures of the tests of turns."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import MakeUser
    from tests.harness.people import Person


@pytest.fixture
def carol(make_user: "MakeUser") -> "Person":
    """Returns a person who has a limit of every kind and has used none of them."""
    return make_user(
        "carol",
        requests="10/d",
        concurrent_streams=3,
        tokens_per_day=1_000_000,
        spend_per_month_usd=100,
    )
