"""Branches of a conversation on the page, and small things about it."""

import re
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from chat.models import Message
from tests.harness import wire
from tests.harness.chat_page import ask, conversation_of, ended, open_chat, wait_until_live
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream

# --- Branches -------------------------------------------------------------------


def test_editing_a_prompt_makes_a_branch_and_keeps_the_old_one(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    first, second = (
        upstream.script(wire.answer("old answer")),
        upstream.script(wire.answer("new answer")),
    )
    open_chat(page, site, alice)
    ask(page, f"old {first}")
    ended(page)
    page.hover(".prompt")
    page.click("[data-edit]")
    page.fill("[data-edit-form] textarea", f"new {second}")
    page.keyboard.press("Enter")
    expect(page.locator("[data-body]")).to_have_text("new answer")
    ended(page)
    expect(page.locator(".prompt [data-place]").last).to_have_text("2/2")
    prompts = Message.objects.filter(conversation=conversation_of(page), role="user")
    assert {prompt.parent_id for prompt in prompts} == {None}
    assert prompts.count() == 2
    page.click(".prompt [data-previous]")
    expect(page.locator("[data-body]")).to_have_text("old answer")
    expect(page.locator(".prompt span[data-place]")).to_have_text("1/2")
    page.click(".prompt [data-next]")
    expect(page.locator("[data-body]")).to_have_text("new answer")


def test_asking_again_makes_a_second_answer_beside_the_first(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    key = upstream.script(wire.answer("take one"), wire.answer("take two"))
    open_chat(page, site, alice)
    ask(page, key)
    ended(page)
    page.click("[data-regenerate]")
    expect(page.locator("[data-body]")).to_have_text("take two")
    ended(page)
    expect(page.locator(".answer span[data-place]")).to_have_text("2/2")
    page.reload()
    expect(page.locator("[data-body]")).to_have_text("take two")
    page.click(".answer [data-previous]")
    expect(page.locator("[data-body]")).to_have_text("take one")


def test_a_prompt_follows_the_branch_that_is_shown(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    key = upstream.script(wire.answer("take one"), wire.answer("take two"))
    open_chat(page, site, alice)
    ask(page, key)
    ended(page)
    page.click("[data-regenerate]")
    expect(page.locator("[data-body]")).to_have_text("take two")
    ended(page)
    page.click(".answer [data-previous]")
    wait_until_live(page)
    ask(page, "and then?")
    expect(page.locator(".answer")).to_have_count(2)
    ended(page)
    prompt = Message.objects.get(conversation=conversation_of(page), content="and then?")
    assert prompt.parent is not None
    assert prompt.parent.content == "take one"


# --- Small things ---------------------------------------------------------------


def test_code_and_answers_are_copied_as_they_were_written(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    source = "Some **code**:\n\n```python\n\tprint('<b>')\n\n\n```"
    key = upstream.script(wire.answer(source))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_chat(page, site, alice)
    ask(page, key)
    ended(page)
    for _ in range(2):  # after streaming, and as the server renders it
        page.click(".copy-code")
        expect(page.locator(".copy-code")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == "\tprint('<b>')\n\n"
        page.click(".answer [data-copy]")
        expect(page.locator(".answer [data-copy]")).to_have_class(re.compile("is-done"))
        assert page.evaluate("navigator.clipboard.readText()") == source
        page.reload()
        wait_until_live(page)


def test_on_a_phone_the_list_is_a_drawer_and_nothing_is_wider_than_the_screen(
    site: Site, alice: Person, page: Page
) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    open_chat(page, site, alice)
    ask(page, "hello")
    ended(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    expect(page.locator("[data-sidebar]")).to_be_hidden()
    page.click("[data-drawer-open]")
    expect(page.locator("[data-sidebar]")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("[data-sidebar]")).to_be_hidden()
    expect(page.locator("[data-drawer-open]")).to_be_focused()


def test_light_or_dark_is_remembered(site: Site, alice: Person, page: Page) -> None:
    open_chat(page, site, alice)
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("[data-theme-toggle]")
    after = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert after != before
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == after


def test_without_javascript_the_form_leads_to_the_answer(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [
            wire.role(),
            *wire.text("streamed "),
            gate,
            *wire.text("on"),
            wire.finish(),
            wire.usage(),
            wire.DONE,
        ]
    )
    page.route("**/*.js", lambda route: route.abort())
    page.context.add_cookies(alice.cookies(site))
    page.goto(site.url + "/")
    fields = page.locator("[data-composer] [name]").evaluate_all("all => all.map(one => one.name)")
    assert {"csrfmiddlewaretoken", "turn", "parent", "content"} <= set(fields)
    UUID(page.input_value("[name=turn]"))
    page.fill("#content", key)
    page.click("[data-send]", no_wait_after=True)
    expect(page.locator("[aria-label='The answer']")).to_contain_text("streamed")
    gate.open()
    expect(page.locator("[aria-label='The answer']")).to_contain_text("streamed on")
    page.click("text=Go on")
    expect(page.locator("[data-body]")).to_have_text("streamed on")
    assert page.input_value("[name=parent]") == str(
        Message.objects.get(conversation=conversation_of(page), role="assistant").id
    )


EVENT_LINES = [
    ": ping",
    "",
    "event: delta",
    "id: 7",
    'data: {"text":" é👋"}',
    "",
    "data: a",
    "data:  b",
    "data",
    "",
    "event: lost",
    "",
    "data: [DONE]",
    "",
]
# Decodes the lines once for each place where their bytes may be cut; the outcomes that differ.
DECODE_CUT_ANYWHERE = """async ([lines, newline]) => {
    const { EventDecoder } = await import("/static/js/chat/stream/sse.js");
    const text = lines.map((line) => line + newline).join("");
    const bytes = new TextEncoder().encode("\\ufeff" + text);
    const outcomes = new Set();
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const decoder = new EventDecoder();
      const parts = [bytes.slice(0, cut), bytes.slice(cut)];
      const events = parts.flatMap((part) => [...decoder.push(part)]);
      outcomes.add(JSON.stringify(events));
    }
    return [...outcomes].map((outcome) => JSON.parse(outcome));
}"""


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_events_are_decoded_alike_wherever_the_bytes_are_cut(
    site: Site, page: Page, newline: str
) -> None:
    page.goto(site.url + "/accounts/login/")
    decoded = page.evaluate(
        DECODE_CUT_ANYWHERE,
        [EVENT_LINES, newline],
    )
    assert decoded == [
        [
            {"name": "delta", "data": '{"text":" é👋"}', "id": "7"},
            {"name": "message", "data": "a\n b\n", "id": "7"},
            {"name": "message", "data": "[DONE]", "id": "7"},
        ]
    ]
