"""Footnotes: `[^1]` in the text, `[^1]: …` where it is explained.

A note stays where it was written, and neither is a link: several answers stand on one page, and no
id would be unique. A mark without a note is text. The block rule follows markdown-it-footnote (MIT)
in what it takes for a note.
"""

import re

from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

_NOTE = re.compile(r"\[\^([^\]\s]{1,100})\]:[ \t]*")
_MARK = re.compile(r"\[\^([^\]\s]{1,100})\]")
_INDENT = 4


def footnote(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:
    """Reads a note and what is indented under it, as a block rule.

    Adds its label to `env["footnotes"]`.
    """
    start = state.bMarks[startLine] + state.tShift[startLine]
    found = _NOTE.match(state.src, start, state.eMarks[startLine])
    if not found or state.is_code_block(startLine):
        return False
    if silent:
        return True
    state.env["footnotes"].add(found[1])
    token = state.push("footnote_open", "div", 1)
    token.content = found[1]
    token.map = lines = [startLine, 0]
    _read_content(state, startLine, endLine, found.end())
    state.push("footnote_close", "div", -1)
    lines[1] = state.line
    return True


def _read_content(state: StateBlock, line: int, endLine: int, position: int) -> None:
    """Tokenizes from `position` in that line on, and the indented lines after it."""
    kept = state.bMarks[line], state.tShift[line], state.sCount[line], state.parentType
    state.bMarks[line], state.tShift[line] = position, 0
    state.blkIndent += _INDENT
    state.sCount[line] = state.blkIndent
    state.parentType = "footnote"
    state.md.block.tokenize(state, line, endLine)
    state.blkIndent -= _INDENT
    state.bMarks[line], state.tShift[line], state.sCount[line], state.parentType = kept


def footnote_mark(state: StateInline, silent: bool) -> bool:
    """Reads the mark of a note that exists, as an inline rule."""
    if not state.src.startswith("[^", state.pos):
        return False
    found = _MARK.match(state.src, state.pos, state.posMax)
    if not found or found[1] not in state.env["footnotes"]:
        return False
    if not silent:
        state.push("footnote_mark", "sup", 0).content = found[1]
    state.pos = found.end()
    return True
