"""Fixtures of the tests of answers."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.harness.people import Person
    from tests.harness.running import Running
    from tests.harness.upstream import Upstream


@pytest.fixture
def running(alice: "Person", upstream: "Upstream") -> "Running":
    """An answer of Alice's that has said "Hello, " and waits at its gate."""
    from tests.harness.running import Running

    return Running(alice, upstream)
