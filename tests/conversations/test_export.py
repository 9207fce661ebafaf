"""Taking a conversation along: everything as JSON, the newest branch as Markdown."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from unicodedata import normalize
from urllib.parse import unquote
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.dateparse import parse_datetime
from playwright.sync_api import Page

from chat.models import Conversation, Message, Usage
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.visitor import visitor

pytestmark = pytest.mark.usefixtures("static_files")
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TEXT = '  leading, "quotes", </script>\r\nU+2028 \u2028 emoji 👩‍👩‍👧  '


class Talk:
    """A conversation whose messages are a minute apart."""

    def __init__(self, person: Person, title: str = "Cats & dogs") -> None:
        self.conversation = Conversation.objects.create(
            user=person.user, title=title, created=START
        )
        self._minutes = 0

    def ask(self, content: str, parent: Message | None = None) -> Message:
        return self._add("user", content, parent)

    def answer(
        self, content: str, parent: Message, *, outcome: str = "complete", estimated: bool = False
    ) -> Message:
        status = "streaming" if outcome == "running" else outcome
        message = self._add("assistant", content, parent, status=status, model="gpt-4o-mini")
        Usage.objects.create(
            answer=message.pk,
            user=self.conversation.user,
            owner_key=f"u:{self.conversation.user_id}",
            limit_key=f"u:{self.conversation.user_id}",
            model="gpt-4o-mini",
            prompt_tokens=7,
            completion_tokens=5,
            cost_usd=Decimal("0.00000405"),
            estimated=estimated,
            outcome=outcome,
        )
        return message

    def _add(self, role: str, content: str, parent: Message | None, **fields: str) -> Message:
        self._minutes += 1
        created = START + timedelta(minutes=self._minutes)
        return Message.objects.create(
            conversation=self.conversation,
            parent=parent,
            role=role,
            content=content,
            created=created,
            **fields,
        )

    def url(self, suffix: str) -> str:
        return f"/c/{self.conversation.pk}/export.{suffix}"


def test_json_holds_the_whole_tree_oldest_first(alice: Person) -> None:
    talk = Talk(alice)
    question = talk.ask(TEXT)
    talk.answer("one", question)
    second = talk.answer("two", question, outcome="stopped", estimated=True)
    talk.answer("", talk.ask("and?", second), outcome="running")
    answer = visitor(alice.user).get(talk.url("json"))
    assert answer["Content-Type"] == "application/json"
    export = answer.json()
    assert list(export) == ["id", "title", "created", "messages"]
    assert (export["id"], export["title"]) == (str(talk.conversation.pk), "Cats & dogs")
    assert parse_datetime(export["created"]) == START
    contents = [message["content"] for message in export["messages"]]
    assert contents == [TEXT, "one", "two", "and?", ""]
    parents = [message["parent"] for message in export["messages"]]
    assert parents[:3] == [None, str(question.pk), str(question.pk)]


def test_json_says_of_each_message_what_it_is_and_cost(alice: Person) -> None:
    talk = Talk(alice)
    question = talk.ask(TEXT)
    first = talk.answer("one", question)
    second = talk.answer("two", question, outcome="stopped", estimated=True)
    running = talk.answer("", talk.ask("and?", second), outcome="running")
    messages = visitor(alice.user).get(talk.url("json")).json()["messages"]
    keys = ["id", "parent", "role", "content", "status", "model", "usage", "created"]
    assert [list(message) for message in messages] == [keys] * 5
    prompt, complete, stopped, _, streaming = messages
    assert (prompt["id"], prompt["role"], prompt["status"], prompt["usage"]) == (
        str(question.pk),
        "user",
        "complete",
        None,
    )
    assert complete["usage"] == {"prompt_tokens": 7, "completion_tokens": 5, "estimated": False}
    assert (complete["id"], complete["model"], parse_datetime(complete["created"])) == (
        str(first.pk),
        "gpt-4o-mini",
        first.created,
    )
    assert (stopped["status"], stopped["usage"]["estimated"]) == ("stopped", True)
    assert (streaming["id"], streaming["status"], streaming["usage"]) == (
        str(running.pk),
        "streaming",
        None,
    )


def test_a_prompt_stands_before_its_answer_of_the_same_instant(alice: Person) -> None:
    for _ in range(8):
        talk = Talk(alice)
        question = talk.ask("first")
        answer = talk.answer("then", question)
        Message.objects.filter(pk=answer.pk).update(created=question.created)
        export = visitor(alice.user).get(talk.url("json")).json()
        assert [message["content"] for message in export["messages"]] == ["first", "then"]


def test_markdown_is_the_branch_that_ends_with_the_newest_message(alice: Person) -> None:
    talk = Talk(alice)
    question = talk.ask("Which pet?")
    talk.answer("A dog.", question)
    cat = talk.answer("A cat, beca", question, outcome="stopped")
    talk.ask("Why?", cat)
    answer = visitor(alice.user).get(talk.url("md"))
    assert answer["Content-Type"] == "text/markdown; charset=utf-8"
    assert (
        answer.content.decode()
        == "# Cats & dogs\n\n## You\n\nWhich pet?\n\n## gpt-4o-mini – stopped\n\nA cat, beca\n\n##"
        " You\n\nWhy?\n"
    )


def test_an_empty_conversation_can_be_taken_along(alice: Person) -> None:
    talk = Talk(alice, title="")
    assert visitor(alice.user).get(talk.url("md")).content.decode() == "# Conversation\n"
    assert visitor(alice.user).get(talk.url("json")).json()["messages"] == []


# A title, the name in ASCII, and the whole name where that is more.
NAMES = [
    ("Cats & dogs", "cats-dogs", None),
    ('../../etc/passwd"; x="\r\nSet-Cookie: a=b', "etcpasswd-x-set-cookie-ab", None),
    ("", "conversation", None),
    ("a" * 200, "a" * 60, None),
    ("CON", "con-conversation", None),
    ("lpt1", "lpt1-conversation", None),
    ("日本語", "conversation", "日本語"),
    ("Über „Größe“", "uber-groe", "Über „Größe“"),
    (normalize("NFD", "Café"), "cafe", "Café"),
    ("عنوان", "conversation", "عنوان"),
    ('..\\é/..:*?<>|"', "e", "é"),
    ("...é...", "e", "é"),
    ("a\u202egpj.é", "agpje", "agpj.é"),
    ("é\r\nSet-Cookie: a=b", "e-set-cookie-ab", "é Set-Cookie a=b"),
    ("é'(1)%22;*", "e122", "é'(1)%22;"),
    ("COM¹", "com1-conversation", "COM¹-conversation"),
    ("NUL.é", "nule", "NUL.é-conversation"),
    ("日" * 200, "conversation", "日" * 40),
    ("👩‍👩‍👧‍👦" * 28, "conversation", "👩‍👩‍👧‍👦" * 4),
]


@pytest.mark.parametrize(("title", "name", "whole"), NAMES)
def test_a_downloads_name_is_the_title_as_far_as_that_is_safe(
    alice: Person, title: str, name: str, whole: str | None
) -> None:
    talk = Talk(alice, title=title)
    client = visitor(alice.user)
    for suffix in ("md", "json"):
        plain, _, extended = client.get(talk.url(suffix))["Content-Disposition"].partition(
            "; filename*=UTF-8''"
        )
        assert plain == f'attachment; filename="{name}.{suffix}"'
        assert extended.isascii()
        assert not set(extended) & set(" \"'();,/\\*")
        assert unquote(extended) == (f"{whole}.{suffix}" if whole else "")


def test_a_browser_saves_a_download_under_its_whole_name(
    alice: Person, site: Site, page: Page
) -> None:
    talk = Talk(alice, title="Über 日本語: Größe")
    page.context.add_cookies(alice.cookies(site))
    page.goto(site.url)
    page.evaluate(
        "url => { const link = document.createElement('a'); link.href = url;"
        " document.body.append(link); link.id = 'save'; }",
        talk.url("md"),
    )
    with page.expect_download() as download:
        page.evaluate("document.getElementById('save').click()")
    assert download.value.suggested_filename == "Über 日本語 Größe.md"


@pytest.mark.parametrize("suffix", ["md", "json"])
def test_a_stranger_gets_404_as_for_what_does_not_exist(
    alice: Person, bob: Person, suffix: str
) -> None:
    talk = Talk(alice)
    assert visitor(alice.user).get(talk.url(suffix)).status_code == 200
    assert visitor(bob.user).get(talk.url(suffix)).status_code == 404
    assert visitor(alice.user).get(f"/c/{uuid4()}/export.{suffix}").status_code == 404
    assert visitor().get(talk.url(suffix))["Location"].startswith("/accounts/login/")


def guest(name: str) -> Client:
    client = visitor()
    session = client.session
    session["guest"] = name
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key or ""
    return client


def test_a_guest_takes_along_their_own_and_no_other_guests() -> None:
    mine, theirs = f"mine-{uuid4()}", f"theirs-{uuid4()}"
    conversation = Conversation.objects.create(guest=mine, title="Mine")
    url = f"/c/{conversation.pk}/export.json"
    assert guest(mine).get(url).json()["title"] == "Mine"
    assert guest(theirs).get(url).status_code == 404


def queries_of(call: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert call().status_code == 200
    return len(queries)


@pytest.mark.parametrize("suffix", ["md", "json"])
def test_the_number_of_queries_does_not_grow_with_the_conversation(
    alice: Person, suffix: str
) -> None:
    client = visitor(alice.user)
    short, long = Talk(alice), Talk(alice)
    for talk, turns in ((short, 1), (long, 20)):
        last: Message | None = None
        for number in range(turns):
            last = talk.answer("yes", talk.ask(f"{number}?", last))
    assert queries_of(lambda: client.get(short.url(suffix))) == queries_of(
        lambda: client.get(long.url(suffix))
    )


def test_exporting_is_limited_by_person_whatever_the_form(alice: Person, bob: Person) -> None:
    talk, client = Talk(alice), visitor(alice.user)
    answers = [client.get(talk.url(("md", "json")[number % 2])) for number in range(30)]
    assert {answer.status_code for answer in answers} == {200}
    as_json, as_page = client.get(talk.url("json")), client.get(talk.url("md"))
    assert as_json.json()["error"]["code"] == "rate_limited"
    assert "Try again in" in as_page.content.decode()
    for refused in (as_json, as_page):
        assert refused.status_code == 429
        assert 1 <= int(refused["Retry-After"]) <= 61
    assert visitor(bob.user).get(Talk(bob).url("md")).status_code == 200
