"""No body is larger than 4 MiB, at any address: measured while it comes, over real sockets."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse

import httpx2
import pytest

from bench.measure import rss_bytes
from tests.harness.client import Client
from tests.harness.environment import Environment
from tests.harness.nginx import Nginx
from tests.harness.site import Site

LIMIT = 4 * 1024 * 1024
MEBIBYTE = 1024 * 1024
EVERYWHERE = [
    "POST /",
    "POST /accounts/login/",
    "POST /admin/login/",
    "POST /nowhere/",
    "POST /healthz",
    "POST /static/js/theme.js",
    "POST /api/nowhere",
    "PUT /api/chat",
    "GET /accounts/login/",
]


@contextmanager
def opened(site: Site, line: str, *headers: str) -> Iterator[socket.socket]:
    """A connection on which the head of a request was sent."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as connection:
        head = [
            f"{line} HTTP/1.1",
            f"Host: 127.0.0.1:{site.port}",
            "Content-Type: application/x-www-form-urlencoded",
            *headers,
            "",
            "",
        ]
        connection.sendall("\r\n".join(head).encode())
        yield connection


def chunk(size: int) -> bytes:
    return b"%x\r\n%s\r\n" % (size, b"a" * size)


def answer(connection: socket.socket) -> HTTPResponse:
    response = HTTPResponse(connection, method="POST")
    response.begin()
    return response


def assert_too_large(connection: socket.socket) -> None:
    response = answer(connection)
    assert response.status == 413
    assert response.getheader("Connection") == "close"
    assert json.loads(response.read())["error"]["code"] == "body_too_large"


@pytest.mark.parametrize("line", EVERYWHERE)
def test_a_declared_length_is_refused_at_once_on_every_address(site: Site, line: str) -> None:
    with opened(site, line, f"Content-Length: {LIMIT + 1}") as connection:
        assert_too_large(connection)


@pytest.mark.parametrize("line", EVERYWHERE)
def test_a_body_without_a_length_is_cut_at_the_limit_on_every_address(
    site: Site, line: str
) -> None:
    with opened(site, line, "Transfer-Encoding: chunked") as connection:
        connection.sendall(chunk(MEBIBYTE) * 4 + b"1\r\na\r\n")
        assert_too_large(connection)


@pytest.mark.parametrize("length", [f"Content-Length: {LIMIT * 3}", "Transfer-Encoding: chunked"])
def test_whoever_sends_all_of_it_before_reading_finds_the_refusal(site: Site, length: str) -> None:
    """Most clients do.

    A connection that is closed on top of unread data is reset, and the refusal lost with it.
    """
    with opened(site, "POST /api/chat", length) as connection:
        body = (
            b"a" * (LIMIT * 3)
            if length.startswith("Content")
            else chunk(MEBIBYTE) * 12 + b"0\r\n\r\n"
        )
        connection.sendall(body)
        assert_too_large(connection)
        assert connection.recv(1) == b""


def test_the_proxy_refuses_with_the_words_of_the_site(
    environment: Environment, site: Site, nginx: Nginx
) -> None:
    nginx.start_deployed([site.port], environment.folder / "static")
    refusals = []
    for address in (site.url, f"https://127.0.0.1:{nginx.port}"):
        with httpx2.Client(verify=False, trust_env=False) as client:
            refused = client.post(
                f"{address}/api/chat",
                content=b"a" * (LIMIT + 1),
                headers={"Content-Type": "application/json"},
            )
        refusals.append((refused.status_code, refused.headers["Content-Type"], refused.json()))
    assert refusals[0] == refusals[1]


def test_the_connection_ends_with_the_refusal(site: Site) -> None:
    with opened(site, "POST /", f"Content-Length: {LIMIT + 1}") as connection:
        assert_too_large(connection)
        assert connection.recv(1) == b""


def test_whoever_waits_to_be_told_to_go_on_is_not(site: Site) -> None:
    with opened(
        site, "POST /", f"Content-Length: {LIMIT + 1}", "Expect: 100-continue"
    ) as connection:
        assert b"100 Continue" not in connection.recv(200)


def test_many_bodies_that_never_end_fill_no_memory(site: Site) -> None:
    """Forty of almost 4 MiB are 160 MiB, which wait on the disk."""
    pid = site.worker_pids()[0]
    with ExitStack() as stack, Client(site.url) as client:
        client.get("/healthz")
        before = rss_bytes(pid)
        for _ in range(40):
            connection = stack.enter_context(opened(site, "POST /", f"Content-Length: {LIMIT}"))
            connection.sendall(b"a" * (LIMIT - 1))
            # Answered only once the site has read what was sent before.
            client.get("/healthz")
        assert rss_bytes(pid) - before < 60 * MEBIBYTE


# --- What cannot be read --------------------------------------------------------------

UNREADABLE = [
    ("multipart/form-data", b"x"),
    ("multipart/form-data; boundary=", b"x"),
    (f"multipart/form-data; boundary={'a' * 300}", b"x"),
    ("application/x-www-form-urlencoded; charset=latin-1", b"a=b"),
    ("application/x-www-form-urlencoded", b"a=b&" * 20_001),
    (
        "multipart/form-data; boundary=b",
        b'--b\r\nContent-Disposition: form-data; name="a"; filename="x"\r\n\r\nx\r\n' * 150
        + b"--b--\r\n",
    ),
]


@pytest.mark.parametrize(("content_type", "body"), UNREADABLE)
def test_a_body_that_cannot_be_read_is_400_and_no_traceback(
    site: Site, content_type: str, body: bytes
) -> None:
    seen = len(site.log())
    with Client(site.url) as client:
        for path in ("/accounts/login/", "/accounts/signup/", "/", "/api/chat"):
            refused = client.post(path, content=body, headers={"Content-Type": content_type})
            assert refused.status_code == 400
            if path.startswith("/api/"):
                assert refused.json()["error"]["code"] == "invalid_request"
            else:
                assert "That request is not valid" in refused.text
    assert "Traceback" not in site.log()[seen:]


def test_a_host_that_is_not_ours_is_400_and_no_traceback(site: Site) -> None:
    seen = len(site.log())
    with Client(site.url) as client:
        assert (
            client.get("/accounts/login/", headers={"Host": "elsewhere.example"}).status_code == 400
        )
    assert "Traceback" not in site.log()[seen:]
