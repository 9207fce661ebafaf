"""Many tabs that stream at once over HTTP/1.1, of which a browser opens six connections to a host,
all its tabs together.
"""

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect

from chat.limits import leases, reader_leases
from tests.harness import wire
from tests.harness.answers import wait_until
from tests.harness.browser import new_context
from tests.harness.chat_page import (
    ask,
    ended,
    last_body,
    open_chat,
    source,
    stored_answer,
    wait_until_live,
)
from tests.harness.cuttable import CuttableNetwork
from tests.harness.environment import Environment
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from tests.conftest import StartSite

TABS = 8
# What is not held up by another tab's stream comes in a fraction of this; Stop and a page waited
# for ever, or 20 s.
SOON_MS = 5_000


@pytest.fixture(scope="module")
def patient(environment: Environment, db_ready: None) -> "Iterator[Site]":
    """A site that waits for its readers longer than any test takes."""
    site = environment.start_site(RESUME_GRACE_SECONDS="60")
    yield site
    site.stop()


def open_tabs(page: Page, count: int) -> list[Page]:
    """So many more tabs at the page's address."""
    tabs = []
    for _ in range(count):
        tab = page.context.new_page()
        tab.goto(page.url)
        wait_until_live(tab)
        tabs.append(tab)
    return tabs


def new_page_loads_soon(context: BrowserContext, site: Site) -> None:
    another = context.new_page()
    another.goto(site.url + "/usage/", timeout=SOON_MS)
    another.close()


def readers_of(client: "redis.Redis", person: Person) -> int:
    """The open responses of GET that follow answers of the person's."""
    return leases.in_use(client, reader_leases.SUBJECT_PREFIX + person.requester.owner_key)


def crash(tab: Page) -> None:
    """Ends the tab's process, and with it whatever else runs there."""
    with tab.expect_event("crash"), pytest.raises(Error):
        tab.goto("chrome://crash", timeout=SOON_MS)


def shows(tabs: list[Page], text: str) -> None:
    for tab in tabs:
        expect(tab.locator("[data-body]").last).to_have_text(text)


# --- A connection is always free ------------------------------------------------------


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


# --- Tabs come and go -----------------------------------------------------------------


@pytest.mark.parametrize("how", ["closed", "crashed", "left for another page", "reloaded"])
@pytest.mark.parametrize("which", [0, 1], ids=["the one that asked", "another"])
def test_the_others_go_on_when_a_tab_is_gone(
    site: Site, alice: Person, page: Page, upstream: Upstream, how: str, which: int
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
    open_chat(page, site, alice)
    ask(page, key)
    shows([page], "one")
    tabs = [page, *open_tabs(page, 3)]
    shows(tabs, "one")
    gone = tabs.pop(which)
    if how == "closed":
        gone.close()
    elif how == "crashed":
        crash(gone)
    elif how == "reloaded":
        gone.reload()
    else:
        gone.goto(site.url + "/usage/")
    gates[0].open()
    shows(tabs, "one two")
    gates[1].open()
    for tab in tabs:
        expect(tab.locator(".answer")).to_have_attribute("data-status", "complete", timeout=20_000)
        assert source(tab) == "one two three"
    assert len(upstream.requests(key)) == 1


def test_where_there_are_no_locks_a_worker_that_crashed_is_missed_all_the_same(
    patient: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [wire.role(), *wire.text("one "), gate, *wire.text("two"), *wire.answer()[1:]]
    )
    # As on plain http.
    page.context.add_init_script(
        "navigator.locks.request = () => Promise.reject(new DOMException())"
    )
    open_chat(page, patient, alice)
    ask(page, key)
    shows([page], "one")
    tabs = open_tabs(page, 2)
    shows(tabs, "one")
    crash(page)
    gate.open()
    for tab in tabs:
        expect(tab.locator(".answer")).to_have_attribute("data-status", "complete", timeout=20_000)
        assert source(tab) == "one two"


def test_a_tab_that_was_put_aside_and_comes_back_has_the_whole_answer(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [wire.role(), *wire.text("one "), gate, *wire.text("two"), *wire.answer()[1:]]
    )
    open_chat(page, site, alice)
    ask(page, key)
    shows([page], "one")
    tabs = open_tabs(page, 2)
    shows(tabs, "one")
    aside = tabs[0]
    aside.evaluate("window.dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    gate.open()
    ended(tabs[1])
    aside.evaluate("window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    for tab in (page, *tabs):
        ended(tab)
        assert source(tab) == "one two"


def test_a_frozen_tab_holds_nobody_up_and_catches_up(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [wire.role(), *wire.text("one "), gate, *wire.text("two"), *wire.answer()[1:]]
    )
    open_chat(page, site, alice)
    ask(page, key)
    shows([page], "one")
    tabs = open_tabs(page, 2)
    shows(tabs, "one")
    frozen = page.context.new_cdp_session(page)
    frozen.send("Page.setWebLifecycleState", {"state": "frozen"})
    gate.open()
    for tab in tabs:
        ended(tab)
    frozen.send("Page.setWebLifecycleState", {"state": "active"})
    for tab in (page, *tabs):
        ended(tab)
        assert source(tab) == "one two"


def test_breaks_of_a_shared_connection_lose_and_double_nothing(
    patient: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    pieces = [f"{number} é👋\r\n\n  - [x] ‮abc‬ " for number in range(100)]
    gate = wire.Gate()
    paced: wire.Script = [
        step for piece in pieces[1:] for step in (*wire.text(piece), wire.Pause(0.05))
    ]
    key = upstream.script([wire.role(), *wire.text(pieces[0]), gate, *paced, *wire.answer()[1:]])
    with CuttableNetwork(patient.port) as network:
        page.context.add_cookies(alice.cookies(patient))
        page.goto(network.url + "/")
        wait_until_live(page)
        ask(page, key)
        expect(page.locator("[data-body]")).to_contain_text("0 é")
        tabs = [page, *open_tabs(page, 2)]
        for tab in tabs:
            expect(tab.locator("[data-body]")).to_contain_text("0 é")
        gate.open()
        network.cut_after(*(300 + number * 97 % 1500 for number in range(12)))
        for tab in tabs:
            expect(tab.locator(".answer")).to_have_attribute(
                "data-status", "complete", timeout=30_000
            )
        assert network.cuts == 12
    for tab in tabs:
        assert source(tab) == stored_answer(tab).content == "".join(pieces)
    assert len(upstream.requests(key)) == 1


def test_an_answer_whose_last_tab_is_closed_is_given_up_though_others_are_read(
    start_site: "StartSite", alice: Person, page: Page, upstream: Upstream
) -> None:
    site = start_site(RESUME_GRACE_SECONDS="1")
    keys = [upstream.script([wire.role(), *wire.text("one "), wire.Stall()]) for _ in range(3)]
    open_chat(page, site, alice)
    tabs = [page, *open_tabs(page, 2)]
    for tab, key in zip(tabs, keys, strict=True):
        ask(tab, key)
        shows([tab], "one")
    tabs[1].close()
    upstream.wait_for_close(upstream.requests(keys[1])[0])
    assert [tab.locator(".answer").get_attribute("data-status") for tab in (tabs[0], tabs[2])] == [
        "streaming"
    ] * 2


# --- Whose answers --------------------------------------------------------------------


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


# --- Browsers that cannot share -------------------------------------------------------

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
