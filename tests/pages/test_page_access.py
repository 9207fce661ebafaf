"""The chat page by keyboard and by ear, and with content that fits no design."""

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from chat.conversations.reading import SIDEBAR_LIMIT
from chat.models import ChatModel, Conversation, Message
from tests.harness import wire
from tests.harness.chat_page import ask, conversation_of, ended, open_chat
from tests.harness.page_faults import FAULTS
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser


def focused(page: Page) -> str:
    return str(
        page.evaluate("document.activeElement.id || document.activeElement.outerHTML.slice(0, 80)")
    )


def test_everything_has_a_name_and_headings_are_in_order(
    site: Site, alice: Person, page: Page
) -> None:
    open_chat(page, site, alice)
    assert page.evaluate(FAULTS) == []
    ask(page, "hello")
    ended(page)
    page.click("[data-menu] > summary")
    page.click(".user-menu > summary")
    assert page.evaluate(FAULTS) == []
    page.reload()
    page.set_viewport_size({"width": 390, "height": 844})
    page.click("[data-drawer-open]")
    assert page.evaluate(FAULTS) == []


@pytest.mark.parametrize("by_key", [True, False], ids=["Enter", "mouse"])
def test_focus_comes_back_to_the_prompt_after_sending_and_stopping(
    site: Site, alice: Person, page: Page, upstream: Upstream, by_key: bool
) -> None:
    key = upstream.script([wire.role(), *wire.text("so far"), wire.Stall()])
    open_chat(page, site, alice)
    page.fill("#content", key)
    if by_key:
        page.keyboard.press("Enter")
    else:
        page.click("[data-send]")
    expect(page.locator("[data-body]")).to_have_text("so far")
    assert focused(page) == "content"
    page.locator("[data-stop]").focus()
    page.keyboard.press("Enter")
    ended(page, "stopped")
    assert focused(page) == "content"
    page.locator("[data-regenerate]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-stop]")).to_be_visible()
    assert focused(page) == "content"
    page.click("[data-stop]")
    ended(page, "stopped")


