"""Reads single settings into the form that the site uses; invalid ones are refused."""

import re
from email.utils import parseaddr
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from chatsite.addresses import Origin, ascii_host, parse_origin, upstream_url

# Used with a key without a base URL. The SDK would read its own variable from the environment.
OPENAI_URL = "https://api.openai.com/v1"
_EVERYWHERE = ("0.0.0.0", "[::]")  # noqa: S104
_MAX_MODEL_CHARS = 120  # ChatModel.slug


def folder(name: str, text: str, base_dir: Path) -> Path:
    """Returns the absolute path of a folder.

    `~` is a home, and a relative path is below `base_dir`.
    """
    _refuse_control_characters(name, text)
    try:
        return base_dir / Path(text).expanduser()
    except RuntimeError:
        raise ImproperlyConfigured(
            f"{name}={text} is not valid: no home is known by that name."
        ) from None


def listening_host(name: str, text: str) -> str:
    """Returns an address or name to listen on, IPv6 without its brackets."""
    try:
        return ascii_host(text.removeprefix("[").removesuffix("]")).strip("[]")
    except ValueError:
        raise ImproperlyConfigured(
            f"{name}={text} is not valid: it takes an address or name of this machine, such as"
            " 127.0.0.1."
        ) from None


def site_origin(text: str, host: str, port: int) -> Origin:
    """Returns the origin of SITE_URL, or the one that follows from HOST and PORT.

    Its host is as browsers send it.
    """
    if not text:
        if "_" in host:
            raise ImproperlyConfigured(
                f"HOST={host} has an underscore, with which no request is taken: set SITE_URL, or"
                " an address as HOST."
            )
        bracketed = f"[{host}]" if ":" in host else host
        return Origin("http", "localhost" if bracketed in _EVERYWHERE else bracketed, port)
    try:
        return parse_origin(text)
    except ValueError as error:
        # The text before an @ may be a password.
        shown = f"SITE_URL={text}" if "@" not in text else "SITE_URL"
        reason = f" ({error})" if "_" in text or "@" in text else ""
        raise ImproperlyConfigured(
            f"{shown} is not valid: it takes an address such as https://chat.example.org{reason}."
        ) from None


def upstream_base_url(text: str) -> str:
    """Returns OPENAI_BASE_URL; "" when it is unset.

    Raises ImproperlyConfigured without the value, which may hold a password.
    """
    try:
        return upstream_url(text) if text else ""
    except ValueError as error:
        raise ImproperlyConfigured(
            "OPENAI_BASE_URL is not valid: it takes an address such as http://127.0.0.1:8001/v1,"
            f" the key in OPENAI_API_KEY; here, {error}."
        ) from None


def model_name(name: str, text: str) -> str:
    """Returns the name of a model, which must fit into the database."""
    _refuse_control_characters(name, text)
    if len(text) > _MAX_MODEL_CHARS:
        raise ImproperlyConfigured(
            f"{name} is not valid: it has {len(text)} characters of at most {_MAX_MODEL_CHARS}."
        )
    return text


def mail_host(name: str, text: str) -> str:
    """Returns the name of a mail server; "" when it is unset."""
    try:
        return ascii_host(text.removeprefix("[").removesuffix("]")).strip("[]") if text else ""
    except ValueError:
        raise ImproperlyConfigured(
            f"{name}={text} is not valid: it takes a host such as mail.example.org, the port in"
            " EMAIL_PORT."
        ) from None


def mail_domain(host: str) -> str:
    """Returns the domain of the site's own mail address.

    An IP address is written in brackets (RFC 5321, section 4.1.3).
    """
    return f"[IPv6:{host.strip('[]')}]" if host.startswith("[") else host


def sender(name: str, text: str) -> str:
    """Returns a mail address, with or without a name before it."""
    _refuse_control_characters(name, text)
    local, _, domain = parseaddr(text)[1].rpartition("@")
    if not local or not domain or re.search(r"\s", domain):
        raise ImproperlyConfigured(
            f"{name}={text} is not valid: it takes a mail address such as chat@example.org."
        )
    return text


def _refuse_control_characters(name: str, text: str) -> None:
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise ImproperlyConfigured(
            f"{name} is not valid: it has a line break or another control character in it."
        )
