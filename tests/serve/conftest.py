"""Fixtures of the tests that start `manage.py serve`."""

from collections.abc import Iterator

import pytest

from tests.harness.serve import Serves


@pytest.fixture
def serve() -> Iterator[Serves]:
    serves = Serves()
    yield serves
    serves.sweep()
