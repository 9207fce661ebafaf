"""Names of downloaded files, made of titles: complete where they can be, safe everywhere.

Pure.
"""

import re
from unicodedata import normalize
from urllib.parse import quote

from django.utils.text import slugify

from chat.conversations.titles import INVISIBLE
from chat.graphemes import cut_bytes

_FALLBACK = "conversation"
_MAX_ASCII_CHARS = 60
# Most file systems hold 255 bytes, some encrypted ones 143; a browser adds " (1)" to a name that is
# taken.
_MAX_BYTES = 120
# Separators of paths and streams, characters special to shells and Windows, and line ends.
_FORBIDDEN = re.compile(r'[/\\:*?"<>|\s\x00-\x1f\u2028\u2029]+')
# Windows takes such a name for a device, with any suffix.
_DEVICE = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?$", re.IGNORECASE
)
# The characters that RFC 8187 lets stand unescaped in an extended value.
_ATTRIBUTE = "!#$&+-.^_`|~"


def attachment(title: str, suffix: str) -> str:
    """Returns the Content-Disposition (RFC 6266) of a download named after a title.

    `suffix` is "md" or the like. `filename` is ASCII, for old programs; a title with other
    characters comes in `filename*` (RFC 8187) as well.
    """
    ascii_name = _harmless(slugify(title)[:_MAX_ASCII_CHARS].strip("-_")) or _FALLBACK
    header = f'attachment; filename="{ascii_name}.{suffix}"'
    whole = _whole_name(title)
    if whole.isascii():
        return header
    return f"{header}; filename*=UTF-8''{quote(f'{whole}.{suffix}', safe=_ATTRIBUTE)}"


def _whole_name(title: str) -> str:
    visible = INVISIBLE.sub("", normalize("NFC", title))
    name = _FORBIDDEN.sub(" ", visible).strip(" .")
    return _harmless(cut_bytes(name, _MAX_BYTES).rstrip(" ."))


def _harmless(name: str) -> str:
    return f"{name}-{_FALLBACK}" if _DEVICE.match(name) else name
