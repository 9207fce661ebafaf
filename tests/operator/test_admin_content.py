"""What was said is shown only where the policy allows it, to those it allows, and is recorded."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import DatabaseError
from django.test import Client

from chat.models import ContentAccess, Conversation, Message, SitePolicy
from tests.harness.people import Person
from tests.harness.visitor import visitor

pytestmark = pytest.mark.usefixtures("static_files")
ACCESSES = "/admin/chat/contentaccess/"


@pytest.fixture
def open_policy(db_ready: None) -> Iterator[None]:
    """Operators may read conversations."""
    SitePolicy.objects.filter(pk=1).update(content_access=True)
    yield
    SitePolicy.objects.filter(pk=1).update(content_access=False)


def staff(user: User, *permissions: str, **fields: Any) -> Client:
    User.objects.filter(pk=user.pk).update(is_staff=True, **fields)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return visitor(user)


@pytest.fixture
def reader(alice: Person) -> Client:
    """Returns a client of Alice, who may read where the policy lets her."""
    return staff(alice.user, "view_conversation", "read_content")


@pytest.fixture
def conversation(bob: Person) -> Conversation:
    """Returns a conversation of Bob's: a prompt, an answer and another version of it."""
    made = Conversation.objects.create(
        user=bob.user, title="private title", system_prompt="private rule"
    )
    prompt = Message.objects.create(conversation=made, role="user", content="private <b>prompt</b>")
    for number in (1, 2):
        Message.objects.create(
            conversation=made,
            parent=prompt,
            role="assistant",
            content=f"private **answer** {number}",
            model="m",
        )
    return made


def page_of(conversation: Conversation) -> str:
    return f"/admin/chat/conversation/{conversation.pk}/change/"


def read(client: Client, conversation: Conversation) -> Any:
    return client.post(f"/admin/chat/conversation/{conversation.pk}/read/")


def accesses(conversation: Conversation) -> list[tuple[str, str]]:
    return list(
        ContentAccess.objects.filter(conversation=conversation.pk).values_list(
            "operator_name", "owner_key"
        )
    )


def test_nobody_reads_while_the_policy_is_closed(
    reader: Client, bob: Person, conversation: Conversation
) -> None:
    assert "Record my access" not in reader.get(page_of(conversation)).content.decode()
    answer = read(reader, conversation)
    assert answer.status_code == 404
    assert "private" not in answer.content.decode()
    User.objects.filter(pk=bob.user.pk).update(is_staff=True, is_superuser=True)
    assert read(visitor(bob.user), conversation).status_code == 404
    assert accesses(conversation) == []


def test_an_access_shows_all_of_it_and_is_recorded(
    reader: Client, alice: Person, bob: Person, conversation: Conversation, open_policy: None
) -> None:
    shut = reader.get(page_of(conversation)).content.decode()
    assert "Record my access" in shut
    assert "private" not in shut
    text = read(reader, conversation).content.decode()
    for part in (
        "private title",
        "private rule",
        "private &lt;b&gt;prompt",
        "private <strong>answer</strong> 1",
        "version 2 of 2",
    ):
        assert part in text
    assert "<script>" not in text
    assert accesses(conversation) == [(alice.user.username, f"u:{bob.user.pk}")]
    read(reader, conversation)
    assert len(accesses(conversation)) == 2


def test_whoever_lacks_the_permission_sees_nothing(
    bob: Person, alice: Person, conversation: Conversation, open_policy: None
) -> None:
    without = staff(alice.user, "view_conversation", "view_usage", "change_sitepolicy")
    assert "Record my access" not in without.get(page_of(conversation)).content.decode()
    answer = read(without, conversation)
    assert answer.status_code == 403
    assert "private" not in answer.content.decode()
    assert read(visitor(bob.user), conversation).status_code == 302
    assert accesses(conversation) == []


def test_following_an_address_is_no_access(
    reader: Client, conversation: Conversation, open_policy: None
) -> None:
    answer = reader.get(f"/admin/chat/conversation/{conversation.pk}/read/")
    assert answer.headers["Location"] == page_of(conversation)
    guarded = Client(enforce_csrf_checks=True, REMOTE_ADDR="198.51.100.7")
    guarded.cookies = reader.cookies
    assert read(guarded, conversation).status_code == 403
    assert accesses(conversation) == []


