"""The site in a browser without JavaScript."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect

from chat.answers.sse import PAD_BYTES
from chat.models import Message
from chat.views.noscript import padded
from tests.harness import wire
from tests.harness.browser import new_context
from tests.harness.chat_page import conversation_of, last_body
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import DEFAULT_TEXT, Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser

ANSWER = "[aria-label='The answer']"


@pytest.fixture
def plain_page(browser: Browser) -> Iterator[Page]:
    with new_context(browser, java_script_enabled=False) as context:
        yield context.new_page()


def sign_in(page: Page, site: Site, person: Person) -> None:
    page.goto(site.url + "/")
    page.fill("[name=username]", person.user.username)
    page.fill("[name=password]", person.password)
    page.locator("[name=password]").press("Enter")
    page.wait_for_url(site.url + "/")


def send(page: Page, prompt: str) -> None:
    page.fill("#content", prompt)
    page.click("[data-send]", no_wait_after=True)


def go_on(page: Page, site: Site, shown: str) -> None:
    """Goes from the answer's page to the conversation, where an ended answer leads by itself."""
    expect(page.locator(ANSWER).or_(page.locator("[data-body]").last)).to_have_text(shown)
    link = page.get_by_role("link", name="Go on")
    # The link comes a moment behind the last word.
    expect(link.or_(page.locator("[data-composer]"))).to_be_visible()
    if link.is_visible():
        link.click()
    page.wait_for_url(f"{site.url}/c/{conversation_of(page).id}/")


def test_one_signs_in_asks_reads_along_and_goes_on(
    site: Site, alice: Person, plain_page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [wire.role(), *wire.text("<b>first</b> & "), gate, *wire.text("last"), *wire.answer()[1:]]
    )
    sign_in(plain_page, site, alice)
    send(plain_page, key)
    expect(plain_page.locator(ANSWER)).to_have_text("<b>first</b> &")
    gate.open()
    expect(plain_page.locator(ANSWER)).to_have_text("<b>first</b> & last")
    go_on(plain_page, site, "<b>first</b> & last")
    assert last_body(plain_page) == "<b>first</b> & last"
    send(plain_page, "and then?")
    expect(
        plain_page.locator("[data-text]")
        .or_(plain_page.locator(".card"))
        .filter(has_text="and then?")
    ).to_be_visible()
    go_on(plain_page, site, DEFAULT_TEXT)
    answers = Message.objects.filter(
        conversation=conversation_of(plain_page), role="assistant"
    ).order_by("created")
    assert [answer.content for answer in answers] == ["<b>first</b> & last", DEFAULT_TEXT]
    assert answers[1].parent is not None
    assert answers[1].parent.parent == answers[0]


def test_a_page_opened_in_the_middle_leads_to_the_answer(
    site: Site, alice: Person, plain_page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [wire.role(), *wire.text("half "), gate, *wire.text("whole"), *wire.answer()[1:]]
    )
    sign_in(plain_page, site, alice)
    send(plain_page, key)
    expect(plain_page.locator(ANSWER)).to_have_text("half")
    other = plain_page.context.new_page()
    other.goto(site.url + f"/c/{conversation_of(plain_page).id}/")
    # By its place: Playwright finds no text inside <noscript>.
    other.click(".answer noscript a", no_wait_after=True)
    expect(other.locator(ANSWER)).to_have_text("half")
    gate.open()
    expect(other.locator(ANSWER)).to_have_text("half whole")


def test_a_refusal_keeps_the_prompt_and_its_place(
    site: Site, make_user: "MakeUser", plain_page: Page
) -> None:
    person = make_user("carol", requests="1/h")
    sign_in(plain_page, site, person)
    send(plain_page, "first")
    go_on(plain_page, site, DEFAULT_TEXT)
    parent = plain_page.input_value("[name=parent]")
    plain_page.fill("#content", "second,\n<a long thought>")
    with plain_page.expect_response(lambda response: response.request.method == "POST") as refused:
        plain_page.click("[data-send]")
    assert refused.value.status == 429
    assert int(refused.value.headers["retry-after"]) > 0
    assert plain_page.input_value("#content") == "second,\n<a long thought>"
    assert plain_page.input_value("[name=parent]") == parent
    person.quota.requests = ""
    person.quota.save()
    plain_page.click("text=Send again", no_wait_after=True)
    go_on(plain_page, site, DEFAULT_TEXT)
    expect(plain_page.locator(".answer")).to_have_count(2)


def test_nothing_is_offered_that_needs_javascript(
    site: Site, alice: Person, plain_page: Page
) -> None:
    sign_in(plain_page, site, alice)
    send(plain_page, "hello")
    go_on(plain_page, site, DEFAULT_TEXT)
    needy = (
        "[data-drawer-open], [data-drawer-close], [data-theme-toggle], [data-copy],"
        " [data-regenerate], [data-edit], [data-stop], .copy-code"
    )
    assert [button for button in plain_page.locator(needy).all() if button.is_visible()] == []
    plain_page.set_viewport_size({"width": 390, "height": 844})
    expect(plain_page.locator("[data-conversations] a").first).to_be_visible()


def test_pieces_of_the_page_cannot_be_told_apart_by_size() -> None:
    assert {len(padded(b"a" * size)) for size in range(58)} == {PAD_BYTES}
    assert padded(b"word").startswith(b"word<!--")
    assert padded(b"word").endswith(b"-->")
