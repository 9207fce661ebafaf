"""Text of an answer -> safe HTML: the one renderer of finished answers. Pure: no I/O, no Django.

`static/js/markdown/` is the same grammar for the browser, where an answer is shown while it
streams. The two agree: after any beginning of an answer the page shows what `render` would make of
it (tests/conversations/test_markdown_agreement.py), so that the end never changes what a reader
saw. A rule that changes here changes there.
"""

from chat.markdown.grammar import MAX_NESTING
from chat.markdown.render import render

__all__ = ["MAX_NESTING", "render"]
