"""The name of a conversation, from its first prompt. Pure; imports chat.graphemes alone."""

import re
from collections.abc import Iterable
from unicodedata import category

from chat.graphemes import cut

MAX_TITLE_CHARS = 60
# A place to end is looked for in the last characters; a word longer than that, such as an address,
# is cut.
_LOOK_BACK = 24

# A line that begins or ends a block of code, with what may stand before it.
_FENCE = re.compile(r"(.*?)(?:`{3,}|~{3,})[\w+#.-]*\s*$")
# Marks at the beginning of a line: headings, quotes, list items, boxes to tick.
_MARKS = re.compile(r"\s*(?:(?:#{1,6}|>+|[-*+•]|\[[ xX]\])(?:\s+|$))+")
_RULE = re.compile(r"\s*(?:[-*_=]\s*){3,}$")
_EMPHASIS = re.compile(r"(\*\*|`+)(?=\S)(.+?)(?<=\S)\1")
# Characters that turn the direction of the page's text, and invisible ones. Joiners stay: scripts
# and emoji need them.
INVISIBLE = re.compile(
    "[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad]"
)
# Chinese and Japanese have no spaces: a line may end behind any character, but for the rules below
# (JIS X 4051, kinsoku shori).
_CJK = re.compile(
    "[\u2e80-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff9f"
    "\U00020000-\U0003ffff]"
)
_NEVER_FIRST = frozenset(
    "、。，．・：；？！゛゜ヽヾゝゞ々ー’”）〕］｝〉》」』】ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ゙゚"
)
_NEVER_LAST = frozenset("‘“（〔［｛〈《「『【")
_SENTENCE_END = frozenset("。！？；，、：")
# Letters, numbers, punctuation, symbols (Unicode's general categories).
_VISIBLE = "LNPS"
_TRAILING = " ,;:.、，。；：・" + "".join(sorted(_NEVER_LAST)) + "([{"


def title_of(prompt: str) -> str:
    """Returns the first words of the prompt's text, at most MAX_TITLE_CHARS characters.

    The … of a title that is cut counts; "" where there is nothing to see in the prompt.
    """
    line = _text_of(prompt)
    return line if len(line) <= MAX_TITLE_CHARS else f"{_cut(line, MAX_TITLE_CHARS - 1)}…"


def _text_of(prompt: str) -> str:
    """Returns on one line the text around blocks of code; without such text, the code.

    Where that is empty too, it returns the prompt as it is.
    """
    text = INVISIBLE.sub("", prompt)
    outside, inside = _split(text)
    line = _joined(map(_without_marks, outside)) or _joined(inside) or _joined([text]).strip("`~ ")
    return line if any(category(letter)[0] in _VISIBLE for letter in line) else ""


def _split(text: str) -> tuple[list[str], list[str]]:
    """Returns the lines outside and inside of fenced code."""
    parts: tuple[list[str], list[str]] = ([], [])
    is_code = False
    for line in text.splitlines():
        fence = _FENCE.match(line)
        parts[is_code].append(fence[1] if fence else line)
        is_code ^= fence is not None
    return parts


def _without_marks(line: str) -> str:
    """Returns the text of a line of Markdown; "" of a rule."""
    if _RULE.match(line):
        return ""
    marks = _MARKS.match(line)
    text = line[marks.end() :] if marks else line.lstrip()
    emphasis = _EMPHASIS.match(text)
    return emphasis[2] + text[emphasis.end() :] if emphasis else text


def _joined(lines: Iterable[str]) -> str:
    return " ".join(" ".join(lines).split())


def _cut(line: str, most: int) -> str:
    """Returns the beginning of the line, at most `most` characters.

    It ends, as far as possible, behind a part of a sentence, else a word, else a character.
    """
    places = [place for place in range(most, most - _LOOK_BACK, -1) if _may_end(line, place)]
    ends = [place for place in places if line[place - 1] in _SENTENCE_END]
    end = next(iter(ends or places), 0)
    kept = line[:end] if end else cut(line, most)
    return kept.rstrip(_TRAILING) or kept


def _may_end(line: str, place: int) -> bool:
    before, after = line[place - 1], line[place]
    if after == " ":
        return True
    if (
        not (_CJK.match(before) or _CJK.match(after))
        or after in _NEVER_FIRST
        or before in _NEVER_LAST
    ):
        return False
    return len(cut(line, place)) == place
