"""Fixtures of the tests of accounts."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.harness.client import Client
    from tests.harness.site import Site


@pytest.fixture
def guest(site: "Site") -> "Iterator[Client]":
    """Yields a client that is not signed in."""
    from tests.harness.client import Client

    with Client(site.url) as client:
        yield client
