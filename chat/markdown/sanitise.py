"""Lets through only the tags and attributes that the renderer is expected to write."""

from functools import cache

import nh3

from chat.markdown import mathml

_INLINE = {"a", "br", "code", "em", "s", "span", "strong", "sup"}
_BLOCKS = {
    "blockquote", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "ul",
}  # fmt: skip
_TABLES = {"table", "tbody", "td", "th", "thead", "tr"}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "button": {"type", "class"},
    "div": {"class", "tabindex"},
    "li": {"class"},
    "math": {"display", "alttext"},
    "ol": {"start"},
    "pre": {"tabindex"},
    "span": {"class", "role", "aria-label"},
    "sup": {"class"},
    "td": {"class"},
    "th": {"class"},
}


def sanitised(html: str) -> str:
    """Returns `html` without any tag, attribute or address that an answer does not need."""
    return _cleaner().clean(html)


@cache
def _cleaner() -> nh3.Cleaner:
    formulas = dict.fromkeys(mathml.TAGS - {"math"}, mathml.ATTRIBUTES)
    return nh3.Cleaner(
        tags=_INLINE | _BLOCKS | _TABLES | {"button"} | mathml.TAGS,
        attributes={**_ATTRIBUTES, **formulas},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        generic_attribute_prefixes=set(),
    )
