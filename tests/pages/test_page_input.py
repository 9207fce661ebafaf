"""What people type: half an emoji, and text composed with an input method."""

import pytest
from playwright.sync_api import Page, expect

from chat.models import Message
from tests.harness.chat_page import ask, conversation_of, ended, open_chat, wait_until_live
from tests.harness.people import Person
from tests.harness.site import Site

# --- Half an emoji --------------------------------------------------------------------

HALVES = {
    "the first half": ("a \\ud83d", "a �"),
    "the second half": ("\\udc4b b", "� b"),
    "between letters": ("x\\ud83dy", "x�y"),
    "the wrong way round": ("\\udc4b\\ud83d", "��"),
    "a whole one beside it": ("\\ud83d\\ud83d\\udc4b", "�👋"),
}


def put(page: Page, selector: str, text: str) -> None:
    """Fills the field with a text that is given in JavaScript's escapes."""
    page.locator(selector).evaluate(
        f'box => {{ box.value = "{text}"; box.dispatchEvent(new InputEvent("input", {{bubbles:'
        " true})); }"
    )
    page.focus(selector)


def prompts(page: Page) -> list[str]:
    messages = Message.objects.filter(conversation=conversation_of(page), role="user")
    return list(messages.order_by("created").values_list("content", flat=True))


@pytest.mark.parametrize("kind", HALVES)
def test_half_an_emoji_is_sent_and_shown_as_the_replacement_character(
    site: Site, alice: Person, page: Page, kind: str
) -> None:
    typed, sent = HALVES[kind]
    open_chat(page, site, alice)
    put(page, "#content", typed)
    page.keyboard.press("Enter")
    ended(page)
    assert prompts(page) == [sent]
    assert page.locator(".prompt [data-text]").evaluate("element => element.textContent") == sent
    expect(page.locator("[data-alert]")).to_be_hidden()


def test_half_an_emoji_in_an_edit_a_name_and_a_draft(site: Site, alice: Person, page: Page) -> None:
    open_chat(page, site, alice)
    ask(page, "hello")
    ended(page)
    page.hover(".prompt")
    page.click("[data-edit]")
    put(page, "[data-edit-form] textarea", "edited \\ud83d")
    page.keyboard.press("Enter")
    expect(page.locator(".prompt [data-text]")).to_have_text("edited �")
    ended(page)
    assert prompts(page) == ["hello", "edited �"]
    page.click("[data-menu] > summary")
    put(page, "#conversation-name", "name \\udc4b")
    page.keyboard.press("Enter")
    expect(page.locator("[data-title]")).to_have_text("name �")
    assert conversation_of(page).title == "name �"
    put(page, "#content", "draft \\ud83d")
    page.reload()
    wait_until_live(page)
    # What the browser itself puts back is as it was typed.
    assert page.input_value("#content") in ("draft �", "draft \ud83d")
    assert page.evaluate("Object.values(sessionStorage)") == ["draft �"]


# --- Input methods --------------------------------------------------------------------

COMPOSING = {
    "composing": "{ isComposing: true, keyCode: 27 }",
    "as Safari says it": "{ isComposing: false, keyCode: 229 }",
    "as Chrome says it": "{ isComposing: true, keyCode: 229 }",
}


def press_composing(page: Page, key: str, kind: str) -> bool:
    """Presses a key of a composition; returns whether the browser may act on it by itself."""
    return bool(
        page.evaluate(
            f"""key => {{
                const kind = {{ key, bubbles: true, cancelable: true, ...{COMPOSING[kind]} }};
                return document.activeElement.dispatchEvent(new KeyboardEvent("keydown", kind));
            }}""",
            key,
        )
    )


@pytest.mark.parametrize("kind", COMPOSING)
def test_enter_and_escape_of_a_composition_mean_nothing_to_the_prompt_and_its_editor(
    site: Site, alice: Person, page: Page, kind: str
) -> None:
    open_chat(page, site, alice)
    ask(page, "hello")
    ended(page)
    page.fill("#content", "にほん")
    for key in ("Enter", "Escape"):
        assert press_composing(page, key, kind)
    assert page.input_value("#content") == "にほん"
    page.hover(".prompt")
    page.click("[data-edit]")
    page.fill("[data-edit-form] textarea", "にほんご")
    for key in ("Enter", "Escape"):
        assert press_composing(page, key, kind)
    assert page.input_value("[data-edit-form] textarea") == "にほんご"
    page.keyboard.press("Escape")
    expect(page.locator("[data-edit-form]")).to_have_count(0)
    assert prompts(page) == ["hello"]


@pytest.mark.parametrize("kind", COMPOSING)
def test_escape_of_a_composition_closes_neither_menu_nor_drawer(
    site: Site, alice: Person, page: Page, kind: str
) -> None:
    open_chat(page, site, alice)
    ask(page, "hello")
    ended(page)
    page.click("[data-menu] > summary")
    page.fill("#conversation-name", "なまえ")
    for key in ("Enter", "Escape"):
        press_composing(page, key, kind)
    expect(page.locator("#conversation-name")).to_be_visible()
    assert conversation_of(page).title == "hello"
    page.keyboard.press("Escape")
    expect(page.locator("#conversation-name")).to_be_hidden()
    page.set_viewport_size({"width": 390, "height": 844})
    page.click("[data-drawer-open]")
    page.fill("#sidebar-query", "さがす")
    press_composing(page, "Escape", kind)
    expect(page.locator("[data-sidebar]")).to_be_visible()
    assert page.input_value("#sidebar-query") == "さがす"
    page.focus("[data-sidebar] a")
    page.keyboard.press("Escape")
    expect(page.locator("[data-sidebar]")).to_be_hidden()
