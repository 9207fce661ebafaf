"""The chat page in a real browser.

The `page` fixture fails a test on any uncaught error and on anything the security policy refuses.
"""

import re
from typing import TYPE_CHECKING

from playwright.sync_api import Page, expect

from chat.models import ChatModel, Conversation, Message, Usage
from tests.harness import wire
from tests.harness.chat_page import (
    ask,
    conversation_of,
    ended,
    last_body,
    open_chat,
    wait_until_live,
)
from tests.harness.footprint import with_time_left
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import DEFAULT_TEXT, Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser


# --- Asking -------------------------------------------------------------------


def test_signing_in_by_the_form_leads_to_the_chat(site: Site, alice: Person, page: Page) -> None:
    page.goto(site.url + "/")
    page.fill("[name=username]", alice.user.username)
    page.fill("[name=password]", alice.password)
    page.keyboard.press("Enter")
    wait_until_live(page)
    ask(page, "hello")
    ended(page)
    assert last_body(page) == DEFAULT_TEXT


def test_the_answer_is_shown_while_it_is_written(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [
            wire.role(),
            *wire.text("**First** part,"),
            gate,
            *wire.text(" second part."),
            wire.finish(),
            wire.usage(),
            wire.DONE,
        ]
    )
    open_chat(page, site, alice)
    ask(page, f"Title words {key}")
    expect(page.locator("[data-body] strong")).to_have_text("First")
    expect(page.locator("[data-stop]")).to_be_visible()
    assert "second" not in last_body(page)
    gate.open()
    ended(page)
    assert last_body(page) == "First part, second part."
    expect(page.locator("[data-usage]")).to_have_text("gpt-4o-mini · 7 tokens")
    expect(page.locator("[data-send]")).to_be_visible()


def test_a_new_conversation_gets_its_address_its_menu_and_its_place_in_the_list(
    site: Site, alice: Person, page: Page
) -> None:
    open_chat(page, site, alice)
    ask(page, "What is a lease?")
    ended(page)
    conversation = conversation_of(page)
    assert conversation.user == alice.user
    expect(page.locator(".sidebar-list a[aria-current]")).to_have_text("What is a lease?")
    assert page.title() == "What is a lease? – Chatsite"
    page.click("[data-menu] > summary")
    page.fill("#conversation-name", "Leases")
    page.keyboard.press("Enter")
    expect(page.locator("[data-title]")).to_have_text("Leases")
    page.click("[data-menu] > summary")
    page.click(".menu-delete > summary")
    page.click("text=Delete this conversation")
    page.wait_for_url(site.url + "/")
    assert not Conversation.objects.filter(id=conversation.id).exists()


def test_enter_sends_and_shift_enter_breaks_the_line(site: Site, alice: Person, page: Page) -> None:
    open_chat(page, site, alice)
    page.locator("#content").press_sequentially("one")
    page.keyboard.press("Shift+Enter")
    page.locator("#content").press_sequentially("two")
    expect(page.locator(".prompt")).to_have_count(0)
    page.keyboard.press("Enter")
    ended(page)
    assert (
        Message.objects.get(conversation=conversation_of(page), role="user").content == "one\ntwo"
    )
    assert page.input_value("#content") == ""


def test_an_empty_prompt_is_not_sent(site: Site, alice: Person, page: Page) -> None:
    open_chat(page, site, alice)
    ask(page, "  \n ")
    expect(page.locator(".message")).to_have_count(0)
    assert not Usage.objects.filter(user=alice.user).exists()


def test_the_model_that_was_picked_answers(
    site: Site, make_user: "MakeUser", page: Page, upstream: Upstream
) -> None:
    picked = ChatModel.objects.create(slug="picked-model")
    person = make_user("petra", models=[ChatModel.objects.get(is_default=True), picked])
    open_chat(page, site, person)
    page.select_option("#model", "picked-model")
    key = upstream.key()
    ask(page, key)
    ended(page)
    assert upstream.requests(key)[0].body["model"] == "picked-model"
    page.reload()
    assert page.input_value("#model") == "picked-model"
    picked.delete()


def test_what_was_typed_survives_a_reload_and_signing_in_again_but_not_signing_out(
    site: Site, alice: Person, bob: Person, page: Page
) -> None:
    open_chat(page, site, alice)
    page.fill("#content", "half a thought")
    page.reload()
    wait_until_live(page)
    expect(page.locator("#content")).to_have_value("half a thought")
    page.context.clear_cookies(name="sessionid")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Reload the page").click()
    page.fill("[name=username]", alice.user.username)
    page.fill("[name=password]", alice.password)
    page.keyboard.press("Enter")
    wait_until_live(page)
    expect(page.locator("#content")).to_have_value("half a thought")
    page.click(".user-menu > summary")
    page.get_by_role("button", name="Sign out").click()
    page.locator("[name=username]").wait_for()
    assert page.evaluate("sessionStorage.length") == 0
    open_chat(page, site, bob)
    expect(page.locator("#content")).to_have_value("")


