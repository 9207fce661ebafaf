"""The chat page in a real browser. The `page` fixture fails a test on any uncaught error and on anything the security policy refuses."""

import re
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from chat.models import ChatModel, Conversation, Message, Usage
from tests.harness import wire
from tests.harness.chat_page import ask, conversation_of, ended, last_body, open_chat, wait_until_live
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


def test_the_answer_is_shown_while_it_is_written(site: Site, alice: Person, page: Page, upstream: Upstream) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [wire.role(), *wire.text("**First** part,"), gate, *wire.text(" second part."), wire.finish(), wire.usage(), wire.DONE]
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


def test_a_new_conversation_gets_its_address_its_menu_and_its_place_in_the_list(site: Site, alice: Person, page: Page) -> None:
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
    assert Message.objects.get(conversation=conversation_of(page), role="user").content == "one\ntwo"
    assert page.input_value("#content") == ""


def test_an_empty_prompt_is_not_sent(site: Site, alice: Person, page: Page) -> None:
    open_chat(page, site, alice)
    ask(page, "  \n ")
    expect(page.locator(".message")).to_have_count(0)
    assert not Usage.objects.filter(user=alice.user).exists()


def test_the_model_that_was_picked_answers(site: Site, make_user: "MakeUser", page: Page, upstream: Upstream) -> None:
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


def test_a_draft_belongs_to_its_conversation_and_is_gone_when_it_is_sent(site: Site, alice: Person, page: Page) -> None:
    open_chat(page, site, alice)
    page.fill("#content", "first")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as when one looks at another tab
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


def test_stop_ends_the_answer_and_keeps_its_text(site: Site, alice: Person, page: Page, upstream: Upstream) -> None:
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


def test_stop_before_the_start_is_known_stops_all_the_same(site: Site, alice: Person, page: Page, upstream: Upstream) -> None:
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


def test_a_reload_in_the_middle_goes_on_with_the_answer(site: Site, alice: Person, page: Page, upstream: Upstream) -> None:
    gate = wire.Gate()
    key = upstream.script([wire.role(), *wire.text("before "), gate, *wire.text("after"), wire.finish(), wire.usage(), wire.DONE])
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


def test_a_lost_connection_is_taken_up_where_it_broke(site: Site, alice: Person, page: Page, upstream: Upstream) -> None:
    gate = wire.Gate()
    key = upstream.script([wire.role(), *wire.text("one ", "two "), gate, *wire.text("three"), wire.finish(), wire.usage(), wire.DONE])
    # The first stream breaks after the first text, as a lost network breaks it.
    page.add_init_script("""
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
        };""")
    open_chat(page, site, alice)
    with page.expect_request(re.compile(r"/stream\?after=")):
        ask(page, key)
    gate.open()
    ended(page)
    assert last_body(page) == "one two three"
    assert len(upstream.requests(key)) == 1


def test_an_answer_that_fails_says_so_and_can_be_asked_for_again(site: Site, alice: Person, page: Page, upstream: Upstream) -> None:
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


def test_a_refusal_counts_down_and_keeps_the_prompt(site: Site, make_user: "MakeUser", page: Page) -> None:
    person = with_time_left(make_user, 8, requests="1/12s")
    open_chat(page, site, person)
    ask(page, "first")
    ended(page)
    ask(page, "second, a long thought")
    expect(page.locator("[data-countdown]")).to_have_text(re.compile(r"You can send again in \d+ s\."))
    assert page.input_value("#content") == "second, a long thought"
    expect(page.locator(".message")).to_have_count(2)
    expect(page.locator("[data-send]")).to_be_disabled()
    expect(page.locator("[data-send]")).to_be_enabled(timeout=15_000)
    expect(page.locator("[data-alert]")).to_be_hidden()
    page.locator("#content").press("Enter")
    expect(page.locator(".answer")).to_have_count(2)
    ended(page)


# --- Hostile text ---------------------------------------------------------------

HOSTILE = (
    '<script>window.hacked = 1</script> <img src="http://evil.invalid/a.png" onerror="window.hacked = 2">\n\n'
    "![pixel](http://evil.invalid/b.png?secret=1) [click](javascript:window.hacked=3) [ok](https://ok.invalid/)\n\n"
    '<style>body{display:none}</style>\n\n```html\n<script>window.hacked = 4</script>\n```\n\n"onmouseover="window.hacked=5'
)


