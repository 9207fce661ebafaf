"""Emphasis next to Chinese, Japanese and Korean characters."""

import re
from collections.abc import MutableMapping
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import isWhiteSpace
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Scanned
from markdown_it.token import Token

# The wide, fullwidth and halfwidth characters of Unicode's EastAsianWidth.txt without emoji; the
# same ranges are in static/js/markdown/cjk.js.
CJK_RANGES = (
    r"\u1100-\u11ff\u2e80-\u303e\u3040-\ua4cf\ua960-\ua97c\uac00-\ud7fb\uf900-\ufaff"
    r"\ufe10-\ufe19\ufe30-\ufe6b\uff01-\uffee\U00016fe0-\U0001b2ff\U00020000-\U0003fffd"
)
CJK = re.compile(f"[{CJK_RANGES}]")


Env = MutableMapping[str, Any]


class CjkState(StateInline):
    """Reads `*` and `~~` beside CJK text as marks, also where punctuation is on their other side.

    CommonMark tells an opening mark from a closing one by spaces and punctuation around it, and
    these scripts write no spaces: `**注意：**正文` would stay as it is. The rule is that of
    https://github.com/tats-u/markdown-cjk-friendly. `_` inside words stays text.
    """

    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:
        scanned = super().scanDelims(start, canSplitWord)
        end = start + scanned.length
        if not canSplitWord or start == 0 or end >= self.posMax:
            return scanned
        before, after = self.src[start - 1], self.src[end]
        if isWhiteSpace(ord(before)) or isWhiteSpace(ord(after)):
            return scanned
        if CJK.match(before) or CJK.match(after):
            return Scanned(True, True, scanned.length)
        return scanned


class CjkParser(ParserInline):
    """Parses inline text with CjkState."""

    def parse(self, src: str, md: MarkdownIt, env: Env, tokens: list[Token]) -> list[Token]:
        state = CjkState(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens
