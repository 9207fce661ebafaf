"""The proxy between the site and the upstream, checked before any key is sent."""

from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from chatsite.addresses import USUAL_PORTS, ascii_host, is_loopback
from chatsite.env import Env


def proxy_for(url: str, env: Env) -> str:
    """Returns the URL of the proxy, with user and password; "" for none.

    The upstream is asked directly where no proxy is set, and always on loopback. Reads HTTP_PROXY,
    HTTPS_PROXY, ALL_PROXY and NO_PROXY as curl does, the lower case first. Raises
    ImproperlyConfigured if that proxy cannot be used; proxies for other schemes are not checked.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    port = parts.port or USUAL_PORTS.get(parts.scheme, 0)
    exempt = env.text("no_proxy") or env.text("NO_PROXY")
    if is_loopback(host) or any(
        _names(entry, host, port) for entry in exempt.replace(",", " ").split()
    ):
        return ""
    for name in (
        f"{parts.scheme}_proxy",
        f"{parts.scheme}_proxy".upper(),
        "all_proxy",
        "ALL_PROXY",
    ):
        if value := env.text(name):
            return _checked(name, value, host)
    return ""


def _names(entry: str, host: str, port: int) -> bool:
    """Returns whether an entry of NO_PROXY names the host.

    It may be the host itself, a domain above it, or a network around it, each with or without a
    port.
    """
    entry = entry.lower().partition("://")[2] or entry.lower()
    name, colon, digits = entry.rpartition(":")
    if colon and digits.isdigit() and (":" not in name or name.endswith("]")):
        if int(digits) != port:
            return False
        entry = name
    entry = entry.strip("[]").removeprefix("*").removeprefix(".").removesuffix(".")
    if not entry:
        return True
    try:
        return ip_address(host) in ip_network(entry, strict=False)
    except ValueError:
        wanted = _sent(entry)
        return host == wanted or host.endswith(f".{wanted}")


def _sent(name: str) -> str:
    """Returns a name in ASCII, as the host of the upstream is written; others as they are."""
    try:
        return ascii_host(name)
    except ValueError:
        return name


def _checked(name: str, value: str, host: str) -> str:
    """Returns the proxy as the client takes it.

    Raises ImproperlyConfigured without the value, which may hold a password.
    """
    url = value if "://" in value else f"http://{value}"
    scheme = url.partition("://")[0].lower()
    way_out = (
        f"Set it to an http or https proxy such as http://proxy.example.org:3128, or name {host} in"
        " NO_PROXY."
    )
    if scheme not in USUAL_PORTS:
        raise ImproperlyConfigured(
            f"{name} names a {scheme} proxy, which the way to {host} cannot take. {way_out}"
        )
    try:
        return _normal(url)
    except ValueError:
        raise ImproperlyConfigured(
            f"{name}, which is on the way to {host}, is not valid. {way_out}"
        ) from None


def _normal(url: str) -> str:
    """Returns the URL of a proxy, its host in ASCII.

    Raises ValueError for anything else.
    """
    parts = urlsplit(url)
    if (
        parts.path.strip("/")
        or set(url) & set("?#\\")
        or any(char <= " " for char in url)
        or parts.port == 0
    ):
        raise ValueError
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    # RFC 7617: a user name has no colon. The client sends Latin-1.
    if ":" in user or not (user + password).isprintable():
        raise ValueError
    (user + password).encode("latin-1")
    login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{login}{ascii_host(parts.hostname or '')}{port}"
