"""Text of an answer -> safe HTML: the one renderer for every finished answer. Pure; imports nothing of the project."""

import re
from collections.abc import Iterator, MutableMapping, Sequence
from functools import cache
from html import escape
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

# markdown-it drops what is nested deeper (a list counts twice), so such a text is shown as it was written; its time grows
# with the square of this on hostile text.
MAX_NESTING = 20
# A character that may be markup takes up to 20 µs, whatever it turns out to be, and any other a hundredth of that: beyond these a
# text is shown as it was written, so that no answer takes much longer than a second. They are a book's worth of prose or code.
MAX_MARKUP_CHARS = 40_000
MAX_CHARS = 1_000_000
_MARKUP = re.compile(r"[\n\[\]()!*_~`|<>&:\\#+=-]")
# Colouring is the slowest step by far, and many of Pygments' lexers take time by the square of a line's
# length or of a run of blank lines: blocks beyond these are shown plain.
MAX_HIGHLIGHTED_CHARS = 50_000
_TOO_SLOW = re.compile(r"[^\n]{500}|\n(?:[ \t]*\n){20}")
# Asking Pygments for a name it does not know scans the installed packages, and some rare lexers take quadratic time.
_NAMES = """
bash sh shell zsh console powershell bat docker dockerfile make makefile nginx ini toml yaml yml json xml html css scss diff http
c cpp c++ kotlin scala go golang rust rs swift python py python3 pycon ruby rb php perl lua r julia haskell elixir
erlang clojure javascript js jsx typescript ts tsx graphql sql latex tex markdown md
"""
LANGUAGES = frozenset(_NAMES.split())
# Their own lexers are quadratic in ordinary text; Vala's is close enough.
STAND_INS = {"java": "vala", "c#": "vala", "csharp": "vala", "cs": "vala"}

_SAFE_URL = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_LANGUAGE = re.compile(r"[\w+#.-]{1,30}")
_BARE_URL = re.compile(r"\bhttps?://[^\s<>\"'`]+", re.IGNORECASE)
_TRAILING = ".,:;!?*_~"


def render(text: str) -> str:
    """The Markdown `text` as HTML that may stand in our page as it is: CommonMark, tables, strikethrough, coloured code.

    HTML in the text is shown, not obeyed; images become links, so that nothing is
    loaded from elsewhere; links go to http, https and mailto only.
    """
    if len(text) > MAX_CHARS or sum(1 for _ in _MARKUP.finditer(text)) > MAX_MARKUP_CHARS:
        return _as_written(text)
    parser, env = _parser(), dict[str, Any]()
    tokens = parser.parse(text, env)
    if any(token.level >= MAX_NESTING - 1 for token in tokens):
        return _as_written(text)
    return _sanitised(parser.renderer.render(tokens, parser.options, env))


def _as_written(text: str) -> str:
    return f"<pre><code>{escape(text)}</code></pre>"


# --- Markdown ---------------------------------------------------------------


@cache
def _parser() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": MAX_NESTING}, renderer_cls=_Renderer)
    markdown.enable(["table", "strikethrough"])
    markdown.validateLink = lambda url: bool(_SAFE_URL.match(url))  # type: ignore[method-assign]
    markdown.core.ruler.after("inline", "bare_urls", _link_bare_urls)
    return markdown


class _Renderer(RendererHTML):
    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]) -> str:
        return _code_block(tokens[idx].content, tokens[idx].info)

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]) -> str:
        return _code_block(tokens[idx].content, "")

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]) -> str:
        source = str(tokens[idx].attrGet("src") or "")
        label = self.renderInlineAsText(tokens[idx].children, options, env) or source
        return f'<a href="{escape(source)}">{escape(label)}</a>'

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]) -> str:
        return '<div class="table-scroll" tabindex="0"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: MutableMapping[str, Any]) -> str:
        return "</table></div>\n"


def _link_bare_urls(state: StateCore) -> None:
    """A core rule: http and https addresses in running text become links."""
    for block in state.tokens:
        if block.children and any("://" in token.content for token in block.children):
            block.children = list(_with_links(block.children))


def _with_links(tokens: list[Token]) -> Iterator[Token]:
    inside_link = 0
    for token in tokens:
        inside_link += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        if token.type == "text" and not inside_link:
            yield from _split_at_urls(token.content)
        else:
            yield token


def _split_at_urls(text: str) -> Iterator[Token]:
    position = 0
    for match in _BARE_URL.finditer(text):
        url = _trimmed(match.group())
        yield _text(text[position : match.start()])
        yield Token("link_open", "a", 1, attrs={"href": url})
        yield _text(url)
        yield Token("link_close", "a", -1)
        position = match.start() + len(url)
    yield _text(text[position:])


def _trimmed(url: str) -> str:
    """Without the punctuation of the sentence around it; a closing bracket stays if the address opened it."""
    url = url.rstrip(_TRAILING)
    if url.endswith(")") and url.count("(") < url.count(")"):
        url = url.rstrip(")").rstrip(_TRAILING)
    return url


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


# --- Code -------------------------------------------------------------------


def _code_block(code: str, info: str) -> str:
    """A code block as the page shows it: a bar with the language and a copy button, and the code below."""
    found = _LANGUAGE.match(info.strip())
    language = found.group() if found else ""
    return (
        f'<div class="code-block"><div class="code-bar"><span class="code-language">{escape(language or "text")}</span>'
        '<button type="button" class="copy-code">Copy</button></div>'
        f'<pre tabindex="0"><code>{_highlighted(code, language)}</code></pre></div>\n'
    )


def _highlighted(code: str, language: str) -> str:
    name = STAND_INS.get(language.lower(), language.lower())
    if not (name in LANGUAGES or name in STAND_INS.values()) or len(code) > MAX_HIGHLIGHTED_CHARS or _TOO_SLOW.search(code):
        return escape(code)
    lexer = get_lexer_by_name(name, stripnl=False, ensurenl=False)
    return str(highlight(code, lexer, _formatter()))


@cache
def _formatter() -> Any:
    return HtmlFormatter(nowrap=True)


# --- The second wall --------------------------------------------------------

_INLINE = {"a", "br", "code", "em", "s", "span", "strong"}
_BLOCKS = {"blockquote", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "ul"}
_TABLES = {"table", "tbody", "td", "th", "thead", "tr"}


@cache
def _cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=_INLINE | _BLOCKS | _TABLES | {"button"},
        attributes={
            "a": {"href", "title"},
            "button": {"type", "class"},
            "div": {"class", "tabindex"},
            "ol": {"start"},
            "pre": {"tabindex"},
            "span": {"class"},
        },
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        generic_attribute_prefixes=set(),
    )


def _sanitised(html: str) -> str:
    return _cleaner().clean(html)
