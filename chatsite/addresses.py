"""Addresses as browsers send them: lower case, punycode, without the scheme's usual port."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

import idna

USUAL_PORTS = {"http": 80, "https": 443}

# RFC 1123, section 2.1, and the underscore, which names inside a network may have.
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_MAX_HOST_CHARS = 253  # RFC 1035, section 2.3.4, without the dot of the root
# With a last label of this kind browsers take the whole host for an IPv4 address (WHATWG URL, 5.1).
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True)
class Origin:
    """Holds scheme, host and port of a site; `host` is ASCII, an IPv6 address in brackets."""

    scheme: str
    host: str
    port: int

    @property
    def has_usual_port(self) -> bool:
        return self.port == USUAL_PORTS[self.scheme]

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}" + ("" if self.has_usual_port else f":{self.port}")


def parse_origin(text: str) -> Origin:
    """Returns scheme, host and port of an address; a slash at its end is allowed.

    Raises ValueError, without the address in it, for anything more or less.
    """
    parts = split_http(text)
    if parts.path.strip("/") or set(text) & set("?#"):
        raise ValueError("it has a path, a query or a fragment")
    host = ascii_host(parts.hostname or "")
    if "_" in host:
        # Django refuses every request for such a host.
        raise ValueError("a host name has no underscore")
    return Origin(parts.scheme, host, parts.port or USUAL_PORTS[parts.scheme])


def split_http(text: str) -> SplitResult:
    """Splits an http or https URL that names a host.

    Raises ValueError, without the URL in it.
    """
    # urlsplit removes tabs and line breaks, which later readers do not.
    if re.search(r"[\x00-\x20\x7f\\]", text):
        raise ValueError("it has a blank, a backslash or a control character in it")
    if "@" in text:
        raise ValueError("it has a user name, or an @, in it")
    try:
        parts = urlsplit(text)
        right = parts.scheme in USUAL_PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        # Its own message repeats what it takes for the port.
        right = False
    if not right:
        raise ValueError("it is not http:// or https:// with a host and, perhaps, a port")
    ascii_host(parts.hostname or "")
    return parts


def ascii_host(host: str) -> str:
    """Returns the host as it is sent; an IPv6 address is given without its brackets.

    Raises ValueError for what is not the name or address of a host.
    """
    try:
        return _address(host) if ":" in host else _name(host)
    except ValueError:
        raise ValueError("its host is no host name") from None


def _address(host: str) -> str:
    address = IPv6Address(host)
    if address.scope_id:
        # A zone is valid on one machine only.
        raise ValueError
    return f"[{address}]"


def _name(host: str) -> str:
    # As browsers do (UTS #46, non-transitional); Python's own codec knows the rules of 2003.
    sent = host if host.isascii() else idna.encode(host, uts46=True).decode("ascii")
    sent = sent.lower().removesuffix(".")
    labels = sent.split(".")
    if len(sent) > _MAX_HOST_CHARS or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError
    if _NUMBER.fullmatch(labels[-1]):
        IPv4Address(sent)
    return sent


def is_loopback(host: str) -> bool:
    """Returns whether a host, with or without brackets, is this machine itself."""
    host = host.strip("[]").lower().removesuffix(".")
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    address = mapped or address
    # A request to the unspecified address reaches this machine as well.
    return address.is_loopback or address.is_unspecified


def upstream_url(text: str) -> str:
    """Returns an OPENAI_BASE_URL as the client takes it, its host in ASCII.

    Raises ValueError, with the reason and without the address in it.
    """
    parts = split_http(text)
    if set(text) & set("?#"):
        raise ValueError("leave off what begins with ? or #")
    path = parts.path.rstrip("/")
    for ending in ("/chat/completions", "/completions", "/responses"):
        if path.endswith(ending):
            raise ValueError(f"leave off the {ending} at its end, which is added to it")
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{ascii_host(parts.hostname or '')}{port}{path}"
