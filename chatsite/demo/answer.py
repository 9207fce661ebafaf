"""The text of the demo model: the same for the same conversation. Pure.

It is made to show what the page can do.
"""

import re
from collections.abc import Sequence

_LABEL = (
    "**Demo answer.** No language model is at work here: this text is made by the demo model that"
    " comes with the site. 👋"
)
_ECHO_CHARS = 200

_LIST = """## What you can try

1. **Stop** me while I write; what I have said so far is kept.
2. **Reload** the page in the middle of an answer: it goes on.
3. Ask for *“a table”*, *“some code”* or *“a long answer”*.

- Lists may be nested,
  - like this,
- and text may be `code`, **bold** or ~~struck out~~."""

_TABLE = """## A table

| Planet  | Radius (km) | Moons | Day length |
|:--------|------------:|------:|:-----------|
| Mercury |       2,440 |     0 | 176 days   |
| Earth   |       6,371 |     1 | 24 hours   |
| Mars    |       3,390 |     2 | 24.7 hours |
| Neptune |      24,622 |    16 | 16 hours   |"""

_CODE = {
    "python": (
        """def fibonacci(count: int) -> list[int]:
    \"\"\"The first `count` numbers of the sequence.\"\"\"
    numbers = [0, 1]
    while len(numbers) < count:
        numbers.append(numbers[-1] + numbers[-2])
    return numbers[:count]


print(fibonacci(10))  # [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]"""
    ),
    "javascript": (
        """// The first `count` numbers of the sequence.
function fibonacci(count) {
  const numbers = [0, 1];
  while (numbers.length < count) {
    numbers.push(numbers.at(-1) + numbers.at(-2));
  }
  return numbers.slice(0, count);
}

console.log(fibonacci(10));"""
    ),
    "sql": (
        """WITH RECURSIVE fibonacci(position, value, following) AS (
  SELECT 1, 0, 1
  UNION ALL
  SELECT position + 1, following, value + following FROM fibonacci WHERE position < 10
)
SELECT position, value FROM fibonacci;"""
    ),
}

_ESSAY = [
    (
        "How an answer reaches you",
        (
            "Each word is sent as soon as it is there. The page keeps its place, so you can read"
            " along."
        ),
    ),
    (
        "What happens when you leave",
        "The answer belongs to the conversation, not to your tab. Come back and read on.",
    ),
    (
        "Who pays",
        (
            "Every answer is counted when it ends, in tokens and in money. Your limits are on the"
            " page “My limits and use”."
        ),
    ),
    (
        "What an operator sees",
        (
            "The operator sets the limits and sees how much was used. What was said stays between"
            " you and the model."
        ),
    ),
    (
        "Why I am slow",
        (
            "I write about as fast as people read. A real model may be faster, or pause to think"
            " before its first word."
        ),
    ),
    (
        "What comes next",
        "Set a key, start the site again, and a cleverer model than me will answer here. 🚀",
    ),
]


def answer_to(prompts: Sequence[str]) -> str:
    """Returns the answer, in Markdown, to the last of a person's `prompts`.

    The words “table”, “code”, “list” and “long” in it choose its parts.
    """
    words = set(re.findall(r"\w+", prompts[-1].lower())) if prompts else set()
    parts = [_LABEL, *_echo(prompts)]
    asked = _asked_for(words)
    parts += asked or [_LIST, _TABLE, _code(words)]
    if not asked:
        parts.append("That is all I know. ✨")
    return "\n\n".join(parts)


def tokens_of(text: str) -> list[str]:
    """Returns the text in pieces of a few characters, as they are sent and counted.

    Joined they are the text.
    """
    return re.findall(r"\s?\w{1,6}|\s?[^\w\s]|\s", text)


def _asked_for(words: set[str]) -> list[str]:
    parts = []
    if words & {"list", "lists"}:
        parts.append(_LIST)
    if words & {"table", "tables"}:
        parts.append(_TABLE)
    if words & {"code", "program", "function", *_CODE}:
        parts.append(_code(words))
    if words & {"long", "longer", "essay", "story"}:
        parts += [
            f"## {number}. {heading}\n\n{text} {text}"
            for number, (heading, text) in enumerate(_ESSAY * 2, 1)
        ]
    return parts


def _code(words: set[str]) -> str:
    language = next((name for name in _CODE if name in words), "python")
    return f"## Some code\n\n```{language}\n{_CODE[language]}\n```"


def _echo(prompts: Sequence[str]) -> list[str]:
    """Returns what was asked, as a quotation, and which turn of the conversation it was."""
    if not prompts:
        return []
    asked = " ".join(prompts[-1].split())
    if len(asked) > _ECHO_CHARS:
        asked = f"{asked[:_ECHO_CHARS]}…"
    turn = f"This is turn {len(prompts)} of our conversation. " if len(prompts) > 1 else ""
    return [f"{turn}You asked:", f"> {asked}"]
