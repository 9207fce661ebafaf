"""What the page says when something it was asked for does not work: never nothing."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from chat.models import Conversation
from tests.harness import wire
from tests.harness.chat_page import ask, conversation_of, ended, open_chat
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream

STOP = "**/api/answers/*/stop"


def refused(status: int, code: str, message: str = "That is why.") -> Callable[[Route], None]:
    return lambda route: route.fulfill(
        status=status, json={"error": {"code": code, "message": message}}
    )


def begin(page: Page, site: Site, person: Person, upstream: Upstream) -> None:
    """Asks for an answer that goes on until it is stopped."""
    key = upstream.script([wire.role(), *wire.text("so far"), wire.Stall()])
    open_chat(page, site, person)
    ask(page, key)
    expect(page.locator("[data-body]")).to_have_text("so far")


# --- Stop -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "not_signed_in"), (403, "csrf_failed"), (404, "not_found"), (405, "method_not_allowed")],
)
def test_a_stop_that_is_refused_says_so_and_can_be_pressed_again(
    site: Site, alice: Person, page: Page, upstream: Upstream, status: int, code: str
) -> None:
    begin(page, site, alice, upstream)
    page.route(STOP, refused(status, code))
    page.click("[data-stop]")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Stop has not worked. That is why.")
    expect(alert.get_by_role("link", name="Reload the page")).to_have_count(
        1 if status in (401, 403) else 0
    )
    expect(page.locator("[data-stop]")).to_have_text("Stop")
    expect(page.locator("[data-stop]")).to_have_attribute("aria-disabled", "false")
    page.unroute(STOP)
    page.click("[data-stop]")
    ended(page, "stopped")
    expect(alert).to_be_hidden()


TROUBLE: dict[str, Callable[[Route], None]] = {
    "no network": lambda route: route.abort(),
    "the database is away": refused(503, "database_unavailable"),
    "a fault": refused(500, "internal_error", ""),
    "too many requests": refused(429, "rate_limited"),
    "a proxy's page": lambda route: route.fulfill(
        status=502, content_type="text/html", body="<h1>Bad gateway</h1>"
    ),
    "a hotel's page": lambda route: route.fulfill(
        content_type="text/html", body="<h1>Welcome!</h1>"
    ),
    "other JSON": lambda route: route.fulfill(json={"welcome": True}),
}


@pytest.mark.parametrize("kind", TROUBLE)
def test_a_stop_that_does_not_reach_the_site_says_so_and_is_tried_until_it_does(
    site: Site, alice: Person, page: Page, upstream: Upstream, kind: str
) -> None:
    begin(page, site, alice, upstream)
    page.route(STOP, TROUBLE[kind])
    page.click("[data-stop]")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Stop is tried again until it works")
    expect(page.locator("[data-stop]")).to_have_attribute("aria-disabled", "false")
    page.unroute(STOP)
    ended(page, "stopped")
    expect(alert).to_be_hidden()


def test_a_stop_without_an_answer_says_so_and_can_be_pressed_again(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    begin(page, site, alice, upstream)
    held: list[Route] = []
    page.route(STOP, lambda route: route.continue_() if held else held.append(route))
    page.click("[data-stop]")
    expect(page.get_by_role("alert")).to_contain_text("has not answered yet", timeout=10_000)
    page.click("[data-stop]")
    ended(page, "stopped")


def test_a_stop_of_somebody_who_is_signed_out_leads_to_signing_in(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    begin(page, site, alice, upstream)
    page.context.clear_cookies(name="sessionid")
    page.click("[data-stop]")
    expect(page.get_by_role("alert")).to_contain_text("Stop has not worked. You are signed out.")
    page.get_by_role("link", name="Reload the page").click()
    page.locator("[name=username]").wait_for()


# --- Renaming and deleting ------------------------------------------------------------


def rename(page: Page) -> None:
    page.click("[data-menu] > summary")
    page.fill("#conversation-name", "Another name")
    page.keyboard.press("Enter")


def delete(page: Page) -> None:
    page.click("[data-menu] > summary")
    page.click(".menu-delete > summary")
    page.click("text=Delete this conversation")


@pytest.mark.parametrize(("act", "word"), [(rename, "not renamed"), (delete, "not deleted")])
@pytest.mark.parametrize("kind", ["no network", "signed out", "not found", "forbidden", "a fault"])
def test_a_name_or_a_deletion_that_does_not_reach_the_site_says_so(
    site: Site,
    alice: Person,
    page: Page,
    upstream: Upstream,
    act: Callable[[Page], None],
    word: str,
    kind: str,
) -> None:
    begin(page, site, alice, upstream)
    conversation = conversation_of(page)
    if kind == "signed out":
        page.context.clear_cookies(name="sessionid")
    elif kind == "no network":
        page.route("**/c/*/*/", lambda route: route.abort())
    else:
        status = {"not found": 404, "forbidden": 403, "a fault": 500}[kind]
        page.route(
            "**/c/*/*/",
            lambda route: route.fulfill(status=status, content_type="text/html", body="no"),
        )
    act(page)
    expect(page.get_by_role("alert")).to_contain_text(word)
    assert page.url.endswith(f"/c/{conversation.id}/")
    assert Conversation.objects.get(id=conversation.id).title == conversation.title
    expect(page.locator("[data-title]")).to_have_text(conversation.title)
    expect(page.locator("[data-body]")).to_have_text("so far")


# --- Copying --------------------------------------------------------------------------

NO_CLIPBOARD = """
    Object.defineProperty(navigator, "clipboard", { value: %s });
    document.execCommand = () => %s;"""
CLIPBOARDS = [
    "undefined",
    "{ writeText: () => Promise.reject(new DOMException('no', 'NotAllowedError')) }",
]


@pytest.mark.parametrize("clipboard", CLIPBOARDS, ids=["plain http", "forbidden"])
@pytest.mark.parametrize("button", [".copy-code", ".answer [data-copy]"])
def test_a_copy_that_the_browser_refuses_says_so(
    site: Site, alice: Person, page: Page, upstream: Upstream, clipboard: str, button: str
) -> None:
    page.add_init_script(NO_CLIPBOARD % (clipboard, "false"))
    key = upstream.script(wire.answer("```\ncode\n```"))
    open_chat(page, site, alice)
    ask(page, key)
    ended(page)
    page.click(button)
    expect(page.get_by_role("alert")).to_contain_text("did not let the page copy")
    assert "is-done" not in (page.locator(button).get_attribute("class") or "")
    expect(page.locator("[data-announcer]")).not_to_contain_text("Copied")


def test_copying_without_a_clipboard_leaves_the_selection_and_the_focus(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    page.add_init_script('Object.defineProperty(navigator, "clipboard", { value: undefined })')
    key = upstream.script(wire.answer("Some text.\n\n```\ncode\n\n```\n"))
    open_chat(page, site, alice)
    ask(page, key)
    ended(page)
    copied = (
        "document.addEventListener('copy', () => { window.copied = document.activeElement.value; })"
    )
    page.evaluate(copied)
    page.evaluate("getSelection().selectAllChildren(document.querySelector('[data-body] p'))")
    page.focus(".copy-code")
    page.keyboard.press("Enter")
    expect(page.locator(".copy-code")).to_have_text("Copied")
    assert page.evaluate("copied") == "code\n"
    assert page.evaluate("getSelection().toString()") == "Some text."
    expect(page.locator(".copy-code")).to_be_focused()
