"""Several tabs of one person show what happens in each other; a waiting one holds no stream."""

from playwright.sync_api import APIResponse, Browser, Page, Route, expect

from chat.models import Conversation
from tests.harness import wire
from tests.harness.browser import new_context
from tests.harness.chat_page import (
    ask,
    conversation_of,
    ended,
    last_body,
    open_chat,
    wait_until_live,
)
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import DEFAULT_TEXT, Upstream


def begin(page: Page, site: Site, person: Person, prompt: str = "hello") -> Conversation:
    open_chat(page, site, person)
    ask(page, prompt)
    ended(page)
    return conversation_of(page)


def open_tab(page: Page) -> Page:
    """Opens a second tab at the same address."""
    tab = page.context.new_page()
    tab.goto(page.url)
    wait_until_live(tab)
    return tab


def hide(page: Page, hidden: bool = True) -> None:
    """Tells a tab what it hears when another covers it: headless Chromium shows all of them."""
    page.evaluate(
        """hidden => {
            const value = hidden ? "hidden" : "visible";
            Object.defineProperty(document, "visibilityState", { value, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_a_turn_of_one_tab_is_followed_in_the_other(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [wire.role(), *wire.text("seen "), gate, *wire.text("twice"), *wire.answer()[1:]]
    )
    begin(page, site, alice)
    tab = open_tab(page)
    first = tab.locator(".answer").first.element_handle()
    tab.fill("#content", "a draft of my own")
    ask(page, key)
    for each in (page, tab):
        expect(each.locator("[data-body]").last).to_have_text("seen")
    expect(tab.locator(".prompt [data-text]").last).to_have_text(key)
    expect(tab.locator("[data-stop]")).to_be_visible()
    gate.open()
    for each in (page, tab):
        ended(each)
        assert last_body(each) == "seen twice"
        expect(each.locator(".message")).to_have_count(4)
    assert tab.input_value("#content") == "a draft of my own"
    assert first.evaluate("element => element.isConnected")
    assert len(upstream.requests(key)) == 1


def test_the_other_tab_can_stop_the_answer(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    key = upstream.script([wire.role(), *wire.text("so far"), wire.Stall()])
    begin(page, site, alice)
    tab = open_tab(page)
    ask(page, key)
    tab.click("[data-stop]")
    for each in (page, tab):
        ended(each, "stopped")
        assert last_body(each) == "so far"


def test_turns_one_after_the_other_from_both_tabs_are_in_order_in_both(
    site: Site, alice: Person, page: Page
) -> None:
    begin(page, site, alice)
    tab = open_tab(page)
    for turn, asking in enumerate((tab, page, tab), 2):
        ask(asking, f"prompt {turn}")
        for each in (page, tab):
            expect(each.locator(".answer[data-status=complete]")).to_have_count(turn)
    for each in (page, tab):
        assert each.locator(".prompt [data-text]").all_inner_texts() == [
            "hello",
            "prompt 2",
            "prompt 3",
            "prompt 4",
        ]


def test_what_a_tab_shows_is_not_taken_back_by_an_older_page_that_comes_late(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    late: list[tuple[Route, APIResponse]] = []
    key = upstream.script(
        [wire.role(), *wire.text("seen "), gate, *wire.text("whole"), *wire.answer()[1:]]
    )
    begin(page, site, alice)
    tab = open_tab(page)

    def hold_the_first(route: Route) -> None:
        if late:
            route.continue_()
        else:
            late.append((route, route.fetch()))
            gate.open()

    tab.route(page.url, hold_the_first)
    ask(page, key)
    for each in (page, tab):
        expect(each.locator(".answer[data-status=complete]")).to_have_count(2)
    shown = tab.locator(".answer").last.element_handle()
    (held, response), *_ = late
    held.fulfill(response=response)
    ask(page, "and then?")
    for each in (page, tab):
        expect(each.locator(".answer[data-status=complete]")).to_have_count(3)
    assert shown.evaluate("element => element.isConnected")


def test_an_idle_tab_holds_no_stream(site: Site, alice: Person, page: Page) -> None:
    begin(page, site, alice)
    tab = page.context.new_page()
    streams: list[str] = []
    tab.on(
        "request",
        lambda request: streams.append(request.url) if "/api/answers/" in request.url else None,
    )
    tab.goto(page.url)
    wait_until_live(tab)
    hide(tab)
    ask(page, "while nobody looks")
    expect(page.locator(".answer")).to_have_count(2)
    ended(page)
    assert tab.locator(".answer").count() == 1
    hide(tab, False)
    expect(tab.locator(".answer")).to_have_count(2)
    assert last_body(tab) == DEFAULT_TEXT
    assert streams == []


def test_another_answer_in_one_tab_is_a_version_in_the_other(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    key = upstream.script(wire.answer("take one"), wire.answer("take two"))
    begin(page, site, alice, key)
    tab = open_tab(page)
    page.click("[data-regenerate]")
    for each in (page, tab):
        expect(each.locator("[data-body]")).to_have_text("take two")
        ended(each)
        expect(each.locator(".answer span[data-place]")).to_have_text("2/2")


def test_a_prompt_being_edited_is_not_taken_away(site: Site, alice: Person, page: Page) -> None:
    begin(page, site, alice)
    tab = open_tab(page)
    tab.hover(".prompt")
    tab.click("[data-edit]")
    tab.fill("[data-edit-form] textarea", "half a thought")
    ask(page, "meanwhile")
    expect(page.locator(".answer")).to_have_count(2)
    ended(page)
    assert tab.input_value("[data-edit-form] textarea") == "half a thought"
    tab.click("[data-cancel]")
    expect(tab.locator(".answer")).to_have_count(2)


def test_a_branch_that_is_read_stays_when_another_tab_makes_one(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script([wire.role(), *wire.text("mine"), gate, *wire.answer()[1:]])
    begin(page, site, alice)
    tab = open_tab(page)
    hide(tab)
    ask(page, key)
    expect(page.locator("[data-body]").last).to_have_text("mine")
    ask(tab, "of another branch")
    expect(tab.locator(".answer")).to_have_count(2)
    ended(tab)
    gate.open()
    ended(page)
    assert last_body(page) == "mine"
    assert tab.locator(".prompt [data-text]").last.inner_text() == "of another branch"


def test_the_list_knows_what_another_tab_has_made_renamed_and_deleted(
    site: Site, alice: Person, page: Page
) -> None:
    open_chat(page, site, alice)
    tab = open_tab(page)
    titles = tab.locator("[data-conversations] a")
    ask(page, "One thing")
    ended(page)
    expect(titles).to_have_text(["One thing"])
    expect(tab.locator("[data-conversations] [aria-current]")).to_have_count(0)
    page.click("[data-menu] > summary")
    page.fill("#conversation-name", "  Another\t thing ")
    page.keyboard.press("Enter")
    expect(page.locator("[data-title]")).to_have_text("Another thing")
    assert page.locator("[data-conversations] a").all_inner_texts() == ["Another thing"]
    expect(titles).to_have_text(["Another thing"])
    assert conversation_of(page).title == "Another thing"
    page.click("[data-menu] > summary")
    page.click(".menu-delete > summary")
    page.click("text=Delete this conversation")
    expect(titles).to_have_count(0)


def test_a_conversation_that_is_deleted_elsewhere_leaves_the_draft(
    site: Site, alice: Person, page: Page
) -> None:
    conversation = begin(page, site, alice)
    tab = open_tab(page)
    tab.fill("#content", "my draft")
    page.click("[data-menu] > summary")
    page.click(".menu-delete > summary")
    page.click("text=Delete this conversation")
    expect(tab.locator("[data-alert]")).to_contain_text("deleted in another tab")
    expect(tab.locator(".message")).to_have_count(0)
    expect(tab.locator("[data-title]")).to_have_text("New conversation")
    assert tab.url == site.url + "/"
    tab.press("#content", "Enter")
    ended(tab)
    assert conversation_of(tab).id != conversation.id
    assert conversation_of(tab).title == "my draft"


def test_renaming_does_not_disturb_an_answer_that_is_written(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [wire.role(), *wire.text("one "), gate, *wire.text("two"), *wire.answer()[1:]]
    )
    open_chat(page, site, alice)
    ask(page, key)
    expect(page.locator("[data-body]")).to_have_text("one")
    tab = open_tab(page)
    page.click("[data-menu] > summary")
    page.fill("#conversation-name", "Counting")
    page.keyboard.press("Enter")
    expect(tab.locator("[data-title]")).to_have_text("Counting")
    gate.open()
    for each in (page, tab):
        ended(each)
        assert last_body(each) == "one two"
    assert tab.title() == "Counting – Chatsite"


def test_nobody_hears_of_another_persons_turns(
    site: Site, alice: Person, bob: Person, browser: Browser
) -> None:
    with new_context(browser) as context:
        page = context.new_page()
        open_chat(page, site, alice)
        # The same browser, later: a tab of Alice's is still open when Bob has signed in.
        tab = context.new_page()
        open_chat(tab, site, bob)
        ask(tab, "a secret of Bob's")
        ended(tab)
        tab.evaluate("() => new Promise((resolve) => setTimeout(resolve))")
        expect(page.locator("[data-conversations] a")).to_have_count(0)
