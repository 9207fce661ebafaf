"""`manage.py compare_limits`: what Redis has reserved, and what the ledger has as running."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING

import pytest
import redis
from django.core.management import CommandError, call_command

from chat.models import Message, Usage
from chat.operator import reconcile
from tests.harness import wire
from tests.harness.client import Stream
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.harness.people import Person


@contextmanager
def running(person: "Person", upstream: Upstream) -> Iterator[Stream]:
    """An answer that does not end by itself."""
    with person.client.chat(content=upstream.script([*wire.text("so"), wire.Stall()])) as stream:
        stream.until_text("so")
        yield stream
        person.client.stop(stream.answer)


def differences(answer: str) -> list[str]:
    """What is said of that answer."""
    return [line for line in reconcile.persistent_differences(0.01) if answer in line]


def test_running_and_ended_answers_agree(alice: "Person", upstream: Upstream) -> None:
    with running(alice, upstream) as stream:
        assert differences(stream.answer) == []
    assert differences(stream.answer) == []


def test_reservation_of_nothing_that_runs_is_told(
    alice: "Person", redis_client: redis.Redis
) -> None:
    key = f"chatsite:{{{alice.requester.limit_key}}}:reserved"
    redis_client.hset(key, "some-answer", "1:2:20261122")
    assert differences("some-answer") == [
        f"{alice.requester.limit_key}: a reservation for answer some-answer, which the ledger does"
        " not have as running"
    ]
    redis_client.delete(key)


def test_running_answers_without_a_reservation_or_with_another_are_told(
    alice: "Person", upstream: Upstream
) -> None:
    with running(alice, upstream) as stream:
        # The worker goes on renewing what it holds; the row says something else.
        Usage.objects.filter(answer=stream.answer).update(prompt_tokens=1, limit_key="u:nobody")
        assert [line.split(" ")[0] for line in differences(stream.answer)] == ["site:", "u:nobody:"]
        assert "nothing is reserved" in differences(stream.answer)[1]
        Usage.objects.filter(answer=stream.answer).update(limit_key=alice.requester.limit_key)


def test_messages_and_ledger_that_contradict_each_other_are_told(alice: "Person") -> None:
    with alice.client.chat(content="hello") as stream:
        stream.read()
    Message.objects.filter(id=stream.answer).update(status="streaming")
    assert "is being written, and the ledger does not" in differences(stream.answer)[0]
    Message.objects.filter(id=stream.answer).update(status="complete")
    Usage.objects.filter(answer=stream.answer).delete()
    assert "no row in the ledger" in differences(stream.answer)[0]
    Message.objects.filter(id=stream.answer).delete()


def test_command_says_what_differs_and_fails(alice: "Person", redis_client: redis.Redis) -> None:
    key = f"chatsite:{{{alice.requester.limit_key}}}:reserved"
    redis_client.hset(key, "some-answer", "1:2:20261122")
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("compare_limits", "--wait", "0", stdout=out)
    assert "some-answer" in out.getvalue()
    redis_client.delete(key)


def test_command_agrees_when_nothing_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    out = StringIO()
    monkeypatch.setattr(reconcile, "differences", lambda: iter(()))
    call_command("compare_limits", "--wait", "0", stdout=out)
    assert out.getvalue() == "Redis and the ledger agree.\n"


def test_command_without_redis_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise redis.ConnectionError("refused")

    monkeypatch.setattr("chat.limits.leases.subjects", away)
    with pytest.raises(CommandError, match="Redis does not answer"):
        call_command("compare_limits", "--wait", "0")
