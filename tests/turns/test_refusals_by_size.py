"""Bodies too large, too slow or cut off: refused with 413 or not at all, and nothing is lost."""

import socket
from typing import TYPE_CHECKING

import pytest

from tests.harness.footprint import NOTHING, footprint
from tests.harness.raw_turn import raw_post, read
from tests.harness.refusals import assert_refused, post
from tests.harness.site import Site
from tests.harness.turns import talk
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser
    from tests.harness.people import Person


LIMIT_BYTES = 4 * 1024 * 1024


def json_of(size: int) -> bytes:
    """A valid turn of exactly that many bytes."""
    return b'{"content": "' + b"a" * (size - 15) + b'"}'


def test_the_largest_body_is_taken_and_one_byte_more_is_413(carol: "Person") -> None:
    carol.quota.max_prompt_chars = 10
    carol.quota.save()
    assert_refused(
        post(carol.client, json_of(LIMIT_BYTES)), 413, "prompt_too_long", limit="max_prompt_chars"
    )
    assert_refused(post(carol.client, json_of(LIMIT_BYTES + 1)), 413, "body_too_large")
    assert footprint(carol.requester) == NOTHING


def test_a_chunked_body_is_measured_while_it_comes(carol: "Person", site: Site) -> None:
    """It declares no length; the refusal comes before its end, which never comes here."""
    with raw_post(site, carol, {"Transfer-Encoding": "chunked"}) as connection:
        piece = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
        connection.sendall(piece * (LIMIT_BYTES // 0x10000) + b"1\r\na\r\n")
        assert_refused(read(connection), 413, "body_too_large")
    assert footprint(carol.requester) == NOTHING


def test_a_chunked_body_of_the_right_size_is_taken(carol: "Person", site: Site) -> None:
    with raw_post(site, carol, {"Transfer-Encoding": "chunked"}) as connection:
        connection.sendall(b'b\r\n{"content":\r\n4\r\n"hi"\r\n1\r\n}\r\n0\r\n\r\n')
        assert read(connection).status == 200


@pytest.mark.parametrize("length", [LIMIT_BYTES + 1, 10**12])
def test_a_body_that_is_declared_too_large_is_refused_before_it_is_sent(
    carol: "Person", site: Site, length: int
) -> None:
    with raw_post(site, carol, {"Content-Length": str(length)}) as connection:
        assert_refused(read(connection), 413, "body_too_large")
    with raw_post(
        site, carol, {"Content-Length": str(length), "Expect": "100-continue"}
    ) as connection:
        assert_refused(read(connection), 413, "body_too_large")


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "5, 6"])
def test_a_length_that_is_none_is_refused_by_the_server(
    carol: "Person", site: Site, length: str
) -> None:
    with raw_post(site, carol, {"Content-Length": length}) as connection:
        assert read(connection).status == 400


def test_what_is_sent_beyond_the_declared_length_is_no_part_of_the_body(
    carol: "Person", site: Site
) -> None:
    with raw_post(site, carol, {"Content-Length": "4"}) as connection:
        connection.sendall(b'{"content": "hi"}')
        assert read(connection).status == 400
    assert footprint(carol.requester) == NOTHING


def test_without_a_length_there_is_no_body(carol: "Person", site: Site) -> None:
    with raw_post(site, carol, {}) as connection:
        assert_refused(read(connection), 400, "invalid_request")


def test_who_leaves_before_the_body_is_whole_has_asked_nothing(
    carol: "Person", site: Site, upstream: Upstream
) -> None:
    key = upstream.key()
    with raw_post(site, carol, {"Content-Length": "100"}) as connection:
        connection.sendall(b'{"content": "' + key.encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert talk(carol)["answer"]
    assert (footprint(carol.requester).ledger, upstream.requests(key)) == (1, [])


@pytest.mark.parametrize("character", ["a", "é", "\U0001f600"])
def test_a_prompt_of_the_limit_passes_and_one_character_more_is_413(
    make_user: "MakeUser", upstream: Upstream, character: str
) -> None:
    person = make_user(requests="10/d", max_prompt_chars=20)
    key = upstream.key()
    long = key + character * (20 - len(key))
    assert_refused(
        post(person.client, {"content": long + character}),
        413,
        "prompt_too_long",
        limit="max_prompt_chars",
        word="20",
    )
    both = [{"role": "system", "content": character}, {"role": "user", "content": long}]
    assert_refused(
        post(person.client, {"messages": both}), 413, "prompt_too_long", limit="max_prompt_chars"
    )
    assert (footprint(person.requester), upstream.requests(key)) == (NOTHING, [])
    assert post(person.client, {"content": long}).status_code == 200


def test_messages_to_the_limit_pass_and_one_more_is_413(make_user: "MakeUser") -> None:
    person = make_user(requests="10/d", max_messages=3)
    messages = [{"role": "user", "content": "hi"}] * 4
    assert_refused(
        post(person.client, {"messages": messages}),
        413,
        "too_many_messages",
        limit="max_messages",
        word="3",
    )
    assert footprint(person.requester) == NOTHING
    assert post(person.client, {"messages": messages[:3]}).status_code == 200


def test_a_prompt_larger_than_the_whole_budget_is_413(
    make_user: "MakeUser", upstream: Upstream
) -> None:
    person = make_user(requests="10/d", tokens_per_day=100)
    key = upstream.key()
    assert_refused(
        post(person.client, {"content": key + "a" * 100}), 413, "prompt_too_long", limit="budget"
    )
    assert (footprint(person.requester), upstream.requests(key)) == (NOTHING, [])
