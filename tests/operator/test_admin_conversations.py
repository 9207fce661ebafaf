"""What an operator sees of conversations and the ledger, and what goes with a deleted person."""

from time import monotonic
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client

from chat.models import Conversation, Message, Usage
from tests.harness import wire
from tests.harness.people import Person
from tests.harness.upstream import Upstream
from tests.harness.visitor import text

pytestmark = pytest.mark.usefixtures("static_files")


def test_the_ledger_is_read_only(operator: Client) -> None:
    row = Usage.objects.create(answer=uuid4(), owner_key="u:0", limit_key="u:0", model="m")
    assert operator.get("/admin/chat/usage/add/").status_code == 403
    assert operator.post(f"/admin/chat/usage/{row.pk}/change/", {"model": "x"}).status_code == 403
    assert operator.post(f"/admin/chat/usage/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    operator.post(
        "/admin/chat/usage/",
        {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"},
    )
    assert Usage.objects.get(pk=row.pk).model == "m"


def test_operators_see_no_title_and_no_text(operator: Client, bob: Person) -> None:
    conversation = Conversation.objects.create(
        user=bob.user, title="private title", system_prompt="private rule"
    )
    Message.objects.create(conversation=conversation, role="user", content="private text")
    pages = [
        operator.get("/admin/"),
        operator.get("/admin/chat/conversation/", {"q": bob.user.username}),
        operator.get(f"/admin/chat/conversation/{conversation.pk}/change/"),
        operator.get(f"/admin/chat/conversation/{conversation.pk}/delete/"),
        operator.get(f"/admin/auth/user/{bob.user.pk}/delete/"),
    ]
    assert str(conversation.pk) in text(pages[1])
    assert "private" not in "".join(text(page) for page in pages)


def test_a_conversation_is_not_found_by_its_content(operator: Client, bob: Person) -> None:
    conversation = Conversation.objects.create(user=bob.user, title="private title")
    assert str(conversation.pk) not in text(
        operator.get("/admin/chat/conversation/", {"q": "private"})
    )


@pytest.mark.parametrize(
    "field",
    [
        "title",
        "title__startswith",
        "title__regex",
        "system_prompt__contains",
        "guest__gt",
        "messages__content__contains",
    ],
)
def test_a_conversation_is_not_guessed_at_in_the_address(
    operator: Client, bob: Person, field: str
) -> None:
    """Guards the text against being found letter by letter, by what it starts with."""
    Conversation.objects.create(user=bob.user, title="private title", system_prompt="private rule")
    assert operator.get("/admin/chat/conversation/", {field: "private"}).status_code == 400
    assert (
        operator.get("/admin/chat/conversation/", {"user__id__exact": bob.user.pk}).status_code
        == 200
    )


def test_deleting_a_person_takes_their_conversations_along_and_keeps_the_ledger(
    operator: Client, bob: Person
) -> None:
    conversation = Conversation.objects.create(user=bob.user, title="private title")
    row = Usage.objects.create(
        answer=uuid4(), user=bob.user, owner_key="u:0", limit_key="u:0", model="m"
    )
    assert (
        operator.post(f"/admin/auth/user/{bob.user.pk}/delete/", {"post": "yes"}).status_code == 302
    )
    assert not Conversation.objects.filter(pk=conversation.pk).exists()
    row.refresh_from_db()
    assert row.user is None
    assert "private" not in text(operator.get("/admin/"))


@pytest.mark.parametrize("model", ["auth/user", "chat/conversation"])
@pytest.mark.parametrize("way", ["page", "list"])
def test_deleting_stops_the_answers_that_are_running(
    alice: Person, bob: Person, upstream: Upstream, model: str, way: str
) -> None:
    User.objects.filter(pk=alice.user.pk).update(is_staff=True, is_superuser=True)
    key = upstream.script([wire.role(), *wire.text("on and on"), wire.Gate()])
    with bob.client.chat(content=key) as stream:
        conversation = stream.until("start").data["conversation"]
        stream.until("delta")
        row = str(bob.user.pk if model == "auth/user" else conversation)
        fields = (
            {"post": "yes"}
            if way == "page"
            else {"post": "yes", "action": "delete_selected", "_selected_action": row}
        )
        path = f"/admin/{model}/{row}/delete/" if way == "page" else f"/admin/{model}/"
        asked = monotonic()
        assert alice.client.post(path, data=fields).status_code == 302
        assert upstream.wait_for_close(upstream.wait_for_request(key)) - asked < 2
        stream.read()
    assert not Conversation.objects.filter(pk=conversation).exists()
    assert Usage.objects.get(answer=stream.answer).outcome == "stopped"
