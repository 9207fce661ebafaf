"""The name of a conversation: the first words of its text, cut where a reader would cut."""

from collections.abc import Callable
from typing import Any
from unicodedata import normalize

import pytest

from chat.conversations.titles import MAX_TITLE_CHARS, title_of
from chat.graphemes import cut, cut_bytes
from tests.harness.people import Person
from tests.harness.upstream import Upstream

FAMILY = "👩‍👩‍👧‍👦"
SCOTLAND = "🏴󠁧󠁢󠁳󠁣󠁴󠁿"

WHOLE = {
    "Hello": "Hello",
    "  two\n\n words ": "two words",
    "你好，世界": "你好，世界",
    "# Heading\n\nand text": "Heading and text",
    "> a quote\n> goes on": "a quote goes on",
    "- [ ] buy milk\n- [x] and bread": "buy milk and bread",
    "**Note:** read this": "Note: read this",
    "`ls -l` does what?": "ls -l does what?",
    "```python\nprint(1)\n```": "print(1)",
    "~~~\nprint(1)\n~~~": "print(1)",
    "```python\nprint(1)": "print(1)",
    "Fix this:\n```python\nprint(1)\n```\nplease": "Fix this: please",
    "Fix ```js\nfoo()\n```\nnow": "Fix now",
    "```print(1)``` prints what?": "print(1) prints what?",
    "```python": "python",
    "----\nText": "Text",
    "#!/bin/sh is what?": "#!/bin/sh is what?",
    "#hashtag": "#hashtag",
    "-5 + 3 = ?": "-5 + 3 = ?",
    "2**3 and 4**5": "2**3 and 4**5",
    "What does __init__ do?": "What does __init__ do?",
    "1. first": "1. first",
    "#": "#",
    "\u202eevil\u202c text\u200f": "evil text",
    "zero\u200bwidth\ufeff": "zerowidth",
    "می‌خواهم": "می‌خواهم",
    FAMILY: FAMILY,
    "\u200b": "",
    "\u200d": "",
    "```": "",
}


@pytest.mark.parametrize(("prompt", "title"), WHOLE.items())
def test_short_prompt_is_its_own_title_without_its_marks(prompt: str, title: str) -> None:
    assert title_of(prompt) == title


CUT = {
    "Chinese": "请帮我写一篇关于人工智能在医疗领域应用的文章" * 9,
    "Chinese sentences": "请帮我写一篇关于人工智能的文章，要求内容详实。" * 9,
    "Japanese": "日本語の文章を要約してください。「それは本当に素晴らしい」と彼は言いました。" * 5,
    "a word and then none": "你好 " + "世界" * 100,
    "a short word and an address": "see https://example.org/" + "a/long/path/" * 30,
    "Thai": "สวัสดีครับ" * 20,
    "Korean": "한국어 문장을 요약해 주세요 " * 9,
    "Arabic": "مرحبا بالعالم " * 20,
    "Hebrew": "שלום עולם " * 20,
    "English": "Tell me " + "very " * 30 + "much",
    "one word": "x" * 500,
    "an emoji": FAMILY * 50,
    "flags": "a" + "🇩🇪🇫🇷" * 50,
    "tagged flags": SCOTLAND * 20,
    "skin": "👍🏽" * 80,
    "keycaps": "1️⃣2️⃣3️⃣" * 30,
    "composed accents": "e\u0301" * 100,
    "Hangul in parts": normalize("NFD", "한") * 60,
    "Devanagari": "क्षत्रिय" * 30,
    "surrogate planes": "𠮷野家" * 40,
}


@pytest.mark.parametrize("prompt", CUT.values(), ids=CUT)
def test_long_prompt_is_cut_near_the_limit_and_nowhere_inside_of_a_character(prompt: str) -> None:
    title = title_of(prompt)
    assert MAX_TITLE_CHARS // 2 < len(title) <= MAX_TITLE_CHARS
    assert title.endswith("…")
    kept = title.removesuffix("…")
    assert prompt.startswith(kept)
    assert cut(prompt, len(kept)) == kept


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("word " * 30, "word " * 11 + "word…"),
        (
            "请帮我写一篇关于人工智能的文章，要求内容详实。" * 9,
            ("请帮我写一篇关于人工智能的文章，要求内容详实。" * 9)[:45] + "…",
        ),
        ("世" * 57 + "「界」" * 20, "世" * 57 + "…"),
        ("世" * 58 + "界。" + "世" * 60, "世" * 58 + "…"),
        ("世" * 50 + "kubernetes" * 9, "世" * 50 + "…"),
        ("e" + "\u0301" * 500, "e" + "\u0301" * 58 + "…"),
    ],
)
def test_place_to_end_is_a_sensible_one(prompt: str, title: str) -> None:
    assert title_of(prompt) == title


@pytest.mark.parametrize(
    "prompt",
    ["请帮我写一篇关于人工智能在医疗领域应用的文章" * 9, "```python\nprint(1)\n```", FAMILY * 50],
)
def test_conversation_is_named_so_on_the_page_too(
    alice: Person, prompt: str, upstream: Upstream
) -> None:
    with alice.client.chat(content=prompt) as stream:
        stream.read()
        start: dict[str, Any] = stream.events[0].data
    assert start["title"] == title_of(prompt)
    assert start["title"] in alice.client.get(f"/c/{start['conversation']}/").text


@pytest.mark.parametrize("measure", [cut, cut_bytes])
def test_a_text_that_fits_is_left_alone(measure: Callable[[str, int], str]) -> None:
    assert measure("abc", 3) == "abc"
    assert measure("", 3) == ""


@pytest.mark.parametrize(
    ("text", "most", "kept"),
    [
        ("日本語", 8, "日本"),
        ("aé", 2, "a"),
        ("e\u0301e\u0301", 5, "e\u0301"),
        (f"a{FAMILY}", 20, "a"),
    ],
)
def test_bytes_are_counted_and_no_character_is_cut_in_two(text: str, most: int, kept: str) -> None:
    assert cut_bytes(text, most) == kept
