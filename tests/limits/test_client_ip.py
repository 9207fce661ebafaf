"""Who the client is: no header changes it unless it came through a trusted proxy."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.client_ip import Network, client_address, limit_address, parse_address

PROXIES: list[Network] = [
    ipaddress.ip_network(text) for text in ("10.0.0.0/8", "::1/128", "127.0.0.1/32")
]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        ('"[2001:db8::1]:4711"', "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("[::ffff:203.0.113.7]:80", "203.0.113.7"),
        ("64:ff9b::203.0.113.7", "203.0.113.7"),
    ],
)
def test_an_address_is_read_in_every_form_it_comes_in(text: str, address: str) -> None:
    assert str(parse_address(text)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unknown",
        "_hidden",
        "203.0.113",
        "203.0.113.256",
        "::g",
        "localhost",
        "203.0.113.7, 1.1.1.1",
    ],
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert parse_address(text) is None


@given(st.lists(st.text(max_size=40), max_size=4))
def test_without_trusted_proxies_no_header_changes_the_address(headers: list[str]) -> None:
    assert client_address("203.0.113.7", headers, []) == "203.0.113.7"


@given(st.lists(st.text(max_size=40), max_size=4))
def test_a_stranger_is_not_believed_whatever_they_send(headers: list[str]) -> None:
    assert client_address("203.0.113.7", headers, PROXIES) == "203.0.113.7"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ([], "10.0.0.1"),
        (["203.0.113.7"], "203.0.113.7"),
        (["1.1.1.1, 203.0.113.7"], "203.0.113.7"),
        (["1.1.1.1", "203.0.113.7"], "203.0.113.7"),
        (["1.1.1.1, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        (["203.0.113.7", "10.0.0.3, 10.0.0.2"], "203.0.113.7"),
        (["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
        (["203.0.113.7:4711"], "203.0.113.7"),
        (["203.0.113.7, unknown"], "10.0.0.1"),
        (["203.0.113.7, unknown, 10.0.0.2"], "10.0.0.2"),
        ([""], "10.0.0.1"),
        (["[2001:db8::1]:80"], "2001:db8::1"),
    ],
)
def test_what_trusted_proxies_say_is_read_from_the_right(
    forwarded: list[str], address: str
) -> None:
    assert client_address("10.0.0.1", forwarded, PROXIES) == address


def test_the_clients_own_claim_stands_to_the_left_and_is_never_reached() -> None:
    claims = ", ".join(f"198.51.100.{number}" for number in range(20))
    assert client_address("10.0.0.1", [f"{claims}, 203.0.113.7"], PROXIES) == "203.0.113.7"


def test_a_mapped_peer_is_the_proxy_that_it_is() -> None:
    assert client_address("::ffff:10.0.0.1", ["203.0.113.7"], PROXIES) == "203.0.113.7"


@pytest.mark.parametrize(("proxies", "address"), [([], "0.0.0.0"), (PROXIES, "203.0.113.7")])
def test_a_unix_sockets_peer_is_trusted_as_soon_as_any_proxy_is(
    proxies: list[Network], address: str
) -> None:
    assert client_address(None, ["203.0.113.7"], proxies) == address
    assert client_address("", ["203.0.113.7"], proxies) == address


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("", ""),
    ],
)
def test_a_household_of_ipv6_is_counted_as_one(address: str, counted: str) -> None:
    assert limit_address(address) == counted
