"""Measures what a turn costs: one that is accepted, and one that a limit refuses."""

import http.client
import json
from dataclasses import dataclass

from bench.measure import cpu_seconds
from bench.run import CSRF, LoadFailed
from bench.servers import Server
from bench.wire import burst_prompt

_WARM_UP = 20
_ACCEPTED = 200
_REFUSED = 800


@dataclass(frozen=True)
class Turns:
    """Holds how many turns one second of the site's CPU is enough for."""

    refused: float
    accepted: float


def measure_turns(server: Server) -> Turns:
    """Returns how many turns a second of CPU is enough for, refused and accepted ones.

    They are sent one after the other; an accepted one is read to the end of its answer of one
    delta. Raises LoadFailed.
    """
    # This is the one turn that the limit lets through.
    _send(server, server.refused, 1, 200)
    return Turns(
        _per_cpu_second(server, server.refused, _REFUSED, 429),
        _per_cpu_second(server, server.session, _ACCEPTED, 200),
    )


def _per_cpu_second(server: Server, session: str, turns: int, status: int) -> float:
    _send(server, session, _WARM_UP, status)
    before = cpu_seconds(server.pid)
    _send(server, session, turns, status)
    return turns / (cpu_seconds(server.pid) - before)


def _send(server: Server, session: str, turns: int, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    headers = {
        "Content-Type": "application/json",
        "Cookie": f"sessionid={session}; csrftoken={CSRF}",
        "X-CSRFToken": CSRF,
    }
    for _ in range(turns):
        connection.request("POST", "/api/chat", json.dumps({"content": burst_prompt(1)}), headers)
        response = connection.getresponse()
        body = response.read()
        if response.status != status or (status == 200 and not body.endswith(b"data: [DONE]\n\n")):
            raise LoadFailed(
                f"A turn was answered with {response.status} instead of {status}: {body[:300]!r}"
            )
    connection.close()
