"""What operators see of refused turns: counted by hour, person, quota and code."""

from typing import TYPE_CHECKING

import pytest
from django.db import DatabaseError

from chat.limits import refusal_counts
from chat.models import RefusalCount
from chat.requester import Requester
from tests.harness.answers import wait_until
from tests.harness.turns import turn_status

if TYPE_CHECKING:
    from tests.conftest import MakeUser
    from tests.harness.people import Person


def counts(key: str) -> list[tuple[str, str, bool, int]]:
    return list(
        RefusalCount.objects.filter(limit_key=key)
        .order_by("code")
        .values_list("quota", "code", "shadow", "count")
    )


def test_refused_turns_are_counted_by_gate(make_user: "MakeUser") -> None:
    person = make_user(requests="1/h", max_prompt_chars=50)
    assert turn_status(person) == 200
    assert [turn_status(person) for _ in range(3)] == [429] * 3
    assert turn_status(person, "x" * 51) == 413
    name = person.quota.name
    expected = [(name, "prompt_too_long", False, 1), (name, "rate_limited", False, 3)]
    wait_until(lambda: counts(person.requester.limit_key) == expected)
    assert RefusalCount.objects.filter(user=person.user).count() == 2


def test_shadow_quota_counts_whom_it_would_have_refused(make_user: "MakeUser") -> None:
    person = make_user(requests="1/h", mode="shadow")
    assert [turn_status(person) for _ in range(3)] == [200] * 3
    wait_until(
        lambda: counts(person.requester.limit_key) == [(person.quota.name, "rate_limited", True, 2)]
    )


def test_counts_of_one_hour_add_up(alice: "Person") -> None:
    for times in (1, 2):
        for _ in range(times):
            refusal_counts.record(alice.requester, "Some quota", "rate_limited")
        refusal_counts.write()
    assert counts(alice.requester.limit_key) == [("Some quota", "rate_limited", False, 3)]


def test_what_the_database_did_not_take_is_written_later(
    alice: "Person", monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal_counts.record(alice.requester, "Some quota", "rate_limited")
    with monkeypatch.context() as patch:
        patch.setattr(RefusalCount.objects, "get_or_create", _fails)
        with pytest.raises(DatabaseError):
            refusal_counts.write()
    refusal_counts.write()
    assert counts(alice.requester.limit_key) == [("Some quota", "rate_limited", False, 1)]


def _fails(**_: object) -> None:
    raise DatabaseError


def test_refusals_of_a_deleted_account_are_still_counted(db_ready: None) -> None:
    refusal_counts.record(Requester(user_id=2**31 - 1, guest="", ip=""), "", "paused")
    refusal_counts.write()
    row = RefusalCount.objects.get(limit_key=f"u:{2**31 - 1}")
    assert (row.user_id, row.count) == (None, 1)
