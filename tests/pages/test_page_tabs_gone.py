"""Tabs that share a connection, of which one is closed, crashes, freezes or loses the network."""

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error, Page, expect

from tests.harness import wire
from tests.harness.chat_page import (
    ask,
    ended,
    open_chat,
    open_tabs,
    shows,
    source,
    stored_answer,
    wait_until_live,
)
from tests.harness.cuttable import CuttableNetwork
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import StartSite


# What is not held up by another tab comes in a fraction of this.
SOON_MS = 5_000


def crash(tab: Page) -> None:
    """Ends the tab's process, and with it whatever else runs there."""
    with tab.expect_event("crash"), pytest.raises(Error):
        tab.goto("chrome://crash", timeout=SOON_MS)


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
