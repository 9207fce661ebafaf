"""Renders Markdown as HTML that is safe to put into our page."""

import re
from collections.abc import Iterator, MutableMapping, Sequence
from html import escape
from typing import Any

from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from chat.markdown.code import code_block
from chat.markdown.definitions import References
from chat.markdown.extras import label_of
from chat.markdown.formulas import CLOSING
from chat.markdown.grammar import MAX_NESTING, grammar
from chat.markdown.mathml import mathml
from chat.markdown.sanitise import sanitised

# A character that may be markup takes up to 20 µs, also if it is none, and any other a hundredth of
# that. From the line on in which these are used up a text is shown as it was written, so that no
# answer takes much longer than a second. They are enough for a book of prose or code.
MAX_MARKUP_CHARS = 40_000
MAX_CHARS = 1_000_000
# The characters of all formulas of an answer, at about 40 µs each; later ones stay as they were
# written.
MAX_MATH_CHARS = 10_000
_MARKUP = re.compile(r"[\n\[\]()!*_~`|<>&:\\#+=$-]")

Env = MutableMapping[str, Any]
Tokens = Sequence[Token]


def render(text: str) -> str:
    """Returns the Markdown `text` as safe HTML: CommonMark, tables, formulas, coloured code.

    HTML in the text is shown as text. Images become links, so that nothing is loaded from
    elsewhere. Links lead to http, https and mailto only.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    end = formatted_end(text)
    html = _rendered(text[:end]) if end else ""
    return html + (_as_written(text[end:]) if end < len(text) else "")


def formatted_end(text: str) -> int:
    """Returns the position up to which `text` is formatted: all of it, or whole lines of it."""
    end = len(text)
    if end > MAX_CHARS:
        end = text.rfind("\n", 0, MAX_CHARS) + 1
    for count, mark in enumerate(_MARKUP.finditer(text, 0, end), 1):
        if count > MAX_MARKUP_CHARS:
            return text.rfind("\n", 0, mark.start()) + 1
    return end


def _rendered(text: str) -> str:
    markdown = grammar(_Renderer)
    env: Env = {"references": References(), "footnotes": set(), "math_left": MAX_MATH_CHARS}
    tokens = list(_without_depths(markdown.parse(text, env), text.split("\n")))
    return sanitised(markdown.renderer.render(tokens, markdown.options, env))


def _as_written(text: str) -> str:
    return f"<pre><code>{escape(text)}</code></pre>"


def _without_depths(tokens: list[Token], lines: list[str]) -> Iterator[Token]:
    """Yields the tokens, with blocks that are nested too deep replaced by their source."""
    block: list[Token] = []
    depth = 0
    for token in tokens:
        block.append(token)
        depth += token.nesting
        if depth:
            continue
        if any(part.level >= MAX_NESTING - 1 for part in block):
            begin, end = block[0].map or (0, 0)
            yield Token("as_written", "pre", 0, content="\n".join(lines[begin:end]))
        else:
            yield from block
        block = []


class _Renderer(RendererHTML):
    """Writes the tokens that markdown-it does not know, or that look different in our page."""

    def fence(self, tokens: Tokens, idx: int, options: OptionsDict, env: Env) -> str:
        return code_block(tokens[idx].content, tokens[idx].info)

    def code_block(self, tokens: Tokens, idx: int, options: OptionsDict, env: Env) -> str:
        return code_block(tokens[idx].content, "")

    def as_written(self, tokens: Tokens, idx: int, options: OptionsDict, env: Env) -> str:
        return _as_written(tokens[idx].content)

    def image(self, tokens: Tokens, idx: int, options: OptionsDict, env: Env) -> str:
        source = str(tokens[idx].attrGet("src") or "")
        address = f' href="{escape(source)}"' if source else ""
        return f"<a{address}>{escape(label_of(tokens[idx]))}</a>"

    def table_open(self, tokens: Tokens, idx: int, options: OptionsDict, env: Env) -> str:
        return '<div class="table-scroll" tabindex="0"><table>\n'

    def table_close(self, tokens: Tokens, idx: int, options: OptionsDict, env: Env) -> str:
        return "</table></div>\n"

    def math_inline(self, tokens: Tokens, idx: int, options: OptionsDict, env: Env) -> str:
        is_block = tokens[idx].markup in ("$$", r"\[")
        return f'<span class="formula">{_formula(tokens[idx], env, is_block)}</span>'

    def math_block(self, tokens: Tokens, idx: int, options: OptionsDict, env: Env) -> str:
        inner = _formula(tokens[idx], env, True)
        return f'<div class="formula-block" tabindex="0">{inner}</div>\n'

    def footnote_open(self, tokens: Tokens, idx: int, options: OptionsDict, env: Env) -> str:
        label = escape(tokens[idx].content)
        return f'<div class="footnote"><span class="footnote-label">[{label}]</span><div>\n'

    def footnote_close(self, tokens: Tokens, idx: int, options: OptionsDict, env: Env) -> str:
        return "</div></div>\n"

    def footnote_mark(self, tokens: Tokens, idx: int, options: OptionsDict, env: Env) -> str:
        return f'<sup class="footnote-mark">[{escape(tokens[idx].content)}]</sup>'

    def task_box(self, tokens: Tokens, idx: int, options: OptionsDict, env: Env) -> str:
        box, label = ("☑", "Done") if tokens[idx].meta["done"] else ("☐", "To do")
        return f'<span class="task-box" role="img" aria-label="{label}">{box}</span> '


def _formula(token: Token, env: Env, is_block: bool) -> str:
    env["math_left"] -= len(token.content)
    is_open = token.meta.get("open", False)
    if not is_open and env["math_left"] >= 0:
        shown = mathml(token.content, is_block=is_block)
        if shown:
            return shown
    gap = "\n" if token.type == "math_block" else ""
    closing = "" if is_open else gap + CLOSING[token.markup]
    return escape(f"{token.markup}{gap}{token.content}{closing}")
