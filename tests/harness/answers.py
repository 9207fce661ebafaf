"""What tests ask about answers: the rows they left, and which worker serves whom."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Protocol

from chat.models import Message, Usage
from tests.harness.client import Client, Stream
from tests.harness.site import Site

_ESTABLISHED = "01"


def wait_until(condition: Callable[[], Any], timeout: float = 10) -> float:
    """Returns when the condition holds, with the monotonic time in seconds.

    For what sends no event, such as the rows of another process. AssertionError after `timeout`
    seconds.
    """
    deadline = monotonic() + timeout
    while not condition():
        assert monotonic() < deadline, f"it does not hold after {timeout} s"
        sleep(0.02)
    return monotonic()


def message(answer: Stream | str) -> Message:
    """The row of an answer."""
    return Message.objects.get(id=_id(answer))


def ledger(answer: Stream | str) -> Usage:
    """The one ledger row of an answer."""
    return Usage.objects.get(answer=_id(answer))


def _id(answer: Stream | str) -> str:
    return answer if isinstance(answer, str) else answer.answer


# --- Which worker ---------------------------------------------------------------


def owner_pid(answer: Stream | str) -> int:
    """The process that generates the answer."""
    return int(ledger(answer).worker.split(":")[1])


class HasClients(Protocol):
    """A person, for one."""

    def client_on(self, site: Site) -> Client: ...


def client_of_worker(person: HasClients, site: Site, pid: int) -> Client:
    """Returns a client whose one open connection is to that worker.

    Its requests, one after the other, go there. The kernel gives an idle site's connections to the
    same worker again and again, so the others stand still meanwhile.
    """
    client = person.client_on(site)
    others = [other for other in site.worker_pids() if other != pid]
    for other in others:
        os.kill(other, signal.SIGSTOP)
    try:
        response = client.get("/healthz")
    finally:
        for other in others:
            os.kill(other, signal.SIGCONT)
    assert (
        serving_pid(site, response.extensions["network_stream"].get_extra_info("client_addr")[1])
        == pid
    )
    return client


def other_worker(site: Site, pid: int) -> int:
    """A worker of the site that is not that one."""
    return next(other for other in site.worker_pids() if other != pid)


def serving_pid(site: Site, client_port: int) -> int:
    """The process that has accepted the connection from that port of ours."""
    inode = _inode(site.port, client_port)
    return next(pid for pid in site.worker_pids() if _holds(pid, inode))


def _inode(local_port: int, remote_port: int) -> str:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ports = [int(address.split(":")[1], 16) for address in fields[1:3]]
        if ports == [local_port, remote_port] and fields[3] == _ESTABLISHED:
            return fields[9]
    raise AssertionError("the connection is gone")


def _holds(pid: int, inode: str) -> bool:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            if str(descriptor.readlink()) == f"socket:[{inode}]":
                return True
    return False
