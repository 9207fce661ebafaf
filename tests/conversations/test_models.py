"""What the database itself holds to, and which quota applies to whom."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Model

from chat.models import ChatModel, Conversation, Message, Quota, SitePolicy, Usage
from chat.models.triggers import create_triggers
from chat.requester import Requester
from tests.harness.people import Person

pytestmark = pytest.mark.usefixtures("db_ready")


def refused(row: Model) -> bool:
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return True
    return False


def test_there_is_one_default_quota() -> None:
    assert Quota.objects.filter(is_default=True).count() == 1
    assert refused(Quota(name=str(uuid4()), is_default=True))


def test_there_is_one_quota_for_guests() -> None:
    first = Quota.objects.create(name=str(uuid4()), for_guests=True)
    try:
        assert refused(Quota(name=str(uuid4()), for_guests=True))
    finally:
        first.delete()


def test_there_is_one_default_model() -> None:
    assert ChatModel.objects.filter(is_default=True).count() == 1
    assert refused(ChatModel(slug=str(uuid4()), is_default=True))


def test_there_is_one_policy() -> None:
    assert SitePolicy.objects.count() == 1
    assert refused(SitePolicy(id=2))


def test_the_first_install_has_the_default_limits() -> None:
    quota = Quota.objects.get(is_default=True)
    assert (quota.name, quota.requests, quota.concurrent_streams) == ("Default", "10/m, 500/d", 3)
    assert SitePolicy.current().signup == "closed"


@pytest.mark.parametrize(
    "fields",
    [
        {"input_usd_per_million": -1},
        {"output_usd_per_million": -1},
        {"max_output_tokens": 0},
        {"context_tokens": 0},
    ],
)
def test_a_models_prices_and_limits_are_not_negative(fields: dict[str, int]) -> None:
    assert refused(ChatModel(slug=str(uuid4()), **fields))


def test_a_quotas_spend_is_not_negative() -> None:
    assert refused(Quota(name=str(uuid4()), spend_per_month_usd=-1))


def test_a_conversation_has_one_owner(alice: Person) -> None:
    assert refused(Conversation())
    assert refused(Conversation(user=alice.user, guest="somebody"))
    assert not refused(Conversation(user=alice.user))
    assert not refused(Conversation(guest=str(uuid4())))


def test_a_message_is_not_its_own_parent(alice: Person) -> None:
    conversation = Conversation.objects.create(user=alice.user)
    message = Message.objects.create(conversation=conversation, role="user")
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.filter(pk=message.pk).update(parent=message)


def test_a_prompt_is_complete_from_its_beginning(alice: Person) -> None:
    conversation = Conversation.objects.create(user=alice.user)
    assert refused(Message(conversation=conversation, role="user", status="streaming"))
    assert not refused(Message(conversation=conversation, role="assistant", status="streaming"))


def test_a_turn_is_once_per_requester(alice: Person) -> None:
    conversation = Conversation.objects.create(user=alice.user)
    turn = uuid4()
    assert not refused(Message(conversation=conversation, role="user", turn=turn, turn_owner="u:1"))
    assert refused(Message(conversation=conversation, role="user", turn=turn, turn_owner="u:1"))
    assert not refused(Message(conversation=conversation, role="user", turn=turn, turn_owner="u:2"))


def test_an_answer_is_paid_for_once() -> None:
    row = Usage(answer=uuid4(), owner_key="u:0", limit_key="u:0", model="m")
    assert not refused(row)
    assert refused(row)


# --- A parent of the same conversation: chat.models.triggers ------------------------


def strangers(person: Person) -> tuple[Message, Conversation]:
    one, other = (Conversation.objects.create(user=person.user) for _ in range(2))
    return Message.objects.create(conversation=one, role="user"), other


def test_a_parent_of_another_conversation_is_refused_on_insert(alice: Person) -> None:
    message, other = strangers(alice)
    assert refused(Message(conversation=other, parent=message, role="user"))
    assert not refused(Message(conversation=message.conversation, parent=message, role="user"))


def test_a_parent_of_another_conversation_is_refused_on_update(alice: Person) -> None:
    message, other = strangers(alice)
    child = Message.objects.create(conversation=other, role="user")
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.filter(pk=child.pk).update(parent=message)
    grandchild = Message.objects.create(conversation=other, parent=child, role="user")
    with pytest.raises(IntegrityError), transaction.atomic():
        Message.objects.filter(pk=grandchild.pk).update(conversation=message.conversation)


def test_the_triggers_come_back_after_a_migration_that_dropped_them(alice: Person) -> None:
    message, other = strangers(alice)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("DROP TRIGGER chat_message_parent ON chat_message")
        else:
            for event in ("insert", "update"):
                cursor.execute(f"DROP TRIGGER chat_message_parent_{event}")
    create_triggers()
    assert refused(Message(conversation=other, parent=message, role="user"))
    create_triggers()


# --- Ownership ----------------------------------------------------------------


def test_everybody_reaches_their_own_conversations_and_no_others(
    alice: Person, bob: Person
) -> None:
    guest, other_guest = (Requester(None, str(uuid4()), "198.18.0.1") for _ in range(2))
    mine = Conversation.objects.create(user=alice.user)
    guests = Conversation.objects.create(guest=guest.guest)
    Message.objects.create(conversation=mine, role="user")
    reachable = {
        name: set(Conversation.objects.owned_by(requester))
        for name, requester in (("alice", alice.requester), ("bob", bob.requester))
    }
    assert reachable == {"alice": {mine}, "bob": set()}
    assert list(Conversation.objects.owned_by(guest)) == [guests]
    assert not Conversation.objects.owned_by(other_guest).exists()
    assert not Conversation.objects.owned_by(Requester(None, "", "198.18.0.1")).exists()
    assert Message.objects.owned_by(alice.requester).count() == 1
    assert not Message.objects.owned_by(bob.requester).exists()


def test_what_is_counted_and_what_is_owned_are_different_keys() -> None:
    person, guest = Requester(7, "", "198.18.0.1"), Requester(None, "abc", "198.18.0.1")
    assert (person.limit_key, person.owner_key) == ("u:7", "u:7")
    assert (guest.limit_key, guest.owner_key) == ("ip:198.18.0.1", "g:abc")


# --- Which quota applies ------------------------------------------------------


def named(**fields: object) -> Quota:
    return Quota.objects.create(name=str(uuid4()), **fields)


def test_a_quota_that_names_the_person_goes_before_one_of_their_group(alice: Person) -> None:
    group = Group.objects.create(name=str(uuid4()))
    alice.user.groups.add(group)
    named(priority=1000).groups.add(group)
    assert Quota.objects.for_requester(alice.requester) == alice.quota


def test_of_several_groups_the_highest_priority_applies_and_before_the_default(
    alice: Person,
) -> None:
    alice.quota.users.clear()
    groups = [Group.objects.create(name=str(uuid4())) for _ in range(3)]
    quotas = [named(priority=priority) for priority in (-5, 7, 3)]
    for quota, group in zip(quotas, groups, strict=True):
        quota.groups.add(group)
    assert Quota.objects.for_requester(alice.requester) == Quota.objects.get(is_default=True)
    alice.user.groups.add(groups[0])
    assert Quota.objects.for_requester(alice.requester) == quotas[0]
    alice.user.groups.add(*groups)
    assert Quota.objects.for_requester(alice.requester) == quotas[1]


def test_of_several_quotas_that_name_the_person_the_highest_priority_applies(alice: Person) -> None:
    group = Group.objects.create(name=str(uuid4()))
    alice.user.groups.add(group)
    alice.quota.groups.add(group)
    higher = named(priority=1)
    higher.users.add(alice.user)
    assert Quota.objects.for_requester(alice.requester) == higher


def test_another_persons_quota_never_applies(alice: Person, bob: Person) -> None:
    bob.quota.users.clear()
    assert Quota.objects.for_requester(bob.requester) == Quota.objects.get(is_default=True)
    assert Quota.objects.for_requester(alice.requester) == alice.quota


def test_guests_have_no_quota_until_one_is_made_for_them() -> None:
    guest = Requester(None, "somebody", "198.18.0.1")
    assert Quota.objects.for_requester(guest) is None
    quota = named(for_guests=True)
    try:
        assert Quota.objects.for_requester(guest) == quota
    finally:
        quota.delete()


def test_the_ledger_outlives_the_conversation_and_the_account(alice: Person) -> None:
    conversation = Conversation.objects.create(user=alice.user)
    answer = Message.objects.create(conversation=conversation, role="assistant")
    key = alice.requester.limit_key
    Usage.objects.create(answer=answer.pk, user=alice.user, owner_key=key, limit_key=key, model="m")
    alice.user.delete()
    row = Usage.objects.get(answer=answer.pk)
    assert (row.user, row.limit_key) == (None, key)
    assert not Message.objects.filter(pk=answer.pk).exists()


def test_a_lost_policy_row_means_the_defaults() -> None:
    with transaction.atomic():
        SitePolicy.objects.all().delete()
        assert (SitePolicy.current().signup, SitePolicy.current().paused) == ("closed", False)
        transaction.set_rollback(True)
    assert SitePolicy.objects.exists()


def test_the_database_error_of_a_trigger_is_an_integrity_error(alice: Person) -> None:
    """So that callers can tell it from a database that is away."""
    message, other = strangers(alice)
    with pytest.raises(DatabaseError) as raised, transaction.atomic():
        Message.objects.create(conversation=other, parent=message, role="user")
    assert isinstance(raised.value, IntegrityError)
