"""Reads the environment strictly: an invalid value stops the start with its name."""

import ipaddress
import os
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import TypeVar
from zoneinfo import available_timezones

from django.core.exceptions import ImproperlyConfigured
from dotenv import dotenv_values
from dotenv.parser import parse_stream

from chatsite.addresses import ascii_host, parse_origin

T = TypeVar("T")

_BOOLS = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


class Env:
    """Reads settings from the process environment, and below it from a `.env` file.

    Every reader takes the name of a variable and a default; an empty value counts as unset. All
    raise `ImproperlyConfigured` with the name in it. So does the constructor, for a file that
    cannot be read.
    """

    def __init__(self, environ: Mapping[str, str], dotenv: Path | None = None) -> None:
        file_values = _values_in(dotenv) if dotenv and dotenv.is_file() else {}
        self._values = {name: value for name, value in file_values.items() if value} | dict(environ)

    def text(self, name: str, default: str = "") -> str:
        value = self._values.get(name, "").strip()
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise ImproperlyConfigured(f"{name} is not valid: it is not UTF-8.")
        return value or default

    def secret(self, name: str) -> str:
        """Returns the value of NAME, or the content of the file that NAME_FILE names.

        Blanks and line breaks at its ends are left out.
        """
        path = self.text(f"{name}_FILE")
        if not path:
            return self.text(name)
        if self.text(name):
            raise ImproperlyConfigured(f"{name} and {name}_FILE are both set; keep one of them.")
        try:
            # Some editors begin a file with a byte order mark.
            value = Path(path).expanduser().read_text(encoding="utf-8-sig").strip()
        except (OSError, UnicodeDecodeError, RuntimeError) as error:
            raise ImproperlyConfigured(f"{name}_FILE={path} cannot be read: {error}.") from None
        if not value:
            raise ImproperlyConfigured(
                f"{name}_FILE={path} is empty: write the value into it, or unset {name}_FILE."
            )
        return value

    def flag(self, name: str, default: bool) -> bool:
        return self._parsed(name, default, lambda text: _BOOLS[text.lower()], "true or false")

    def integer(self, name: str, default: int, minimum: int = 0, maximum: int = 2**31) -> int:
        def parse(text: str) -> int:
            value = int(text)
            if not minimum <= value <= maximum:
                raise ValueError
            return value

        return self._parsed(name, default, parse, f"a whole number from {minimum} to {maximum}")

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        def parse(text: str) -> str:
            if text not in choices:
                raise ValueError
            return text

        return self._parsed(name, default, parse, " or ".join(choices))

    def hosts(self, name: str) -> list[str]:
        """Returns a comma-separated list of hosts as ALLOWED_HOSTS takes them, in ASCII.

        Empty when unset.
        """
        return self._parsed(
            name,
            [],
            lambda text: [_allowed_host(word) for word in _words(text)],
            "a comma-separated list of hosts such as chat.example.org or .example.org, without"
            " scheme, port or path",
        )

    def trusted_origins(self, name: str) -> list[str]:
        """Returns a comma-separated list of origins as CSRF_TRUSTED_ORIGINS takes them, in ASCII.

        Empty when unset.
        """
        return self._parsed(
            name,
            [],
            lambda text: [_trusted_origin(word) for word in _words(text)],
            "a comma-separated list of origins such as https://chat.example.org or"
            " https://*.example.org, without path",
        )

    def networks(self, name: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
        """Returns a comma-separated list of addresses or CIDR networks; empty when unset."""

        def parse(text: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
            return [ipaddress.ip_network(word) for word in _words(text)]

        return self._parsed(
            name, [], parse, "a comma-separated list of networks such as 10.0.0.0/8 or ::1"
        )

    def zone(self, name: str, default: str) -> str:
        """Returns the name of a time zone."""

        def parse(text: str) -> str:
            if text not in available_timezones():
                raise ValueError
            return text

        return self._parsed(name, default, parse, "a time zone such as Europe/Berlin")

    def origins(self, name: str) -> list[str]:
        """Returns a comma-separated list of origins, exactly as browsers send them.

        Empty when unset.
        """
        return self._parsed(
            name,
            [],
            lambda text: [_origin(word) for word in _words(text)],
            "a comma-separated list of origins such as https://app.example.org, without path or"
            " wildcard",
        )

    def _parsed(self, name: str, default: T, parse: Callable[[str], T], expected: str) -> T:
        text = self.text(name)
        if not text:
            return default
        try:
            return parse(text)
        except (KeyError, ValueError):
            raise ImproperlyConfigured(
                f"{name}={text} is not valid: it takes {expected}."
            ) from None


def _values_in(dotenv: Path) -> dict[str, str | None]:
    """Returns the values that a `.env` file sets.

    Raises ImproperlyConfigured for a line that would be ignored. It names the line by its number
    only, since it may hold a secret.
    """
    try:
        text = dotenv.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{dotenv} cannot be read: {error}.") from None
    for binding in parse_stream(StringIO(text)):
        if binding.error or (binding.key and binding.value is None):
            written = binding.original.string
            empty_lines = written[: len(written) - len(written.lstrip())].count("\n")
            raise ImproperlyConfigured(
                f"{dotenv}, line {binding.original.line + empty_lines}, is not valid: it takes"
                " NAME=value."
            )
    return dotenv_values(stream=StringIO(text), interpolate=False)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _allowed_host(word: str) -> str:
    dot = "." if word.startswith(".") else ""
    return (
        word
        if word == "*"
        else dot + ascii_host(word.removeprefix(".").removeprefix("[").removesuffix("]"))
    )


def _trusted_origin(word: str) -> str:
    scheme, wildcard, host = word.partition("://*.")
    origin = str(parse_origin(f"{scheme}://{host}" if wildcard else word))
    return origin.replace("://", "://*.", 1) if wildcard else origin


def _origin(text: str) -> str:
    """Returns an origin that is written as browsers send it; upper case is allowed."""
    origin = str(parse_origin(text))
    if origin != text.lower():
        raise ValueError
    return origin


def from_process(base_dir: Path) -> Env:
    """Returns the environment of this process, and below it the `.env` file in `base_dir`."""
    return Env(os.environ, base_dir / ".env")
