"""The client's address: the one place where a forwarding header is believed or not.

A header changes a client's address only if the request came through a proxy that TRUSTED_PROXIES
names. Entries of X-Forwarded-For are read from the right: each proxy appends the peer it saw, and
everything left of the last untrusted hop is the client's own claim.
"""

import ipaddress
from collections.abc import Iterable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052, section 2.1
_IPV6_PREFIX = 64  # bits; what one household or machine is given: RFC 6177


def parse_address(text: str) -> Address | None:
    """Returns the address in a header or of a socket; None if it is not one.

    A port is stripped; IPv4-mapped (::ffff:1.2.3.4) and NAT64 forms become the IPv4 address they
    carry.
    """
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_trusted(address: Address | None, proxies: Iterable[Network]) -> bool:
    """Tells whether the hop is one of our proxies.

    A Unix socket has no address: its peer is local, and trusted as soon as any proxy is.
    """
    proxies = list(proxies)
    if address is None:
        return bool(proxies)
    return any(address in network for network in proxies)


def client_address(
    peer: str | None, forwarded_for: Sequence[str], proxies: Sequence[Network]
) -> str:
    """Returns the client's address: `peer`, or what trusted proxies say of it.

    `forwarded_for` are the X-Forwarded-For headers in order of arrival. An entry that is no address
    ends the walk at the hop before it. "0.0.0.0" when nothing is known, so that all unknown clients
    share one allowance.
    """
    current = parse_address(peer) if peer else None
    if is_trusted(current, proxies):
        entries = [entry for header in forwarded_for for entry in header.split(",")]
        for entry in reversed(entries):
            address = parse_address(entry)
            if address is None:
                break
            current = address
            if not is_trusted(address, proxies):
                break
    # An address to count on, not to bind to.
    return str(current) if current is not None else "0.0.0.0"  # noqa: S104


def limit_address(address: str) -> str:
    """Returns the address on which a guest's limits are counted.

    An IPv4 address stays as it is; an IPv6 address counts by its /64 network.
    """
    parsed = parse_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False).network_address)
    return str(parsed) if parsed else address
