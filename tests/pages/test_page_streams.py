"""Many tabs at once over HTTP/1.1: a browser opens six connections to a host for all its tabs."""

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from chat.limits import leases, reader_leases
from tests.harness import wire
from tests.harness.answers import wait_until
from tests.harness.browser import new_context
from tests.harness.chat_page import (
    ask,
    ended,
    last_body,
    open_chat,
    open_tabs,
    shows,
    source,
)
from tests.harness.cuttable import CuttableNetwork
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    import redis


TABS = 8
# What is not held up by another tab's stream comes in a fraction of this; Stop and a page waited
# for ever, or 20 s.
SOON_MS = 5_000


def new_page_loads_soon(context: BrowserContext, site: Site) -> None:
    another = context.new_page()
    another.goto(site.url + "/usage/", timeout=SOON_MS)
    another.close()


def readers_of(client: "redis.Redis", person: Person) -> int:
    """Counts the open responses of GET that follow answers of the person's."""
    return leases.in_use(client, reader_leases.SUBJECT_PREFIX + person.requester.owner_key)


def test_eight_tabs_on_one_answer_leave_connections_for_a_ninth_page_and_for_stop(
    site: Site, alice: Person, page: Page, upstream: Upstream, redis_client: "redis.Redis"
) -> None:
    gate = wire.Gate()
    key = upstream.script([wire.role(), *wire.text("one "), gate, *wire.text("two"), wire.Stall()])
    open_chat(page, site, alice)
    ask(page, key)
    shows([page], "one")
    tabs = [page, *open_tabs(page, TABS - 1)]
    shows(tabs, "one")
    wait_until(lambda: readers_of(redis_client, alice) == 1)
    new_page_loads_soon(page.context, site)
    gate.open()
    shows(tabs, "one two")
    tabs[-1].click("[data-stop]")
    for tab in tabs:
        expect(tab.locator(".answer")).to_have_attribute("data-status", "stopped", timeout=SOON_MS)
        assert last_body(tab) == source(tab) == "one two"
    assert len(upstream.requests(key)) == 1


def test_eight_conversations_streaming_at_once_are_all_live_and_leave_connections_free(
    site: Site, alice: Person, page: Page, upstream: Upstream, redis_client: "redis.Redis"
) -> None:
    gates = [wire.Gate() for _ in range(TABS)]
    keys = [
        upstream.script(
            [wire.role(), *wire.text(f"one {number} "), gate, *wire.text("two "), wire.Stall()]
        )
        for number, gate in enumerate(gates)
    ]
    open_chat(page, site, alice)
    tabs = [page, *open_tabs(page, TABS - 1)]
    for tab, key in zip(tabs, keys, strict=True):
        ask(tab, key)
    for number, tab in enumerate(tabs):
        shows([tab], f"one {number}")
    # On a busy machine a tab may have begun by itself, until the shared worker is heard.
    wait_until(lambda: readers_of(redis_client, alice) == 1, timeout=30)
    new_page_loads_soon(page.context, site)
    for number, (tab, gate) in enumerate(zip(tabs, gates, strict=True)):
        gate.open()
        shows([tab], f"one {number} two")
    for number, tab in enumerate(tabs):
        tab.click("[data-stop]")
        expect(tab.locator(".answer")).to_have_attribute("data-status", "stopped", timeout=SOON_MS)
        assert source(tab) == f"one {number} two "
    assert [len(upstream.requests(key)) for key in keys] == [1] * TABS


def test_a_tab_that_is_alone_reads_the_answer_it_asked_for_from_the_request_itself(
    site: Site, alice: Person, page: Page, redis_client: "redis.Redis"
) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url.removeprefix(site.url)))
    open_chat(page, site, alice)
    ask(page, "hello")
    ended(page)
    assert [url for url in requests if "/api/answers/" in url] == []


