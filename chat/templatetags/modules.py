"""Template tags for the head of a page with our JavaScript modules."""

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from chat.web import importmap

register = template.Library()


@register.simple_tag
def import_map(preload: bool = True) -> SafeString:
    """Renders the import map and, for the chat page, hints to fetch all its modules at once."""
    urls = importmap.preloaded_urls() if preload else []
    hints = format_html_join("", '<link rel="modulepreload" href="{}">', ((url,) for url in urls))
    # Our own file names, in which "<" is escaped.
    text = mark_safe(importmap.import_map())  # noqa: S308
    return format_html('<script type="importmap">{}</script>{}', text, hints)
