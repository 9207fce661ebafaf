"""The Markdown that is read: CommonMark, tables, struck text, and extensions of models."""

import re
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import lheading, paragraph

from chat.markdown import definitions, extras, footnotes, formulas
from chat.markdown.cjk import CjkParser
from chat.markdown.urls import bare_url

# markdown-it drops blocks that are nested deeper (a list counts twice), so they are shown as they
# were written. On hostile text its time grows with the square of this.
MAX_NESTING = 20

_SAFE_URL = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
_INTERRUPTS: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}


@cache
def grammar(renderer: type[RendererProtocol]) -> MarkdownIt:
    """Returns the parser; static/js/markdown/grammar.js is the same for the browser."""
    options = {"html": False, "breaks": True, "maxNesting": MAX_NESTING}
    markdown = MarkdownIt("commonmark", options, renderer_cls=renderer)
    markdown.inline = CjkParser()
    markdown.configure("commonmark", options)
    markdown.enable(["table", "strikethrough"])
    markdown.validateLink = lambda url: bool(_SAFE_URL.match(url))  # type: ignore[method-assign]
    _add_blocks(markdown)
    _add_inlines(markdown)
    _add_steps(markdown)
    return markdown


def _add_blocks(markdown: MarkdownIt) -> None:
    ruler = markdown.block.ruler
    ruler.before("fence", "math_block", formulas.math_block, _INTERRUPTS)
    ruler.at("reference", definitions.definition)
    ruler.at("lheading", extras.keeping_spaces(lheading))
    ruler.at("paragraph", extras.keeping_spaces(paragraph))
    ruler.before("reference", "footnote", footnotes.footnote, _INTERRUPTS)


def _add_inlines(markdown: MarkdownIt) -> None:
    ruler = markdown.inline.ruler
    ruler.before("escape", "math_inline", formulas.math_inline)
    ruler.at("link", definitions.used_link)
    ruler.at("image", definitions.used_image)
    ruler.before("link", "footnote_mark", footnotes.footnote_mark)
    ruler.before("autolink", "html_break", extras.html_break)
    ruler.after("text", "bare_url", bare_url)


def _add_steps(markdown: MarkdownIt) -> None:
    ruler = markdown.core.ruler
    ruler.before("inline", "find_tasks", extras.find_tasks)
    for name, step in (
        ("settle_definitions", definitions.settle_definitions),
        ("align_by_class", extras.align_by_class),
        ("settle_breaks", extras.settle_breaks),
        ("show_tasks", extras.show_tasks),
        ("drop_empty_addresses", extras.drop_empty_addresses),
        ("flatten_links", extras.flatten_links),
    ):
        ruler.after("inline", name, step)
