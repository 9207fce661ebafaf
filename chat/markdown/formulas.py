r"""Formulas: `$…$`, `$$…$$`, `\(…\)`, `\[…\]`, told from money, variables and escapes."""

import re

from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

from chat.markdown.cjk import CJK

CLOSING = {"$": "$", "$$": "$$", r"\(": r"\)", r"\[": r"\]"}
MAX_FORMULA_CHARS = 2_000

_ALNUM = re.compile(r"[A-Za-z0-9]")
# Between two dollar signs, “5 and 10”, or two words in a row, is prose between sums of money.
_PROSE = re.compile(r"^[0-9.,]+\s+[^\W\d_]{2}|[^\W\d_]{2},?\s+[^\W\d_]{2}")
_MARKS = re.compile(r"[\\^_=+*/<>|{}()0-9-]")
# `\[1\]` and `\[word\]` are escaped brackets.
_LATEX = re.compile(r"^\s|[\\^_=]")


# --- Blocks -----------------------------------------------------------------


def math_block(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:
    r"""Reads a formula on separate lines, as a block rule; `$$` or `\[` alone opens it.

    A line that ends with its counterpart closes it. With a blank line before that it is no formula;
    where the text ends instead, it is one that is still being written.
    """
    opening = _line(state, startLine)
    if opening not in ("$$", r"\[") or state.is_code_block(startLine):
        return False
    last = _closing_line(state, startLine, endLine, CLOSING[opening])
    if last is None:
        return False
    if silent:
        return True
    is_open = last == endLine
    source = state.getLines(startLine + 1, last + (not is_open), state.blkIndent, False).strip()
    token = state.push("math_block", "", 0)
    token.content = source if is_open else source.removesuffix(CLOSING[opening]).strip()
    token.markup, token.meta = opening, {"open": is_open}
    state.line = last + (not is_open)
    token.map = [startLine, state.line]
    return True


def _closing_line(state: StateBlock, startLine: int, endLine: int, closing: str) -> int | None:
    for line in range(startLine + 1, endLine):
        if state.isEmpty(line) or state.sCount[line] < state.blkIndent:
            return None
        if _line(state, line).endswith(closing):
            return line
    return endLine


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].rstrip(" \t")


# --- In a line --------------------------------------------------------------


def math_inline(state: StateInline, silent: bool) -> bool:
    """Reads the formula that begins at `state.pos`, as an inline rule."""
    opening = _opening(state)
    if not opening:
        return False
    start = state.pos + len(opening)
    end = _end(state, opening, start)
    if end is None or not _is_formula(opening, state.src[start:end]):
        return False
    if not silent:
        token = state.push("math_inline", "", 0)
        token.content, token.markup = state.src[start:end], opening
    state.pos = end + len(opening)
    return True


def _opening(state: StateInline) -> str:
    two = state.src[state.pos : state.pos + 2]
    if two in (r"\(", r"\["):
        return two
    if not two.startswith("$"):
        return ""
    if state.pos and (state.src[state.pos - 1] == "$" or _ALNUM.match(state.src[state.pos - 1])):
        return ""
    return "$$" if two == "$$" else "$"


def _end(state: StateInline, opening: str, start: int) -> int | None:
    """Returns the position of the closing mark; None where there is none."""
    limit = min(state.posMax, start + MAX_FORMULA_CHARS)
    closing = CLOSING[opening]
    end = state.src.find(closing, start, limit)
    while end > 0 and closing != r"\)" and state.src[end - 1] == "\\":
        end = state.src.find(closing, end + 1, limit)
    if end <= start:
        return None
    after = state.src[end + len(closing) : end + len(closing) + 1]
    if opening == "$" and (after == "$" or _ALNUM.match(after)):
        return None
    return end


def _is_formula(opening: str, content: str) -> bool:
    if not content.strip():
        return False
    if opening == "$":
        return _is_dollar_formula(content)
    if opening == r"\[":
        return bool(_LATEX.search(content) and re.search(r"[^\W_]", content))
    return bool(opening == r"\(" or _MARKS.search(content) or len(content.strip()) <= 3)


def _is_dollar_formula(content: str) -> bool:
    if "\n" in content or content != content.strip():
        return False
    return "\\" in content or not (CJK.search(content) or _PROSE.search(content))
