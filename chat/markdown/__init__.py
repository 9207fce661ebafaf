"""Renders the text of an answer as safe HTML. Pure: no I/O, no Django.

`static/js/markdown/` is the same grammar for the browser, which shows an answer while it streams.
The two agree: after any beginning of an answer the page shows what `render` would make of it
(tests/conversations/test_markdown_agreement.py), so that the end never changes what a reader saw. A
rule that changes here must change there.
"""

from chat.markdown.grammar import MAX_NESTING
from chat.markdown.render import render

__all__ = ["MAX_NESTING", "render"]
