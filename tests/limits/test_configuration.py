"""What the operator sets holds for the next turn, whichever process changed it."""

from typing import TYPE_CHECKING, Any

import pytest
import redis
from django.contrib.auth.models import Group
from django.db import connection, transaction

from chat.limits import configuration
from chat.models import ChatModel, Grant, Pause, Quota, SitePolicy
from tests.harness.people import Person

if TYPE_CHECKING:
    from tests.conftest import MakeUser


def allowed(person: Person) -> str:
    quota = configuration.current().effective_quota(person.requester).quota
    assert quota is not None
    return quota.requests


def models_of(known: configuration.Configuration, person: Person) -> list[ChatModel]:
    quota = known.effective_quota(person.requester).quota
    assert quota is not None
    return known.models(quota)


def test_what_is_known_is_read_once_for_one_version(alice: Person) -> None:
    first = configuration.current()
    assert configuration.current() is first
    assert first.effective_quota(alice.requester) is first.effective_quota(alice.requester)


def test_saved_quota_holds_at_once(alice: Person) -> None:
    assert allowed(alice) == ""
    alice.quota.requests = "7/m"
    alice.quota.save()
    assert allowed(alice) == "7/m"


def test_change_in_bulk_holds_at_once(alice: Person) -> None:
    assert allowed(alice) == ""
    Quota.objects.filter(pk=alice.quota.pk).update(requests="8/m")
    assert allowed(alice) == "8/m"


def test_change_holds_when_it_is_committed_and_not_before(alice: Person) -> None:
    before = configuration.current()
    with transaction.atomic():
        alice.quota.requests = "9/m"
        alice.quota.save()
        assert configuration.current().version == before.version
    assert configuration.current().version != before.version


def test_person_added_to_a_group_has_its_quota_at_once(make_user: "MakeUser") -> None:
    carol = make_user("carol")
    carol.quota.users.clear()
    group = Group.objects.create(name=f"team of {carol.user.username}")
    quota = Quota.objects.create(name=f"for {group.name}", requests="3/m")
    quota.groups.add(group)
    assert allowed(carol) != "3/m"
    carol.user.groups.add(group)
    assert allowed(carol) == "3/m"
    group.delete()
    assert allowed(carol) != "3/m"


def test_models_that_a_quota_allows_change_at_once(alice: Person) -> None:
    model = ChatModel.objects.create(slug=f"model-of-{alice.user.username}")
    other = ChatModel.objects.create(slug=f"other-of-{alice.user.username}")
    known = configuration.current()
    assert {model, other} <= set(models_of(known, alice))
    alice.quota.models.add(model)
    known = configuration.current()
    assert models_of(known, alice) == [model]


def test_policy_changed_holds_at_once() -> None:
    SitePolicy.objects.filter(pk=1).update(notice="Back at noon")
    assert configuration.current().policy().notice == "Back at noon"
    SitePolicy.objects.filter(pk=1).update(notice="")
    assert configuration.current().policy().notice == ""


def test_change_by_hand_in_sql_holds_after_a_moment(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert allowed(alice) == ""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE chat_quota SET requests = '4/m' WHERE id = %s", [alice.quota.pk])
    monkeypatch.setattr(configuration, "STALE_SECONDS", 0)
    assert allowed(alice) == "4/m"


def test_emptied_redis_does_not_bring_back_what_was_known(
    alice: Person, redis_client: redis.Redis
) -> None:
    before = configuration.current()
    redis_client.delete("chatsite:configuration")
    assert configuration.current() is not before
    assert configuration.current().version != before.version


@pytest.mark.parametrize("table", [Quota, ChatModel, SitePolicy, Grant, Pause])
def test_every_table_that_is_remembered_announces_changes_in_bulk(table: Any) -> None:
    before = configuration.current().version
    table.objects.filter(id=-1).update(id=-2)
    assert configuration.current().version != before
