"""Checks what the site believes of a request through its proxy: client, scheme and host."""

from collections.abc import Iterator
from typing import Any

import httpx2
from django.conf import settings

from chat.client_ip import is_trusted, parse_address
from chatsite.doctor.findings import Finding, fail, ok, warn
from chatsite.doctor.stream import FORGED_ADDRESS

PART = "client"
_OVERWRITE = (
    "Have the proxy overwrite it: proxy_set_header X-Forwarded-For $remote_addr;"
    " (deploy/nginx.conf)."
)


def check(seen: dict[str, Any], url: httpx2.URL) -> Iterator[Finding]:
    """Yields findings about the way in.

    `seen` is what the site said of a request that had an X-Forwarded-For with FORGED_ADDRESS.
    """
    yield (
        _believed(seen, _is_direct(url))
        if seen["client"] == FORGED_ADDRESS
        else _unbelieved(seen, _is_direct(url))
    )
    if seen["scheme"] == url.scheme:
        yield ok("scheme", f"the site knows that it is asked by {url.scheme}")
    else:
        yield fail(
            "scheme",
            f"the site takes {url.scheme} for {seen['scheme']}",
            "Set proxy_set_header X-Forwarded-Proto $scheme; and name the proxy in"
            " TRUSTED_PROXIES.",
        )
    if httpx2.URL(f"//{seen['host']}").host != url.host:
        yield fail(
            "host",
            f"the site takes {url.host} for {seen['host']}",
            "Set proxy_set_header Host $host; (deploy/nginx.conf).",
        )


def _is_direct(url: httpx2.URL) -> bool:
    """Returns whether this is the web server's own port, with no proxy between."""
    return url.scheme == "http" and url.port == settings.PORT


def _entries(seen: dict[str, Any]) -> list[str]:
    return [entry.strip() for entry in seen["forwarded_for"].split(",") if entry.strip()]


def _is_loopback(text: str) -> bool:
    address = parse_address(text)
    return address is not None and address.is_loopback


def _believed(seen: dict[str, Any], direct: bool) -> Finding:
    entries = _entries(seen)
    text = "a forged X-Forwarded-For is believed: anybody can claim any address, and its allowance"
    if seen["peer"] == FORGED_ADDRESS:
        return fail(
            PART,
            text,
            "Start uvicorn with --no-proxy-headers: TRUSTED_PROXIES decides, and nothing else.",
        )
    if entries == [FORGED_ADDRESS] and direct:
        return warn(
            PART,
            "asked past the proxy, from an address in TRUSTED_PROXIES, which is believed",
            "Give doctor the public address, and let nothing else reach this port.",
        )
    if entries[-1] != FORGED_ADDRESS and _is_loopback(entries[-1]):
        return warn(
            PART,
            "TRUSTED_PROXIES names this machine, so what it forges is believed",
            f"{_OVERWRITE} Or run doctor on another machine.",
        )
    if entries[-1] != FORGED_ADDRESS:
        return fail(
            PART,
            f"{text}, from {entries[-1]}, which TRUSTED_PROXIES names",
            f"Name only proxies there. {_OVERWRITE}",
        )
    return fail(PART, text, _OVERWRITE)


def _unbelieved(seen: dict[str, Any], direct: bool) -> Finding:
    peer, entries = seen["peer"], _entries(seen)
    # A proxy that passes the header on unchanged is known by its place: on the same machine as the
    # site, at another port.
    by_port = entries == [FORGED_ADDRESS] and not direct and (peer is None or _is_loopback(peer))
    proxied = by_port or entries != [FORGED_ADDRESS]
    trusted = is_trusted(parse_address(peer) if peer else None, settings.TRUSTED_PROXIES)
    text = (
        "the site does not learn who is asking: all clients seem to have the proxy's address, and"
        " share its limits"
    )
    if proxied and not trusted:
        without = (
            " If there is no proxy, give doctor the PORT that the site has." if by_port else ""
        )
        return fail(
            PART,
            text,
            f"Set TRUSTED_PROXIES={peer or '127.0.0.1'}, and start the site again."
            f" {_OVERWRITE}{without}",
        )
    if proxied and not entries:
        return fail(
            PART,
            text,
            "Have the proxy say it: proxy_set_header X-Forwarded-For $remote_addr;"
            " (deploy/nginx.conf).",
        )
    return ok(PART, f"a forged X-Forwarded-For is not believed; this machine is {seen['client']}")
