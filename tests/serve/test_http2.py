"""The deployer's nginx speaks HTTP/2, and streams over it."""

import json
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.harness import wire
from tests.harness.environment import Environment
from tests.harness.nginx import Nginx
from tests.harness.people import Person
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import StartSite

# More than a browser opens connections to a host over HTTP/1.1.
STREAMS = 8


@pytest.fixture
def client(
    environment: Environment, start_site: "StartSite", nginx: Nginx, alice: Person
) -> Iterator[httpx2.Client]:
    """Yields a client of Alice's that speaks HTTP/2 over one connection, as browsers do."""
    url = f"https://127.0.0.1:{nginx.port}"
    site = start_site(SITE_URL=url, TRUSTED_PROXIES="127.0.0.1")
    nginx.start_deployed([site.port], environment.folder / "static")
    one = httpx2.Limits(max_connections=1)
    trusted = ssl.create_default_context(cafile=str(nginx.certificate))
    with httpx2.Client(
        base_url=url, http1=False, http2=True, verify=trusted, trust_env=False, limits=one
    ) as client:
        client.cookies.update({"sessionid": alice.new_session(), "csrftoken": "c" * 32})
        client.headers.update({"X-CSRFToken": "c" * 32, "Referer": url})
        yield client


def test_pages_and_static_files_come_over_http2(client: httpx2.Client) -> None:
    for path in ("/", "/static/js/theme.js"):
        answer = client.get(path)
        assert (answer.status_code, answer.http_version) == (200, "HTTP/2")


def test_answers_stream_unbuffered_side_by_side_over_one_connection(
    client: httpx2.Client, upstream: Upstream
) -> None:
    gates = [wire.Gate() for _ in range(STREAMS)]
    keys = [
        upstream.script(
            [wire.role(), *wire.text("one "), gate, *wire.text("two"), *wire.answer()[1:]]
        )
        for gate in gates
    ]
    streams = []
    for key in keys:
        response = client.send(
            client.build_request("POST", "/api/chat", json={"content": key}), stream=True
        )
        assert (response.status_code, response.http_version) == (200, "HTTP/2")
        lines = response.iter_lines()
        # The first text has come while the model holds back the second.
        assert next(_texts(lines)) == "one "
        streams.append((response, lines))
    assert client.get("/healthz").status_code == 200
    for gate, (response, lines) in zip(gates, streams, strict=True):
        gate.open()
        assert "".join(_texts(lines)) == "two"
        response.close()


def _texts(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line.startswith('data: {"text"'):
            yield json.loads(line.removeprefix("data: "))["text"]
