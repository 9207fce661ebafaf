"""What tests do on the chat page."""

import re
from uuid import UUID

from playwright.sync_api import Page, expect

from chat.models import Conversation, Message
from tests.harness.people import Person
from tests.harness.site import Site


def open_chat(page: Page, site: Site, person: Person, path: str = "/") -> None:
    """Signs the person in and opens the page, live."""
    page.context.add_cookies(person.cookies(site))
    page.goto(site.url + path)
    wait_until_live(page)


def wait_until_live(page: Page) -> None:
    """Returns when the page's script has taken over."""
    page.locator("html[data-ready]").wait_for()


def ask(page: Page, text: str) -> None:
    page.fill("#content", text)
    page.keyboard.press("Enter")


def ended(page: Page, status: str = "complete") -> None:
    """Returns when the last answer has that status."""
    expect(page.locator(".answer").last).to_have_attribute("data-status", status)


def last_body(page: Page) -> str:
    """The text of the last answer as it is seen."""
    return page.locator("[data-body]").last.inner_text()


def conversation_of(page: Page) -> Conversation:
    found = re.search(r"/c/([0-9a-f-]{36})/", page.url)
    assert found, page.url
    return Conversation.objects.get(id=UUID(found[1]))


def source(page: Page) -> str:
    """The last answer's text, exactly as it came."""
    return str(
        page.locator("template[data-source]").last.evaluate(
            "template => template.content.textContent"
        )
    )


def stored_answer(page: Page) -> Message:
    """The newest answer of the page's conversation."""
    return conversation_of(page).messages.filter(role="assistant").latest("created")


def open_tabs(page: Page, count: int) -> list[Page]:
    """Returns so many more tabs at the page's address, live."""
    tabs = []
    for _ in range(count):
        tab = page.context.new_page()
        tab.goto(page.url)
        wait_until_live(tab)
        tabs.append(tab)
    return tabs


def shows(tabs: list[Page], text: str) -> None:
    """Returns when the last answer of each tab has that text."""
    for tab in tabs:
        expect(tab.locator("[data-body]").last).to_have_text(text)
