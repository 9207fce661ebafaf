"""Renders blocks of code, coloured by Pygments' classes."""

import re
from functools import cache
from html import escape
from typing import Any

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

# Larger blocks are shown without colours: colouring is the slowest step by far, and many of
# Pygments' lexers take time by the square of a line's length or of a run of blank lines.
MAX_HIGHLIGHTED_CHARS = 50_000
_TOO_SLOW = re.compile(r"[^\n]{500}|\n(?:[ \t]*\n){20}")
# Only these names are asked of Pygments: for an unknown one it scans the installed packages, and
# some rare lexers take quadratic time.
_NAMES = """
bash sh shell zsh console powershell bat docker dockerfile make makefile nginx ini toml yaml yml
json xml html css scss diff http c cpp c++ kotlin scala go golang rust rs swift python py python3
pycon ruby rb php perl lua r julia haskell elixir erlang clojure javascript js jsx typescript ts tsx
graphql sql latex tex markdown md
"""
LANGUAGES = frozenset(_NAMES.split())
# Their own lexers are quadratic in ordinary text; Vala's is close enough.
STAND_INS = {"java": "vala", "c#": "vala", "csharp": "vala", "cs": "vala"}

_LANGUAGE = re.compile(r"[\w+#.-]{1,30}")


def code_block(code: str, info: str) -> str:
    """Returns the HTML of a block: a bar with its language and a copy button, and the code."""
    found = _LANGUAGE.match(info.strip())
    language = found.group() if found else ""
    return (
        '<div class="code-block"><div class="code-bar">'
        f'<span class="code-language">{escape(language or "text")}</span>'
        '<button type="button" class="copy-code">Copy</button></div>'
        f'<pre tabindex="0"><code>{_highlighted(code, language)}</code></pre></div>\n'
    )


def _highlighted(code: str, language: str) -> str:
    name = STAND_INS.get(language.lower(), language.lower())
    is_known = name in LANGUAGES or name in STAND_INS.values()
    if not is_known or len(code) > MAX_HIGHLIGHTED_CHARS or _TOO_SLOW.search(code):
        return escape(code)
    lexer = get_lexer_by_name(name, stripnl=False, ensurenl=False)
    coloured = str(highlight(code, lexer, _formatter()))
    return coloured if code.endswith("\n") else coloured.removesuffix("\n")


@cache
def _formatter() -> Any:
    return HtmlFormatter(nowrap=True)
