"""Link definitions, `[label]: address`: one that nothing refers to is text, and stays visible."""

import re
from typing import Any

from markdown_it.common.utils import normalizeReference
from markdown_it.rules_block import StateBlock, reference
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline, image, link
from markdown_it.token import Token

from chat.markdown.urls import link_tokens

_LABEL = re.compile(r"\[((?:\\.|[^\\\]])*)\]:", re.DOTALL)


class References(dict[str, Any]):
    """Holds the link definitions, and remembers those that were used while `recording`."""

    def __init__(self) -> None:
        super().__init__()
        self.used: set[str] = set()
        self.recording = False

    def get(self, label: str, default: Any = None) -> Any:
        found = super().get(label, default)
        if found and self.recording:
            self.used.add(label)
        return found


def definition(state: StateBlock, startLine: int, endLine: int, silent: bool) -> bool:
    """Reads a link definition, as a block rule, and leaves a token where it stands."""
    if not reference(state, startLine, endLine, silent):
        return False
    if not silent:
        token = state.push("definition", "", 0)
        token.content = state.getLines(startLine, state.line, state.blkIndent, False).strip()
        token.map = [startLine, state.line]
    return True


def used_link(state: StateInline, silent: bool) -> bool:
    """Reads a link as CommonMark does, and notes which definition it used."""
    return _recorded(link, state, silent)


def used_image(state: StateInline, silent: bool) -> bool:
    """Reads an image as CommonMark does, and notes which definition it used."""
    return _recorded(image, state, silent)


def _recorded(rule: Any, state: StateInline, silent: bool) -> bool:
    references: References = state.env["references"]
    before = references.recording
    references.recording = not silent
    try:
        return bool(rule(state, silent))
    finally:
        references.recording = before


def settle_definitions(state: StateCore) -> None:
    """Turns unused definitions into paragraphs, as a core rule; those in use disappear."""
    known = set[str]()
    tokens = []
    for token in state.tokens:
        if token.type != "definition":
            tokens.append(token)
            continue
        found = _LABEL.match(token.content)
        label = normalizeReference(found[1]) if found else ""
        if label in known or label not in state.env["references"].used:
            tokens += _paragraph(token)
        known.add(label)
    state.tokens = tokens


def _paragraph(definition: Token) -> list[Token]:
    opening = Token("paragraph_open", "p", 1, level=definition.level, map=definition.map)
    inline = Token("inline", "", 0, level=definition.level + 1)
    children: list[Token] = []
    for line in definition.content.split("\n"):
        children += [*link_tokens(line.strip()), Token("softbreak", "br", 0)]
    inline.children = children[:-1]
    return [opening, inline, Token("paragraph_close", "p", -1, level=definition.level)]
