"""A turn that is posted byte by byte, on a socket of the test's own."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from typing import Any

from tests.harness.people import Person
from tests.harness.refusals import JSON
from tests.harness.site import Site


@contextmanager
def raw_post(site: Site, person: Person, headers: dict[str, str]) -> Iterator[socket.socket]:
    """A connection on which the head of a POST was sent; the body is the test's."""
    head = {"Host": f"127.0.0.1:{site.port}", **JSON, "X-CSRFToken": person.client.csrf, **headers}
    head["Cookie"] = f"sessionid={person.new_session()}; csrftoken={person.client.csrf}"
    lines = [
        "POST /api/chat HTTP/1.1",
        *(f"{name}: {value}" for name, value in head.items()),
        "",
        "",
    ]
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as connection:
        connection.sendall("\r\n".join(lines).encode())
        yield connection


class Raw:
    """A response read from a socket, as far as its head; `json` reads on."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self._response = response

    def json(self) -> Any:
        return json.loads(self._response.read())


def read(connection: socket.socket) -> Raw:
    response = HTTPResponse(connection, method="POST")
    response.begin()
    return Raw(response)