def test_hostile_markdown_runs_nothing_and_loads_nothing(site: Site, alice: Person, page: Page, upstream: Upstream) -> None:
    gate = wire.Gate()
    key = upstream.script([wire.role(), *wire.text(*HOSTILE), *wire.text("\n\nthe end"), gate, wire.finish(), wire.usage(), wire.DONE])
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    open_chat(page, site, alice)
    ask(page, f"{key} <img src=http://evil.invalid/prompt.png>")

    def is_harmless() -> None:
        assert page.evaluate("window.hacked") is None
        assert page.locator("[data-thread] img, [data-thread] script, [data-thread] style").count() == 0
        hrefs = page.locator("[data-body] a[href]").evaluate_all("links => links.map(link => link.getAttribute('href'))")
        assert all(href.startswith(("http://", "https://")) for href in hrefs)

    expect(page.locator("[data-body]")).to_contain_text("the end")
    is_harmless()
    gate.open()
    ended(page)
    is_harmless()
    page.reload()
    wait_until_live(page)
    is_harmless()
    assert not [url for url in requested if not url.startswith(site.url)]


def test_text_without_end_of_nesting_does_not_break_the_page(site: Site, alice: Person, page: Page, upstream: Upstream) -> None:
    deep = "".join(f"{'  ' * depth}- level {depth}\n" for depth in range(40)) + "> " * 60 + "bottom"
    key = upstream.script(wire.answer(*[deep[at : at + 7] for at in range(0, len(deep), 7)]))
    open_chat(page, site, alice)
    ask(page, key)
    ended(page)
    assert "level 39" in last_body(page)


# --- Branches -------------------------------------------------------------------


def test_editing_a_prompt_makes_a_branch_and_keeps_the_old_one(site: Site, alice: Person, page: Page, upstream: Upstream) -> None:
    first, second = upstream.script(wire.answer("old answer")), upstream.script(wire.answer("new answer"))
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


def test_asking_again_makes_a_second_answer_beside_the_first(site: Site, alice: Person, page: Page, upstream: Upstream) -> None:
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


def test_a_prompt_follows_the_branch_that_is_shown(site: Site, alice: Person, page: Page, upstream: Upstream) -> None:
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


def test_code_and_answers_are_copied_as_they_were_written(site: Site, alice: Person, page: Page, upstream: Upstream) -> None:
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


def test_on_a_phone_the_list_is_a_drawer_and_nothing_is_wider_than_the_screen(site: Site, alice: Person, page: Page) -> None:
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


def test_without_javascript_the_form_leads_to_the_answer(site: Site, alice: Person, page: Page, upstream: Upstream) -> None:
    gate = wire.Gate()
    key = upstream.script([wire.role(), *wire.text("streamed "), gate, *wire.text("on"), wire.finish(), wire.usage(), wire.DONE])
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
    assert page.input_value("[name=parent]") == str(Message.objects.get(conversation=conversation_of(page), role="assistant").id)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_events_are_decoded_alike_wherever_the_bytes_are_cut(site: Site, page: Page, newline: str) -> None:
    page.goto(site.url + "/accounts/login/")
    lines = [
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
    decoded = page.evaluate(
        """async ([lines, newline]) => {
            const { EventDecoder } = await import("/static/js/chat/stream/sse.js");
            const bytes = new TextEncoder().encode("\\ufeff" + lines.map((line) => line + newline).join(""));
            const outcomes = new Set();
            for (let cut = 0; cut <= bytes.length; cut += 1) {
              const decoder = new EventDecoder();
              const events = [...decoder.push(bytes.slice(0, cut)), ...decoder.push(bytes.slice(cut))];
              outcomes.add(JSON.stringify(events));
            }
            return [...outcomes].map((outcome) => JSON.parse(outcome));
        }""",
        [lines, newline],
    )
    assert decoded == [
        [
            {"name": "delta", "data": '{"text":" é👋"}', "id": "7"},
            {"name": "message", "data": "a\n b\n", "id": "7"},
            {"name": "message", "data": "[DONE]", "id": "7"},
        ]
    ]
