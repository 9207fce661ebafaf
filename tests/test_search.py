"""Searching one's own conversations."""

from typing import TYPE_CHECKING

import pytest

from chat.models import Conversation, Message
from chat.search import MOST_HITS, clean_query, search_conversations
from tests.harness.footprint import with_time_left
from tests.harness.people import Person
from tests.harness.visitor import visitor

if TYPE_CHECKING:
    from tests.conftest import MakeUser

pytestmark = pytest.mark.usefixtures("static_files")


def talk(person: Person, title: str, *texts: str) -> Conversation:
    conversation = Conversation.objects.create(user=person.user, title=title)
    for text in texts:
        Message.objects.create(conversation=conversation, role="user", content=text)
    return conversation


def found(person: Person, query: str) -> list[str]:
    return [hit.conversation.title for hit in search_conversations(person.requester, query)]


def test_a_conversation_is_found_by_its_title_and_by_its_text(alice: Person) -> None:
    talk(alice, "About Axolotls", "nothing here")
    talk(alice, "Pets", "what does an AXOLOTL eat?")
    talk(alice, "Weather", "rain")
    assert found(alice, "axolotl") == ["Pets", "About Axolotls"]


def test_another_persons_conversations_are_never_found(alice: Person, bob: Person) -> None:
    talk(alice, "Secret okapi", "okapi")
    assert found(alice, "okapi") == ["Secret okapi"]
    assert found(bob, "okapi") == []
    page = visitor(bob.user).get("/search/?q=okapi").content.decode()
    assert "Secret okapi" not in page
    assert "0 conversations" in page


def test_a_match_is_marked_and_all_around_it_escaped(alice: Person) -> None:
    talk(alice, "<b>title</b>", 'before <script>alert("1")</script> the <img src=x> after')
    page = visitor(alice.user).get("/search/", {"q": "<img src=x>"}).content.decode()
    assert "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; the <mark>&lt;img src=x&gt;</mark> after" in page
    assert "&lt;b&gt;title&lt;/b&gt;" in page
    assert "<script>alert" not in page


def test_a_long_text_is_shown_around_the_match(alice: Person) -> None:
    talk(alice, "Long", "a" * 5000 + " needle " + "b" * 5000)
    (hit,) = search_conversations(alice.requester, "NEEDLE")
    assert hit.match == "needle"
    assert (hit.before[0], hit.after[-1]) == ("…", "…")
    assert len(hit.before + hit.after) < 250


@pytest.mark.parametrize("wildcard", ["%", "_", "\\", ".*", "["])
def test_wildcards_are_only_themselves(alice: Person, wildcard: str) -> None:
    talk(alice, "Plain", "nothing special")
    talk(alice, "Special", f"100{wildcard} sure")
    assert found(alice, f"100{wildcard}") == ["Special"]


def test_at_most_fifty_are_shown_and_the_latest_first(alice: Person) -> None:
    for number in range(MOST_HITS + 2):
        talk(alice, f"numbat {number}")
    titles = found(alice, "numbat")
    assert len(titles) == MOST_HITS
    assert titles[0] == f"numbat {MOST_HITS + 1}"
    assert "50 or more" in visitor(alice.user).get("/search/?q=numbat").content.decode()


@pytest.mark.parametrize(("typed", "searched"), [("  two\n words ", "two words"), ("a\0b", "a b"), ("x" * 500, "x" * 200), ("\0", "")])
def test_what_is_typed_is_made_searchable(typed: str, searched: str) -> None:
    assert clean_query(typed) == searched


@pytest.mark.parametrize("query", ["", "   ", "\0"])
def test_an_empty_search_finds_nothing_and_is_no_error(alice: Person, query: str) -> None:
    talk(alice, "Something", "text")
    answer = visitor(alice.user).get("/search/", {"q": query})
    assert answer.status_code == 200
    assert "Something" not in answer.content.decode()


def test_searching_takes_a_sign_in() -> None:
    assert visitor().get("/search/?q=x")["Location"].startswith("/accounts/login/?next=/search/")


def test_searching_is_limited_by_person(make_user: "MakeUser", bob: Person) -> None:
    # Windows of the same length end at the same moment, whatever they count.
    alice = with_time_left(make_user, 30, requests="60/m")
    client = visitor(alice.user)
    answers = [client.get("/search/", {"q": "cat"}) for _ in range(61)]
    assert [answer.status_code for answer in answers] == [200] * 60 + [429]
    assert 1 <= int(answers[-1]["Retry-After"]) <= 61
    assert "Try again in" in answers[-1].content.decode()
    assert visitor(alice.user).get("/search/", {"q": "cat"}).status_code == 429
    assert visitor(bob.user).get("/search/", {"q": "cat"}).status_code == 200