def test_two_people_in_one_browser_have_nothing_to_do_with_each_other(
    site: Site, alice: Person, bob: Person, browser: Browser, upstream: Upstream
) -> None:
    gate = wire.Gate()
    hers = upstream.script(
        [wire.role(), *wire.text("hers "), gate, *wire.text("and more"), *wire.answer()[1:]]
    )
    his = upstream.script([wire.role(), *wire.text("his"), wire.Stall()])
    with new_context(browser) as context:
        page = context.new_page()
        open_chat(page, site, alice)
        ask(page, hers)
        shows([page], "hers")
        (second,) = open_tabs(page, 1)
        shows([second], "hers")
        # The same browser, later: tabs of Alice's are still open when Bob has signed in.
        tabs = [context.new_page() for _ in range(2)]
        open_chat(tabs[0], site, bob)
        ask(tabs[0], his)
        shows(tabs[:1], "his")
        tabs[1].goto(tabs[0].url)
        shows(tabs, "his")
        second.reload()
        expect(second.get_by_text("hers")).to_have_count(0)
        gate.open()
        ended(page)
        shows(tabs, "his")


def test_a_tab_of_somebody_who_has_signed_out_is_told_so(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    key = upstream.script([wire.role(), *wire.text("one "), wire.Stall()])
    with CuttableNetwork(site.port) as network:
        page.context.add_cookies(alice.cookies(site))
        page.goto(network.url + "/")
        ask(page, key)
        shows([page], "one")
        tabs = [page, *open_tabs(page, 2)]
        shows(tabs, "one")
        page.context.clear_cookies(name="sessionid")
        network.cut()
        network.mend()
        for tab in tabs:
            expect(tab.locator("[data-note]")).to_contain_text("Sign in", timeout=20_000)


NO_WORKER = {
    "none": "delete window.SharedWorker",
    "forbidden": "window.SharedWorker = class { constructor() { throw new DOMException(); } }",
    "broken": (
        "const Real = SharedWorker; window.SharedWorker = function (_, how) { return new"
        " Real('/static/nothing.js', how); }"
    ),
    "silent": (
        "window.SharedWorker = class extends EventTarget { port = new MessageChannel().port1; }"
    ),
}


@pytest.mark.parametrize("kind", NO_WORKER)
def test_without_a_shared_worker_each_tab_reads_for_itself(
    site: Site, alice: Person, page: Page, upstream: Upstream, kind: str
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [wire.role(), *wire.text("one "), gate, *wire.text("two"), *wire.answer()[1:]]
    )
    page.context.add_init_script(NO_WORKER[kind])
    open_chat(page, site, alice)
    ask(page, key)
    expect(page.locator("[data-body]")).to_have_text("one", timeout=15_000)
    tabs = [page, *open_tabs(page, 1)]
    for tab in tabs:
        expect(tab.locator("[data-body]")).to_have_text("one", timeout=15_000)
    gate.open()
    for tab in tabs:
        ended(tab)
        assert source(tab) == "one two"
    assert len(upstream.requests(key)) == 1


# The worker's words are held back until the test lets them go.
SLOW_WORKER = """
const Real = SharedWorker;
const heard = new Promise((resolve) => (window.hearWorker = resolve));
window.SharedWorker = class extends EventTarget {
  constructor(...how) {
    super();
    const { port } = new Real(...how);
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    port.onmessage = ({ data }) => heard.then(() => port2.postMessage(data));
    port2.onmessage = ({ data }) => port.postMessage(data);
  }
};
"""


def test_a_tab_that_did_not_hear_the_worker_in_time_shares_when_it_does(
    patient: Site, alice: Person, page: Page, upstream: Upstream, redis_client: "redis.Redis"
) -> None:
    gates = [wire.Gate() for _ in range(2)]
    key = upstream.script(
        [
            wire.role(),
            *wire.text("one "),
            gates[0],
            *wire.text("two "),
            gates[1],
            *wire.text("three"),
            *wire.answer()[1:],
        ]
    )
    open_chat(page, patient, alice)
    ask(page, key)
    shows([page], "one")
    second, third = page.context.new_page(), page.context.new_page()
    for tab in (second, third):
        tab.add_init_script(SLOW_WORKER)
        tab.goto(page.url)
    # Each reads by itself, since no word of the worker came.
    for tab in (second, third):
        expect(tab.locator("[data-body]")).to_have_text("one", timeout=15_000)
    wait_until(lambda: readers_of(redis_client, alice) == 2)
    for tab in (second, third):
        tab.evaluate("hearWorker()")
    wait_until(lambda: readers_of(redis_client, alice) == 1, timeout=20)
    for gate, text in zip(gates, ("one two", "one two three"), strict=True):
        gate.open()
        shows([page, second, third], text)
    for tab in (page, second, third):
        ended(tab)
        assert source(tab) == "one two three"
    assert len(upstream.requests(key)) == 1