def test_a_draft_belongs_to_its_conversation_and_is_gone_when_it_is_sent(
    site: Site, alice: Person, page: Page
) -> None:
    open_chat(page, site, alice)
    page.fill("#content", "first")
    page.evaluate(
        "document.dispatchEvent(new Event('visibilitychange'))"
    )  # as when one looks at another tab
    page.keyboard.press("Enter")
    ended(page)
    page.fill("#content", "more of the first")
    page.click(".new-conversation")
    wait_until_live(page)
    expect(page.locator("#content")).to_have_value("")
    page.click(".sidebar-list a")
    wait_until_live(page)
    expect(page.locator("#content")).to_have_value("more of the first")
    page.keyboard.press("Enter")
    expect(page.locator(".answer")).to_have_count(2)
    ended(page)
    page.reload()
    wait_until_live(page)
    expect(page.locator("#content")).to_have_value("")


# --- Stopping, coming back ------------------------------------------------------


def test_stop_ends_the_answer_and_keeps_its_text(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    key = upstream.script([wire.role(), *wire.text("so far"), wire.Stall()])
    open_chat(page, site, alice)
    ask(page, key)
    expect(page.locator("[data-body]")).to_have_text("so far")
    page.click("[data-stop]")
    ended(page, "stopped")
    upstream.wait_for_close(upstream.requests(key)[0])
    assert last_body(page) == "so far"
    expect(page.locator("[data-note]")).to_have_text("You stopped this answer.")
    expect(page.locator("[data-usage]")).to_contain_text("estimated")


def test_stop_before_the_start_is_known_stops_all_the_same(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    key = upstream.script([wire.Stall()])
    # The request leaves the page only once Stop has been pressed.
    page.add_init_script("""
        const real = window.fetch;
        const held = new Promise((resolve) => { window.letGo = resolve; });
        window.fetch = async (url, options) => {
          if (String(url) === "/api/chat") await held;
          return real(url, options);
        };""")
    open_chat(page, site, alice)
    ask(page, key)
    page.click("[data-stop]")
    page.evaluate("letGo()")
    ended(page, "stopped")


def test_a_reload_in_the_middle_goes_on_with_the_answer(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [
            wire.role(),
            *wire.text("before "),
            gate,
            *wire.text("after"),
            wire.finish(),
            wire.usage(),
            wire.DONE,
        ]
    )
    open_chat(page, site, alice)
    ask(page, key)
    expect(page.locator("[data-body]")).to_have_text("before")
    page.reload()
    expect(page.locator("[data-body]")).to_have_text("before")
    expect(page.locator("[data-stop]")).to_be_visible()
    gate.open()
    ended(page)
    assert last_body(page) == "before after"
    assert len(upstream.requests(key)) == 1
    page.reload()
    assert last_body(page) == "before after"


# The first stream breaks after the first text, as a lost network breaks it.
BREAK_FIRST_STREAM = """
const real = window.fetch;
let broken = false;
window.fetch = async (url, options) => {
  const response = await real(url, options);
  if (broken || String(url) !== "/api/chat") return response;
  const reader = response.body.getReader();
  const body = new ReadableStream({ async pull(out) {
    const { value } = await reader.read();
    out.enqueue(value);
    if (!new TextDecoder().decode(value).includes("event: delta")) return;
    broken = true;
    await reader.cancel();
    out.error(new TypeError("network error"));
  } });
  return new Response(body, { headers: response.headers });
};
"""


def test_a_lost_connection_is_taken_up_where_it_broke(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [
            wire.role(),
            *wire.text("one ", "two "),
            gate,
            *wire.text("three"),
            wire.finish(),
            wire.usage(),
            wire.DONE,
        ]
    )
    page.add_init_script(BREAK_FIRST_STREAM)
    open_chat(page, site, alice)
    with page.expect_request(re.compile(r"/stream\?after=")):
        ask(page, key)
    gate.open()
    ended(page)
    assert last_body(page) == "one two three"
    assert len(upstream.requests(key)) == 1


def test_an_answer_that_fails_says_so_and_can_be_asked_for_again(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    key = upstream.script(wire.refused(400, code="bad"), wire.answer("better now"))
    open_chat(page, site, alice)
    ask(page, key)
    ended(page, "failed")
    note = "No answer came. The model's server refused the request."
    expect(page.locator("[data-note]")).to_have_text(note)
    page.reload()
    expect(page.locator("[data-note]")).to_have_text(note)
    page.click("text=Try again")
    ended(page)
    assert last_body(page) == "better now"


# --- Limits -----------------------------------------------------------------------


def test_a_refusal_counts_down_and_keeps_the_prompt(
    site: Site, make_user: "MakeUser", page: Page
) -> None:
    person = with_time_left(make_user, 8, requests="1/12s")
    open_chat(page, site, person)
    ask(page, "first")
    ended(page)
    ask(page, "second, a long thought")
    expect(page.locator("[data-countdown]")).to_have_text(
        re.compile(r"You can send again in \d+ s\.")
    )
    assert page.input_value("#content") == "second, a long thought"
    expect(page.locator(".message")).to_have_count(2)
    expect(page.locator("[data-send]")).to_be_disabled()
    expect(page.locator("[data-send]")).to_be_enabled(timeout=15_000)
    expect(page.locator("[data-alert]")).to_be_hidden()
    page.locator("#content").press("Enter")
    expect(page.locator(".answer")).to_have_count(2)
    ended(page)
