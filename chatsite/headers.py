"""Settings that are sent or read in HTTP headers; invalid ones are never repeated."""

import re
import unicodedata

from django.core.exceptions import ImproperlyConfigured

# Copying and pasting leaves these at the ends: soft hyphen, zero-width characters, direction marks,
# byte order mark.
_PASTED = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
# Headers that the client sets itself; another value would break the request.
_OF_THE_CLIENT = {
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "accept-encoding",
    "expect",
}


def header_value(name: str, text: str, carrier: str = "HTTP header") -> str:
    """Returns the setting `name` without what pasting left at its ends; "" when unset.

    Raises ImproperlyConfigured for characters that the `carrier` cannot hold.
    """
    value = _stripped(text)
    if text and not value:
        raise ImproperlyConfigured(f"{name} is not valid: there is nothing in it but blanks.")
    for position, char in enumerate(value, 1):
        if not " " <= char <= "~":
            raise ImproperlyConfigured(
                f"{name} is not valid: its character {position} ({_called(char)}) is one that no"
                f" {carrier} can carry. Copy it again."
            )
    return value


def token(name: str, text: str) -> str:
    """Returns a key or token that is sent as `Authorization: Bearer …`; "" when unset.

    Raises ImproperlyConfigured as `header_value` does, and for quotation marks or "Bearer" in it.
    """
    value = header_value(name, text)
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'`":
        raise ImproperlyConfigured(
            f"{name} is not valid: it has quotation marks around it. Take them off."
        )
    if value.lower().startswith("bearer "):
        raise ImproperlyConfigured(f"{name} is not valid: it begins with Bearer. Leave that off.")
    return value


def header_lines(name: str, text: str) -> dict[str, str]:
    """Returns headers by name, from text with one `Name: value` a line.

    Raises ImproperlyConfigured.
    """
    found: dict[str, str] = {}
    for line in filter(str.strip, text.splitlines()):
        header, colon, value = line.partition(":")
        header = header.strip()
        if not colon or not _NAME.fullmatch(header):
            raise ImproperlyConfigured(f"{name} is not valid: it takes lines such as X-Team: chat.")
        if header.lower() in _OF_THE_CLIENT:
            raise ImproperlyConfigured(f"{name} is not valid: {header} is the client's own to say.")
        found[header] = header_value(name, value)
    return found


def _stripped(text: str) -> str:
    """Returns the text without blanks and invisible characters at its ends, in any order."""
    while (shorter := text.strip().strip(_PASTED)) != text:
        text = shorter
    return text


def _called(char: str) -> str:
    return f"U+{ord(char):04X} {unicodedata.name(char, '')}".strip()
