"""Commands between workers: read as written, and passed over when of another version."""

from uuid import uuid4

import pytest

from chat.answers import commands
from chat.answers.commands import Command, StopAnswer, WatchAnswer
from chat.answers.worker_bus import WorkerBus


@pytest.mark.parametrize("command", [StopAnswer(uuid4()), WatchAnswer(uuid4())])
def test_command_is_read_as_it_was_written(command: Command) -> None:
    assert commands.decode(commands.encode(command)) == command


@pytest.mark.parametrize(
    "data", [b"", b"stop 1", b'{"type":"pause"}', b'{"type":"stop","answer":"1"}', b"\xff"]
)
def test_command_of_another_version_is_passed_over_and_the_next_is_read(data: bytes) -> None:
    known = StopAnswer(uuid4())
    assert WorkerBus.commands_in([data, commands.encode(known)]) == [known]


def test_empty_inbox_holds_no_command() -> None:
    assert WorkerBus.commands_in(None) == []
