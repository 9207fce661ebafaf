"""Readers of one answer on two workers, and what ends them."""

from contextlib import ExitStack
from time import monotonic

from tests.harness import wire
from tests.harness.answers import client_of_worker, other_worker, owner_pid
from tests.harness.client import Client, Stream
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream

# A second is what is promised; the rest is for a machine that runs other tests beside this one.
SOON_SECONDS = 1.8


def session_of(client: Client) -> str:
    return client.http.cookies["sessionid"]


def same_browser(client: Client, site: Site) -> Client:
    """Another tab: the same cookies."""
    tab = Client(site.url)
    tab.http.cookies.set("sessionid", session_of(client))
    return tab


class Reading:
    """Holds an answer of `person` with a reader on its worker and one on another.

    Both readers are in one browser and have read "so far".
    """

    def __init__(self, person: Person, site: Site, upstream: Upstream, stack: ExitStack) -> None:
        self.gate = wire.Gate()
        self.key = upstream.script([*wire.text("so far"), self.gate, *wire.answer(" and on")])
        self.client = person.client_on(site)
        self.near = stack.enter_context(self.client.chat(content=self.key))
        self.near.until_text("so far")
        elsewhere = client_of_worker(person, site, other_worker(site, owner_pid(self.near)))
        elsewhere.http.cookies.set("sessionid", session_of(self.client))
        self.far = stack.enter_context(elsewhere.resume(self.near.answer))
        self.far.until_text("so far")
        self.streams = (self.near, self.far)


def read_to_the_end(stream: Stream, since: float) -> None:
    stream.read()
    assert monotonic() - since < SOON_SECONDS
