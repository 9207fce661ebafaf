"""Turns bare web addresses in running text into links."""

import re

from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

# An address ends before CJK text, Thai and the other scripts that write no spaces, before brackets
# of any script but ( ) and { }, and before the marks of strong and struck text.
# Letters of scripts with spaces may stand in it. The same in static/js/markdown/urls.js.
_CHARACTER = r"[A-Za-z0-9\-._~:/?#@!$&()*+,;=%{}\u00c0-\u024f\u0370-\u0dff]"
_URL = re.compile(
    r"https?://(?:\[[0-9a-f:.]+\]|[A-Za-z0-9\u00c0-\u024f\u0370-\u0dff])"
    rf"(?:(?!\*\*|~~){_CHARACTER})*",
    re.IGNORECASE,
)
_SCHEMES = ("https", "http")
_WORD = re.compile(r"[A-Za-z0-9+.-]")
_TRAILING = ".,:;!?*_~&$\u060c\u061b\u061f\u0964\u0965"
_BRACKETS = {")": "(", "}": "{"}


def bare_url(state: StateInline, silent: bool) -> bool:
    """Links the address whose colon is at `state.pos`, as an inline rule; not inside a link."""
    if silent or state.linkLevel or not state.src.startswith("://", state.pos):
        return False
    scheme = next((s for s in _SCHEMES if state.pending.lower().endswith(s)), "")
    start = state.pos - len(scheme)
    if not scheme or (start and _WORD.match(state.src[start - 1])):
        return False
    found = _URL.match(state.src, start, state.posMax)
    if not found:
        return False
    url = trimmed(found.group())
    state.pending = state.pending[: -len(scheme)]
    _push_link(state, url)
    state.pos = start + len(url)
    return True


def _push_link(state: StateInline, url: str) -> None:
    state.push("link_open", "a", 1).attrs = {"href": state.md.normalizeLink(url)}
    state.push("text", "", 0).content = url
    state.push("link_close", "a", -1)


def trimmed(url: str) -> str:
    """Returns `url` without the punctuation of the sentence around it.

    A closing bracket stays if the address opened it.
    """
    unopened = {end: url.count(end) - url.count(begin) for end, begin in _BRACKETS.items()}
    length = len(url)
    while length:
        last = url[length - 1]
        if unopened.get(last, 0) > 0:
            unopened[last] -= 1
        elif last not in _TRAILING:
            break
        length -= 1
    return url[:length]


def link_tokens(text: str) -> list[Token]:
    """Returns `text` as tokens: addresses are linked, and nothing else is markup."""
    tokens, position = [], 0
    for found in _URL.finditer(text):
        url = trimmed(found.group())
        tokens += [_text(text[position : found.start()])]
        tokens += [Token("link_open", "a", 1, attrs={"href": url}), _text(url)]
        tokens += [Token("link_close", "a", -1)]
        position = found.start() + len(url)
    return [*tokens, _text(text[position:])]


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)
