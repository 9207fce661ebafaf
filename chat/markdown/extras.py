"""Task lists, line breaks in tables, links in links, and where markdown-it.js differs."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import wraps

from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

_TASK = re.compile(r"\[([ xX])\][ \t]+(?=\S)")
_BREAK = re.compile(r"<br[ \t]*/?>", re.IGNORECASE)


def find_tasks(state: StateCore) -> None:
    """Takes `[ ]` and `[x]` off the beginning of list items, before their text is read."""
    tokens = state.tokens
    for item, paragraph, inline in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if item.type == "list_item_open" and paragraph.type == "paragraph_open":
            found = _TASK.match(inline.content)
            if found:
                inline.content = inline.content[found.end() :]
                inline.meta = {"done": found[1] != " "}
                item.attrSet("class", "task")


def show_tasks(state: StateCore) -> None:
    """Puts a box before the text of those items, after it has been read."""
    for token in state.tokens:
        if token.type == "inline" and "done" in token.meta:
            box = Token("task_box", "span", 0, meta=token.meta)
            token.children = [box, *(token.children or [])]


def html_break(state: StateInline, silent: bool) -> bool:
    """Reads `<br>` as one token, as an inline rule; its place decides what it means."""
    found = _BREAK.match(state.src, state.pos, state.posMax)
    if not found:
        return False
    if not silent:
        state.push("html_break", "br", 0).content = found.group()
    state.pos = found.end()
    return True


def settle_breaks(state: StateCore) -> None:
    """Breaks lines in table cells, where Markdown has no other way; elsewhere `<br>` is text."""
    for before, token in zip(state.tokens, state.tokens[1:], strict=False):
        for child in token.children or ():
            if child.type == "html_break":
                child.type = "hardbreak" if before.type in ("td_open", "th_open") else "text"


def align_by_class(state: StateCore) -> None:
    """Writes the alignment of table cells as a class: our policy forbids style attributes."""
    for token in state.tokens:
        style = token.attrs.pop("style", None) if token.type in ("td_open", "th_open") else None
        if style:
            token.attrs["class"] = f"align-{str(style).rpartition(':')[2]}"


BlockRule = Callable[[StateBlock, int, int, bool], bool]


def keeping_spaces(rule: BlockRule) -> BlockRule:
    """Wraps a rule for paragraphs so that only ASCII spaces around the text are dropped.

    An ideographic space is the indentation of a Chinese paragraph.
    """

    @wraps(rule)
    def keeping(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:
        if not rule(state, startLine, endLine, silent):
            return False
        inline = state.tokens[-2]
        begin, end = inline.map or (startLine, endLine)
        inline.content = state.getLines(begin, end, state.blkIndent, False).strip(" \t\r\n")
        return True

    return keeping


def flatten_links(state: StateCore) -> None:
    """Keeps only the outermost of nested links, as around a badge: HTML forbids links in links.

    A parser would end the outer one there, and leave it empty.
    """
    for block in state.tokens:
        if block.children:
            block.children = list(_flat(block.children))


def _flat(tokens: list[Token]) -> Iterator[Token]:
    depth = 0
    for token in tokens:
        depth += token.nesting if token.tag == "a" else 0
        if token.tag == "a" and depth > (token.nesting > 0):
            continue
        yield _image_text(token) if depth and token.type == "image" else token


def _image_text(image: Token) -> Token:
    return Token("text", "", 0, content=label_of(image))


def label_of(image: Token) -> str:
    """Returns the text that stands for an image: its description, or else its address."""
    return _text_of(image.children or []) or str(image.attrGet("src") or "")


def _text_of(tokens: Sequence[Token]) -> str:
    return "".join(_text_of(t.children) if t.children else t.content for t in tokens)


def drop_empty_addresses(state: StateCore) -> None:
    """Takes the address off links where it is empty, as it would lead to this page."""
    for block in state.tokens:
        for token in block.children or ():
            if token.type == "link_open" and not token.attrs.get("href"):
                token.attrs.pop("href", None)