def test_without_a_record_there_is_no_content(
    reader: Client, conversation: Conversation, open_policy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any, **fields: Any) -> None:
        raise DatabaseError("full")

    reader.raise_request_exception = False
    with monkeypatch.context() as patch:
        patch.setattr(ContentAccess.objects, "create", fails)
        answer = read(reader, conversation)
    assert answer.status_code == 500
    assert "private" not in answer.content.decode()


def test_content_that_cannot_be_read_leaves_no_access(
    reader: Client, conversation: Conversation, open_policy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any, **fields: Any) -> None:
        raise DatabaseError("gone")

    reader.raise_request_exception = False
    with monkeypatch.context() as patch:
        patch.setattr(Message.objects.__class__, "order_by", fails)
        assert read(reader, conversation).status_code == 500
    assert accesses(conversation) == []


def test_accesses_are_there_for_every_operator_and_for_no_one_to_change(
    reader: Client, alice: Person, bob: Person, conversation: Conversation, open_policy: None
) -> None:
    read(reader, conversation)
    access = ContentAccess.objects.get(conversation=conversation.pk)
    everybody = staff(bob.user)
    assert ACCESSES in everybody.get("/admin/").content.decode()
    User.objects.filter(pk=bob.user.pk).update(is_superuser=True)
    text = everybody.get(ACCESSES, {"q": str(conversation.pk)}).content.decode()
    assert alice.user.username in text
    assert bob.user.username in text
    assert everybody.get(f"{ACCESSES}{access.pk}/change/").status_code == 200
    assert everybody.get(f"{ACCESSES}add/").status_code == 403
    assert (
        everybody.post(f"{ACCESSES}{access.pk}/change/", {"operator_name": "nobody"}).status_code
        == 403
    )
    assert everybody.post(f"{ACCESSES}{access.pk}/delete/", {"post": "yes"}).status_code == 403
    everybody.post(
        ACCESSES, {"action": "delete_selected", "_selected_action": [str(access.pk)], "post": "yes"}
    )
    assert accesses(conversation) == [(alice.user.username, f"u:{bob.user.pk}")]


def test_an_access_outlives_the_operators_account_and_the_conversation(
    reader: Client, alice: Person, bob: Person, conversation: Conversation, open_policy: None
) -> None:
    read(reader, conversation)
    alice.user.delete()
    Conversation.objects.filter(pk=conversation.pk).delete()
    assert len(accesses(conversation)) == 1
    bob.user.is_staff = bob.user.is_superuser = True
    bob.user.save()
    assert (
        alice.user.username
        in visitor(bob.user).get(ACCESSES, {"q": str(conversation.pk)}).content.decode()
    )


def test_a_guests_conversation_is_a_guests(reader: Client, open_policy: None) -> None:
    guests = Conversation.objects.create(guest=uuid4().hex, title="private title")
    assert "a guest" in read(reader, guests).content.decode()
    assert accesses(guests)[0][1] == "guest"
    assert "a guest" in reader.get(ACCESSES, {"q": str(guests.pk)}).content.decode()


def test_a_conversation_that_is_not_there_is_no_access(reader: Client, open_policy: None) -> None:
    before = ContentAccess.objects.count()
    assert reader.post(f"/admin/chat/conversation/{uuid4()}/read/").status_code == 404
    assert ContentAccess.objects.count() == before


def test_letting_operators_read_is_in_the_history(alice: Person, open_policy: None) -> None:
    client = staff(alice.user, is_superuser=True)
    fields = {
        "notice": "",
        "signup": SitePolicy.current().signup,
        "tokens_per_day": "",
        "spend_per_month_usd": "",
    }
    assert client.post("/admin/chat/sitepolicy/1/change/", fields).status_code == 302
    assert SitePolicy.current().content_access is False
    assert (
        client.post(
            "/admin/chat/sitepolicy/1/change/", fields | {"content_access": "on"}
        ).status_code
        == 302
    )
    told = [
        entry.get_change_message()
        for entry in LogEntry.objects.filter(user=alice.user).order_by("action_time")
    ]
    assert [words.lower() for words in told] == [
        "operators may read conversations: yes → no.",
        "operators may read conversations: no → yes.",
    ]
