"""An answer that ends looks as it did while it streamed: page and server read the same Markdown."""

import pytest
from playwright.sync_api import Page, expect

from tests.harness import wire
from tests.harness.chat_page import ask, ended, open_chat
from tests.harness.markdown_corpus import DOCUMENTS, WHOLE_ANSWER, commonmark_examples
from tests.harness.markdown_trees import disagreements, longest_task_ms, prepare, tree_of_last
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream


@pytest.fixture
def trees(page: Page, site: Site, alice: Person) -> Page:
    open_chat(page, site, alice)
    prepare(page)
    return page


def stream_until_gate(page: Page, upstream: Upstream, text: str) -> wire.Gate:
    """Ask for `text` and return when the page shows all of it; the gate leads to its end."""
    gate = wire.Gate()
    pieces = [text[start : start + 7] for start in range(0, len(text), 7)]
    end: wire.Script = [
        *wire.text("\n\nThe last words."),
        gate,
        wire.finish(),
        wire.usage(),
        wire.DONE,
    ]
    ask(page, upstream.script([wire.role(), *wire.text(*pieces), *end]))
    expect(page.locator("[data-body]").last).to_contain_text("The last words.")
    return gate


def test_every_beginning_of_an_answer_is_shown_as_the_server_would_render_it(trees: Page) -> None:
    for text in [*DOCUMENTS, WHOLE_ANSWER]:
        step = max(1, len(text) // 200)
        assert disagreements(trees, text, list(range(1, len(text), step))) == []


def test_the_examples_of_commonmark_look_the_same_on_page_and_server(trees: Page) -> None:
    for text in commonmark_examples():
        assert disagreements(trees, text, list(range(1, len(text), 7))) == []


def test_an_answer_of_many_marks_is_formatted_as_far_on_the_page_as_on_the_server(
    trees: Page,
) -> None:
    text = "A **bold** word\n\n" * 10_000
    assert disagreements(trees, text, list(range(5_000, len(text), 5_000))[-4:]) == []


def test_the_end_of_an_answer_changes_nothing_but_formulas_and_the_colours_of_code(
    trees: Page, upstream: Upstream
) -> None:
    gate = stream_until_gate(trees, upstream, WHOLE_ANSWER)
    body = trees.locator("[data-body]").last
    shown = tree_of_last(trees)
    assert body.locator("math").count() == 0
    gate.open()
    ended(trees)
    assert tree_of_last(trees) == shown
    assert body.locator("math").count() > 3
    assert body.locator("pre span").count() > 3
    trees.reload()
    prepare(trees)
    assert tree_of_last(trees) == shown


def test_what_is_selected_and_scrolled_stays_so_when_the_answer_ends(
    trees: Page, upstream: Upstream
) -> None:
    gate = stream_until_gate(trees, upstream, "# Title\n\n- one **two** three\n- four\n\n$x$ text")
    trees.evaluate(
        """() => {
          const item = [...document.querySelectorAll("[data-body] li")].at(-2);
          getSelection().setBaseAndExtent(item.firstChild, 1, item.lastChild, 3);
        }"""
    )
    selected = trees.evaluate("getSelection().toString()")
    assert selected == "ne two th"
    gate.open()
    ended(trees)
    expect(trees.locator("[data-body] math")).to_have_count(1)
    assert trees.evaluate("getSelection().toString()") == selected


def test_a_copied_answer_keeps_the_source_of_its_formulas(trees: Page, upstream: Upstream) -> None:
    gate = stream_until_gate(trees, upstream, "$\\frac{a}{b}$ and [^1]\n\n[^1]: note")
    gate.open()
    ended(trees)
    source = trees.locator("template[data-source]").last
    assert source.evaluate("template => template.content.textContent").startswith("$\\frac{a}{b}$")


LONG = {
    "prose": (WHOLE_ANSWER + "\n\n") * 60,
    "one list": "".join(
        f"- **Item {n}**: some `code`, *words* and text {n} that goes on\n" for n in range(1_000)
    ),
    "one table": "| a | b | c |\n|---|---|---|\n"
    + "".join(f"| cell {n} | **bold** text {n} | `code {n}` |\n" for n in range(2_000)),
    "one block of code": "```py\n"
    + "".join(f"value = call({n}, 'text')  # words\n" for n in range(2_000)),
    "one paragraph": "".join(f"word **bold {n}** and text, " for n in range(3_000)),
}


@pytest.mark.parametrize("kind", LONG)
def test_fifty_thousand_characters_stream_without_holding_up_the_page(
    trees: Page, kind: str
) -> None:
    text = LONG[kind][:50_000]
    # Browsers lay out a table anew for each row.
    limit = 100 if kind == "one table" else 50
    assert min(longest_task_ms(trees, text) for _ in range(2)) <= limit


@pytest.mark.parametrize("piece", ["*a_ ", "[", "[a](b", "`a``b```", "> ", "- ", "\\(", "$a ", "<"])
def test_a_hostile_answer_holds_up_the_page_for_moments_only(trees: Page, piece: str) -> None:
    text = piece * (60_000 // len(piece))
    assert longest_task_ms(trees, text) <= 500
