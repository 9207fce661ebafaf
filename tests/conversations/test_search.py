"""Searching one's own conversations."""

from typing import TYPE_CHECKING
from unicodedata import normalize

import pytest
from django.db.models import Value

from chat.conversations.search import MAX_HITS, clean_query, search_conversations
from chat.folding import find_folded, fold
from chat.models import Conversation, Message
from tests.harness import wire
from tests.harness.footprint import with_time_left
from tests.harness.people import Person
from tests.harness.upstream import Upstream
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
    assert (
        "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; the <mark>&lt;img src=x&gt;</mark> after"
        in page
    )
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
    for number in range(MAX_HITS + 2):
        talk(alice, f"numbat {number}")
    titles = found(alice, "numbat")
    assert len(titles) == MAX_HITS
    assert titles[0] == f"numbat {MAX_HITS + 1}"
    assert "50 or more" in visitor(alice.user).get("/search/?q=numbat").content.decode()


@pytest.mark.parametrize(
    ("typed", "searched"),
    [("  two\n words ", "two words"), ("a\0b", "a b"), ("x" * 500, "x" * 200), ("\0", "")],
)
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


# --- Upper and lower case, in any script ----------------------------------------

# What is written, what is searched for, and what of it is marked.
SAME = [
    ("Hello Привет мир", "привет", "Привет"),
    ("привет", "ПРИВЕТ", "привет"),
    ("Київ і Їжак", "їжак", "Їжак"),
    ("IN DER STRASSE", "straße", "STRASSE"),
    ("die Straße hier", "STRASSE", "Straße"),
    ("die STRAẞE hier", "straße", "STRAẞE"),
    ("İSTANBUL'da", "istanbul", "İSTANBUL"),
    ("Istanbul", "İstanbul", "Istanbul"),
    ("ISPARTA güzel", "ısparta", "ISPARTA"),
    ("ὁ ὈΔΥΣΣΕΎΣ", "ὀδυσσεύς", "ὈΔΥΣΣΕΎΣ"),
    ("ΜΕΓΑΣ ΟΔΟΣ", "μεγας οδος", "ΜΕΓΑΣ ΟΔΟΣ"),
    ("die ＣＡＴ sat", "cat", "ＣＡＴ"),
    ("a cat", "ｃａｔ", "cat"),
    ("ﾊﾟｿｺﾝを買う", "パソコン", "ﾊﾟｿｺﾝ"),
    ("Un café crème", "CAFÉ", "café"),
    (normalize("NFD", "Un café crème"), "CAFÉ", normalize("NFD", "café")),
    ("Un café crème", normalize("NFD", "café"), "café"),
    ("Nguyễn Văn", normalize("NFD", "NGUYỄN"), "Nguyễn"),
    ("ᲗᲑᲘᲚᲘᲡᲘ", "თბილისი", "ᲗᲑᲘᲚᲘᲡᲘ"),
    ("ԵՐԵՒԱՆ", "երևան", "ԵՐԵՒԱՆ"),
    ("the ﬁle", "FILE", "ﬁle"),
    ("𐐐𐐑 Deseret", "𐐸𐐹", "𐐐𐐑"),
    ("中文没有空格的句子", "空格", "空格"),
    ("日本語のテスト", "本語", "本語"),
    ("서울특별시", "특별", "특별"),
    (normalize("NFD", "서울특별시"), "서울", normalize("NFD", "서울")),
    ("שלום עולם", "עולם", "עולם"),
    ("I 👩‍👩‍👧 it", "👩‍👩‍👧", "👩‍👩‍👧"),
    ("non\u00a0breaking Ä", "non breaking ä", "non\u00a0breaking Ä"),
]


@pytest.mark.parametrize(("text", "query", "marked"), SAME)
def test_letters_are_found_whatever_their_case_width_or_composition(
    alice: Person, text: str, query: str, marked: str
) -> None:
    talk(alice, "by text", f"before {text} after")
    talk(alice, f"{text} as a title", "nothing")
    assert found(alice, query) == [f"{text} as a title", "by text"]
    hit = search_conversations(alice.requester, query)[1]
    start = text.index(marked)
    assert (hit.before, hit.match, hit.after) == (
        f"before {text[:start]}",
        marked,
        f"{text[start + len(marked) :]} after",
    )


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Привет", "Приветы"),
        ("café", "cafes"),
        ("STRASSE", "strase"),
        ("ΟΔΟΣ", "οδοί"),
        ("ä", "b"),
        ("50 % Ä", "50_%"),
    ],
)
def test_other_letters_are_not_found(alice: Person, text: str, query: str) -> None:
    talk(alice, text, text)
    assert found(alice, query) == []


@pytest.mark.parametrize("wildcard", ["%", "_", "\\"])
def test_wildcards_are_only_themselves_beside_other_scripts_too(
    alice: Person, wildcard: str
) -> None:
    talk(alice, "Plain", "сто процентов")
    talk(alice, "Special", f"СТО{wildcard} процентов")
    assert found(alice, f"сто{wildcard} п") == ["Special"]


def test_what_a_turn_writes_is_found_by_prompt_answer_and_title(
    alice: Person, upstream: Upstream
) -> None:
    key = upstream.script(wire.answer("Ответ ", "МОДЕЛИ"))
    with alice.client.chat(content=f"ВОПРОС {key}") as stream:
        stream.read()
        conversation = stream.events[0].data["conversation"]
    for query in ("вопрос", "ответ модели"):
        assert conversation in alice.client.get("/search/", params={"q": query}).text
    assert (
        alice.client.post(f"/c/{conversation}/rename/", data={"title": "НОВОЕ имя"}).status_code
        < 400
    )
    page = alice.client.get("/search/", params={"q": "новое"}).text
    assert conversation in page
    page = alice.client.get("/search/", params={"q": "модели"}).text
    assert "<mark>МОДЕЛИ</mark>" in page


def test_the_fold_follows_its_text_however_that_is_written(alice: Person) -> None:
    conversation = talk(alice, "Один")
    message, other = Message.objects.bulk_create(
        [Message(conversation=conversation, role="user", content=text) for text in ("ДВА", "ТРИ")]
    )
    assert found(alice, "два") == ["Один"]
    Message.objects.filter(pk=message.pk).update(content="ЧЕТЫРЕ")
    assert (found(alice, "два"), found(alice, "четыре")) == ([], ["Один"])
    Message.objects.filter(pk=message.pk).update(content="plain")
    assert (found(alice, "четыре"), found(alice, "PLAIN")) == ([], ["Один"])
    message.content = "ПЯТЬ"
    message.save(update_fields=["content"])
    assert found(alice, "пять") == ["Один"]
    read = Message.objects.only("status").get(pk=other.pk)
    read.save()
    assert found(alice, "три") == ["Один"]
    conversation.title = "Шесть"
    conversation.save()
    assert found(alice, "шесть") == ["Шесть"]
    with pytest.raises(TypeError):
        Message.objects.filter(pk=message.pk).update(content=Value("x"))


@pytest.mark.parametrize(
    "text", ["ßx", "xß", "ßß", "e\u0301e", "İi", "ﷺ", "ｶﾞx", "x\u0323\u0307y", ""]
)
def test_every_piece_of_a_text_is_found_where_it_stands(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            place = find_folded(text, text[start:end])
            # Half of what composes to one letter is not in the text that is compared.
            if place is not None:
                assert fold(text[start:end]) in fold(text[slice(*place)])
    assert find_folded(text, "") is None
