"""A guest in the browser, who solves the challenge unseen and keeps what was said on signing in."""

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, Request, expect

from chat import redis_client
from chat.models import Conversation
from tests.harness import chat_page, wire
from tests.harness.client import Client
from tests.harness.site import Site
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.harness.people import Person

pytestmark = pytest.mark.usefixtures("guests")
NEW_PASSWORD = "another-fine-day-in-may"
# Up to 200,000 hashes take a tenth of this on a machine that does much else; how quick they are is
# not what is tested here.
MAX_SOLVING_MS = 120_000


def open_as_guest(page: Page, site: Site) -> None:
    page.goto(site.url)
    chat_page.wait_until_live(page)


def ask_with_a_solution(page: Page, text: str) -> None:
    """Asks; returns when the turn has been sent with the solution of a challenge."""

    def is_turn_with_solution(request: Request) -> bool:
        return request.url.endswith("/api/chat") and '"altcha"' in (request.post_data or "")

    with page.expect_request(is_turn_with_solution, timeout=MAX_SOLVING_MS):
        chat_page.ask(page, text)


def test_a_guest_asks_signs_in_and_goes_on(
    page: Page, site: Site, upstream: Upstream, alice: "Person"
) -> None:
    open_as_guest(page, site)
    ask_with_a_solution(page, f"hello {upstream.script(wire.answer('Welcome, guest.'))}")
    chat_page.ended(page)
    assert "Welcome, guest." in chat_page.last_body(page)
    expect(page.locator("[data-conversations] a")).to_have_count(1)
    page.reload()
    chat_page.wait_until_live(page)
    # Within the hour no further challenge is needed.
    expect(page.locator("[data-composer]")).not_to_have_attribute("data-challenge-due", "")
    path = page.url.removeprefix(site.url)
    page.get_by_role("link", name="Sign in").click()
    page.fill("[name=username]", alice.user.username)
    page.fill("[name=password]", alice.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(site.url + path)
    chat_page.wait_until_live(page)
    assert "Welcome, guest." in chat_page.last_body(page)
    chat_page.ask(page, f"and {upstream.script(wire.answer('Welcome back.'))}")
    expect(page.locator("[data-body]").last).to_contain_text("Welcome back.")
    assert chat_page.conversation_of(page).user_id == alice.user.pk


def test_a_challenge_that_the_site_asks_for_is_solved_and_the_turn_sent_again(
    page: Page, site: Site, upstream: Upstream
) -> None:
    """Takes the pass away, as time or an emptied Redis does, behind the page's back."""
    open_as_guest(page, site)
    ask_with_a_solution(page, f"hello {upstream.script(wire.answer('One.'))}")
    chat_page.ended(page)
    redis_client.client().delete(*redis_client.client().keys("chatsite:{g:*}:pass"))
    ask_with_a_solution(page, f"again {upstream.script(wire.answer('Two.'))}")
    expect(page.locator("[data-body]").last).to_contain_text("Two.")
    expect(page.locator(".prompt")).to_have_count(2)
    expect(page.locator("[data-alert]")).to_be_hidden()
    assert chat_page.conversation_of(page).messages.count() == 4


def test_signing_up_solves_the_challenge_and_keeps_the_conversation(
    page: Page, site: Site, upstream: Upstream, open_signup: None
) -> None:
    open_as_guest(page, site)
    ask_with_a_solution(page, f"hello {upstream.script(wire.answer('Welcome.'))}")
    chat_page.ended(page)
    conversation = chat_page.conversation_of(page)
    page.get_by_role("link", name="Sign up").click()
    page.locator("html[data-ready]").wait_for()
    name = f"eve-{uuid4().hex[:8]}"
    page.fill("[name=username]", name)
    page.fill("[name=password1]", NEW_PASSWORD)
    page.fill("[name=password2]", NEW_PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    page.wait_for_url(site.url + "/", timeout=MAX_SOLVING_MS)
    assert Conversation.objects.get(id=conversation.id).user == User.objects.get(username=name)


def test_without_javascript_the_pages_say_what_a_guest_needs(site: Site, open_signup: None) -> None:
    with Client(site.url) as guest:
        for path, words in (
            ("/", "the chat needs JavaScript"),
            ("/accounts/signup/", "Signing up needs JavaScript"),
        ):
            without_script = guest.get(path).text.partition("<noscript>")[2]
            assert words in without_script.partition("</noscript>")[0]