def test_escape_closes_the_innermost_and_gives_the_focus_back(
    site: Site, alice: Person, page: Page
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_chat(page, site, alice)
    page.click("[data-drawer-open]")
    page.click(".user-menu > summary")
    page.keyboard.press("Escape")
    expect(page.locator(".user-menu ul")).to_be_hidden()
    expect(page.locator("[data-sidebar]")).to_be_visible()
    expect(page.locator(".user-menu > summary")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("[data-sidebar]")).to_be_hidden()
    expect(page.locator("[data-drawer-open]")).to_be_focused()


def test_tab_goes_from_the_prompt_to_send_and_the_skip_link_past_the_list(
    site: Site, make_user: "MakeUser", page: Page
) -> None:
    # With one model there is none to choose between the prompt and Send.
    alice = make_user(models=[ChatModel.objects.get(is_default=True)])
    open_chat(page, site, alice)
    ask(page, "hello")
    ended(page)
    page.reload()
    page.locator("html[data-ready]").wait_for()
    assert focused(page) == "content"
    page.locator("[name=content]").last.press("Tab")
    expect(page.locator("[data-send]")).to_be_focused()
    page.locator(".skip-link").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.message') !== null")


def test_a_model_that_is_silent_at_first_is_seen_and_heard_to_be_waited_for(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script([wire.role(), gate, *wire.answer("At last.")[1:]])
    open_chat(page, site, alice)
    ask(page, key)
    expect(page.locator("[data-progress]")).to_have_text("Waiting for the model…")
    expect(page.locator("[data-announcer]")).to_have_text("Waiting for the model…")
    gate.open()
    ended(page)
    expect(page.locator("[data-progress]")).to_have_text("")


def test_whole_sentences_are_announced_and_nothing_twice(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [
            wire.role(),
            *wire.text("One is said. ", "Two is ha"),
            gate,
            *wire.text("lf said."),
            *wire.answer()[1:],
        ]
    )
    open_chat(page, site, alice)
    ask(page, key)
    heard = page.locator("[data-announcer]")
    expect(heard).to_have_text("One is said.")
    gate.open()
    ended(page)
    expect(heard.locator("p")).to_have_text(["One is said. ", "Two is half said."])
    live = page.locator("[aria-live], [role=status], [role=alert]")
    assert (
        live.evaluate_all("all => all.filter((one) => one.textContent.includes('Two is')).length")
        == 1
    )


# --- Fingers, small screens, paper ------------------------------------------------

# Of a phone's 390 px; links in running text may be as high as its lines.
SMALL_TARGETS = """() => [...document.querySelectorAll(
        "button, summary, select, textarea, input:not([type=hidden]), a[href]")]
    .filter((element) => !element.matches("p a, h2 a, .prose a"))
    .filter((element) => element.checkVisibility({ visibilityProperty: true }))
    .filter((element) => !element.closest(".skip-link"))
    .map((element) => [element.getBoundingClientRect(), element.outerHTML.slice(0, 100)])
    .filter(([box]) => box.width < 44 || box.height < 44)
    .map(([box, html]) => `${box.width} x ${box.height}: ${html}`)"""


def test_what_is_pressed_is_large_enough_for_a_finger(
    site: Site, alice: Person, page: Page
) -> None:
    conversation = conversation_with(
        alice, "Fingers", "q", "one", "```python\n1\n```", status="stopped"
    )
    page.set_viewport_size({"width": 390, "height": 844})
    for path in ("/usage/", "/search/?q=one", "/accounts/password/"):
        page.context.add_cookies(alice.cookies(site))
        page.goto(site.url + path)
        assert page.evaluate(SMALL_TARGETS) == [], path
    open_chat(page, site, alice, f"/c/{conversation.id}/")
    page.click("[data-menu] > summary")
    page.click(".menu-delete > summary")
    assert page.evaluate(SMALL_TARGETS) == []
    page.keyboard.press("Escape")
    page.click("[data-edit]")
    assert page.evaluate(SMALL_TARGETS) == []
    page.click("[data-drawer-open]")
    page.click(".user-menu > summary")
    assert page.evaluate(SMALL_TARGETS) == []


def test_a_short_screen_is_left_to_the_text(site: Site, alice: Person, page: Page) -> None:
    conversation = conversation_with(alice, "Short", "q", "line\n\n" * 40)
    # A phone on its side; and what 400 % leaves of a screen of 1280 by 1024.
    for width, height in ((844, 390), (320, 256)):
        page.set_viewport_size({"width": width, "height": height})
        open_chat(page, site, alice, f"/c/{conversation.id}/")
        page.evaluate("scrollTo(0, 400)")
        covered = page.evaluate(
            "innerHeight - document.querySelector('[data-composer]').getBoundingClientRect().top"
        )
        assert (
            page.evaluate(
                "document.querySelector('.conversation-header').getBoundingClientRect().bottom"
            )
            <= 0
        )
        assert covered < height / 2, f"{covered} of {height}"


def test_paper_has_what_was_said_and_nothing_to_press(
    site: Site, alice: Person, page: Page
) -> None:
    conversation = conversation_with(
        alice, "Paper", "q", "```python\n" + "print('wide') + " * 40 + "1\n```"
    )
    open_chat(page, site, alice, f"/c/{conversation.id}/")
    page.click("[data-theme-toggle]")  # dark
    page.emulate_media(media="print", color_scheme="light")
    assert (
        page.evaluate(
            "[...document.querySelectorAll('button, summary, textarea')].filter((each) =>"
            " each.checkVisibility()).length"
        )
        == 0
    )
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("[data-body] pre").evaluate("pre => pre.scrollWidth <= pre.clientWidth")


# --- Content that fits no design --------------------------------------------------

WIDE = (
    "| a | "
    + " | ".join(f"column number {n}" for n in range(12))
    + " |\n"
    + "|---" * 13
    + "|\n"
    + "| x " * 13
    + "|\n\n```python\n"
    + "print('wide') + " * 40
    + "1\n```\n\n"
    + "W" * 400
    + "\n\nhttps://example.org/"
    + "path" * 90
    + "\n\n`"
    + "c" * 300
    + "`\n\nهذا نص عربي مع English في الوسط.\n\n"
    + "これは長い文章です。" * 40
)


def conversation_with(
    person: Person, title: str, prompt: str, *answers: str, **fields: Any
) -> Conversation:
    conversation = Conversation.objects.create(user=person.user, title=title)
    asked = Message.objects.create(conversation=conversation, role="user", content=prompt)
    for answer in answers:
        Message.objects.create(
            conversation=conversation,
            parent=asked,
            role="assistant",
            content=answer,
            model="gpt-4o-mini",
            **fields,
        )
    return conversation


@pytest.mark.parametrize("width", [320, 390, 1440])
def test_nothing_makes_the_page_wider_than_the_screen(
    site: Site, alice: Person, page: Page, width: int
) -> None:
    for number in range(30):
        conversation_with(alice, f"{number} " + "long title " * 15, "q", "a")
    conversation = conversation_with(alice, "T" * 200, "W" * 500, *[WIDE] * 12)
    page.set_viewport_size({"width": width, "height": 844})
    open_chat(page, site, alice, f"/c/{conversation.id}/")
    expect(page.locator(".answer span[data-place]")).to_have_text("12/12")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.click("[data-menu] > summary")
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_wide_answer_is_no_wider_while_it_is_written(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script([wire.role(), *wire.text(WIDE), gate, *wire.answer()[1:]])
    page.set_viewport_size({"width": 390, "height": 844})
    open_chat(page, site, alice)
    ask(page, key)
    expect(page.locator("[data-body]")).to_contain_text("これは")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    gate.open()
    ended(page)


def test_each_paragraph_has_its_own_direction_and_code_is_never_mirrored(
    site: Site, alice: Person, page: Page
) -> None:
    conversation = conversation_with(
        alice, "محادثة", "سؤال", "جواب طويل\n\nEnglish.\n\n```js\nlet x = 1;\n```"
    )
    open_chat(page, site, alice, f"/c/{conversation.id}/")
    side = """element => {
        const range = document.createRange();
        range.selectNodeContents(element);
        const [text, box] = [range.getBoundingClientRect(), element.getBoundingClientRect()];
        return text.left - box.left > box.right - text.right ? "right" : "left";
    }"""
    paragraphs = page.locator("[data-body] > p")
    assert [paragraphs.nth(place).evaluate(side) for place in (0, 1)] == ["right", "left"]
    assert (
        page.locator("[data-body] pre").evaluate("element => getComputedStyle(element).direction")
        == "ltr"
    )


def test_a_conversation_without_a_title_can_be_found_and_named(
    site: Site, alice: Person, page: Page
) -> None:
    conversation = conversation_with(alice, "", "q", "a")
    open_chat(page, site, alice, f"/c/{conversation.id}/")
    expect(page.locator("[data-conversations] a")).to_have_text("Untitled")
    expect(page.locator("[data-title]")).to_have_text("Untitled")
    ask(page, "more")
    expect(page.locator(".answer")).to_have_count(2)
    ended(page)
    expect(page.locator("[data-conversations] a")).to_have_text("Untitled")
    assert conversation_of(page).title == ""


def test_who_has_more_conversations_than_the_list_is_told_where_they_are(
    site: Site, alice: Person, page: Page
) -> None:
    Conversation.objects.bulk_create(
        Conversation(user=alice.user, title=f"number {number}") for number in range(SIDEBAR_LIMIT)
    )
    open_chat(page, site, alice)
    expect(page.locator("[data-conversations] > li")).to_have_count(SIDEBAR_LIMIT)
    expect(page.locator(".sidebar-older")).to_have_count(0)
    Conversation.objects.create(user=alice.user, title="one more")
    page.reload()
    expect(page.locator("[data-conversations] > li")).to_have_count(SIDEBAR_LIMIT)
    expect(page.locator(".sidebar-older a")).to_have_attribute("href", "/search/")
