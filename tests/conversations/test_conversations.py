"""The branch of a conversation's tree that the page shows, and whose pages they are."""

import re
from datetime import timedelta
from functools import partial
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from chat.conversations.reading import PAGE_MESSAGES, PAGE_STEP, entries
from chat.models import Conversation, Message
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.visitor import all_at_once


class Tree:
    """Makes messages a second apart; `tree("a", None)` adds one and returns its id."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def __call__(self, content: str, parent: UUID | None) -> UUID:
        created = timezone.now() + timedelta(seconds=len(self.messages))
        role = "user" if len(self.path(parent)) % 2 == 0 else "assistant"
        self.messages.append(Message(content=content, parent_id=parent, role=role, created=created))
        return self.messages[-1].id

    def path(self, parent: UUID | None) -> list[UUID]:
        parents = {message.id: message.parent_id for message in self.messages}
        path = []
        while parent:
            path.append(parent)
            parent = parents[parent]
        return path

    def shown(self, through: UUID | None = None) -> list[tuple[str, int, int]]:
        return [
            (entry.message.content, entry.place, entry.count)
            for entry in entries(self.messages, through)
        ]


@pytest.fixture
def tree() -> Tree:
    return Tree()


def test_an_empty_conversation_shows_nothing(tree: Tree) -> None:
    assert tree.shown() == []


def test_the_branch_of_the_newest_message_is_shown(tree: Tree) -> None:
    first = tree("p1", None)
    old = tree("a1", first)
    tree("p2 on the old branch", old)
    tree("a1 again", first)
    assert tree.shown() == [("p1", 1, 1), ("a1 again", 2, 2)]


def test_a_branch_is_shown_through_any_of_its_messages_down_to_its_newest(tree: Tree) -> None:
    first = tree("p1", None)
    old = tree("a1", first)
    follow = tree("p2", old)
    tree("a2", follow)
    tree("a2 again", follow)
    edited = tree("p1 edited", None)
    tree("a3", edited)
    assert tree.shown(old) == [("p1", 1, 2), ("a1", 1, 1), ("p2", 1, 1), ("a2 again", 2, 2)]
    assert tree.shown() == [("p1 edited", 2, 2), ("a3", 1, 1)]


def test_neighbours_are_named_in_the_order_they_were_made(tree: Tree) -> None:
    prompt = tree("p", None)
    answers = [tree(f"a{number}", prompt) for number in range(3)]
    entry = entries(tree.messages, answers[1])[-1]
    assert (entry.previous, entry.next, entry.newest) == (answers[0], answers[2], answers[2])


def test_a_branch_through_an_unknown_message_is_the_newest(tree: Tree) -> None:
    tree("p", None)
    assert tree.shown(uuid4()) == tree.shown()


def test_the_pages_of_a_conversation_are_its_owners_alone(
    site: Site, alice: Person, bob: Person
) -> None:
    conversation = Conversation.objects.create(user=alice.user, title="Hers")
    address = f"/c/{conversation.id}/"
    assert alice.client.get(address).status_code == 200
    assert bob.client.get(address).status_code == 404
    assert bob.client.post(f"{address}rename/", data={"title": "His"}).status_code == 404
    assert bob.client.post(f"{address}delete/").status_code == 404
    conversation.refresh_from_db()
    assert conversation.title == "Hers"
    assert "Hers" not in bob.client.get("/").text
    assert (
        alice.client.post(f"{address}rename/", data={"title": "  Still   hers "}).status_code == 302
    )
    conversation.refresh_from_db()
    assert conversation.title == "Still hers"
    assert alice.client.post(f"{address}delete/").status_code == 302
    assert not Conversation.objects.filter(id=conversation.id).exists()


def ask_anew(person: Person, conversation: Conversation) -> None:
    """Two turns at the conversation's beginning, one after the other, while it is there."""
    for _ in range(2):
        with person.client.chat(
            content="Hello", conversation=str(conversation.id), parent=None
        ) as stream:
            stream.read()


def test_a_conversation_to_which_turns_are_added_can_be_deleted_all_the_same(alice: Person) -> None:
    for _ in range(8):
        conversation = Conversation.objects.create(user=alice.user)
        Message.objects.bulk_create(
            [Message(conversation=conversation, content=str(number)) for number in range(400)]
        )
        outcomes: list[Any] = all_at_once(
            [partial(alice.client.post, f"/c/{conversation.id}/delete/")]
            + [partial(ask_anew, alice, conversation)] * 3
        )
        assert outcomes[0].status_code == 302
        assert not Conversation.objects.filter(id=conversation.id).exists()


def test_a_very_long_conversation_shows_its_end_and_the_rest_by_steps(
    site: Site, alice: Person
) -> None:
    conversation = Conversation.objects.create(user=alice.user, title="Long")
    tree = Tree()
    for number in range(PAGE_MESSAGES + 2 * PAGE_STEP + 10):
        tree(f"message {number}", tree.messages[-1].id if tree.messages else None)
    for message in tree.messages:
        message.conversation = conversation
    Message.objects.bulk_create(tree.messages)
    wanted = [f"m-{message.id}" for message in tree.messages]

    def shown(query: str) -> tuple[list[str], str | None]:
        page = alice.client.get(f"/c/{conversation.id}/{query}").text
        earlier = re.search(r'href="([^"#]+)#[^"]+">\s*Show earlier', page)
        return re.findall(
            r'<article class="message[^>]* id="(m-[^"]+)"', page
        ), earlier and unescape(earlier[1])

    newest, earlier = shown("")
    assert newest == wanted[2 * PAGE_STEP :]
    assert shown(f"?at={tree.messages[5].id}")[0] == wanted[5:]
    for first in (PAGE_STEP, 0):
        assert earlier
        more, earlier = shown(earlier)
        assert more == wanted[first:]
    assert earlier is None
