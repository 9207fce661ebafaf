"""Fixtures of the tests of answers."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from chat.answers.live_answer import LiveAnswer
    from tests.harness.client import Client
    from tests.harness.people import Person
    from tests.harness.readers import Reading
    from tests.harness.running import Running
    from tests.harness.site import Site
    from tests.harness.upstream import Upstream


@pytest.fixture
def running(alice: "Person", upstream: "Upstream") -> "Running":
    """Returns an answer of Alice's that has said "Hello, " and waits at its gate."""
    from tests.harness.running import Running

    return Running(alice, upstream)


@pytest.fixture
def steady(person: "Person") -> "Client":
    """Returns a client on the common site, which waits for the upstream longer than any test."""
    return person.client


@pytest.fixture
def reading(alice: "Person", site2: "Site", upstream: "Upstream") -> Iterator["Reading"]:
    """Yields an answer of Alice's with a reader on each worker; it may go on afterwards."""
    from tests.harness.readers import Reading

    with ExitStack() as stack:
        reading = Reading(alice, site2, upstream, stack)
        yield reading
        reading.gate.open()


@pytest.fixture
def live() -> "LiveAnswer":
    """Returns an answer without text or readers."""
    from chat.answers.live_answer import LiveAnswer

    return LiveAnswer(uuid4(), {"answer": "the answer"})
