"""What a page with our JavaScript modules has in its head."""

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from chat.web import importmap

register = template.Library()


@register.simple_tag
def import_map(preload: bool = True) -> SafeString:
    """The import map and, for the chat page, hints to fetch its modules at once instead of one after the other."""
    urls = importmap.module_urls() if preload else []
    preloads = format_html_join("", '<link rel="modulepreload" href="{}">', ((url,) for url in urls))
    return format_html('<script type="importmap">{}</script>{}', mark_safe(importmap.import_map()), preloads)  # noqa: S308 (our own file names; "<" is escaped)
