"""Fixtures of the tests of the chat page."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.harness.environment import Environment
    from tests.harness.site import Site


@pytest.fixture(scope="module")
def patient(environment: "Environment", db_ready: None) -> "Iterator[Site]":
    """Yields a site that waits for its readers, and for its model, longer than any test takes."""
    site = environment.start_site(RESUME_GRACE_SECONDS="60", UPSTREAM_IDLE_SECONDS="60")
    yield site
    site.stop()
