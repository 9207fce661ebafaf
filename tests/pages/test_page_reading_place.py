"""A reader of an answer that ends keeps the selection, the focus and the place on the page."""

import pytest
from playwright.sync_api import Page, expect

from tests.harness import wire
from tests.harness.chat_page import ask, ended, open_chat
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream

TEXT = """The first paragraph has **bold** words and a [link](https://ok.invalid/) 👋🏽.

- one item
- another `item` here

```python
def spam(eggs):
    return [egg for egg in eggs if egg]
```

| left | right |
|------|-------|
| cell | other |

The last paragraph, 中文**「强调」**文字, goes on."""

# Selects from the first character of one text to the last of another, in document order of their
# first occurrences.
SELECT = """([from, to, backward]) => {
    const nodes = [...document.querySelectorAll("[data-body]")].flatMap((body) => {
        const walker = document.createTreeWalker(body, NodeFilter.SHOW_TEXT);
        return (function* () { while (walker.nextNode()) yield walker.currentNode; })().toArray();
    });
    const all = nodes.map((node) => node.data).join("");
    // A boundary is behind the character before it, or before the one behind it.
    const find = (text, atEnd) => {
        let left = all.indexOf(text) + (atEnd ? text.length : 0);
        for (const node of nodes) {
            if (atEnd ? left <= node.length : left < node.length) return [node, left];
            left -= node.length;
        }
    };
    const [start, end] = [find(from, false), find(to, true)];
    if (backward) getSelection().setBaseAndExtent(...end, ...start);
    else getSelection().setBaseAndExtent(...start, ...end);
}"""
# Without white space: between blocks the streamed and the finished page differ in it.
SELECTED = "() => getSelection().toString().replace(/\\s+/g, '')"
IS_BACKWARD = """() => {
    const { anchorNode, anchorOffset, focusNode, focusOffset } = getSelection();
    const range = new Range();
    range.setStart(anchorNode, anchorOffset);
    return range.comparePoint(focusNode, focusOffset) < 0;
}"""

IS_SAME = """(body, html) => {
    const fresh = body.cloneNode();
    fresh.innerHTML = html;
    return fresh.isEqualNode(body);
}"""


def stream(
    page: Page,
    site: Site,
    person: Person,
    upstream: Upstream,
    gate: wire.Gate,
    text: str = TEXT,
    rest: str = "\n\nThe end.",
) -> None:
    """Asks for an answer; returns when `text` is shown. `rest` comes once the gate is opened."""
    key = upstream.script(
        [
            wire.role(),
            *wire.text(*[text[at : at + 5] for at in range(0, len(text), 5)]),
            gate,
            *wire.text(rest),
            *wire.answer("")[1:],
        ]
    )
    open_chat(page, site, person)
    ask(page, key)
    gate.wait_until_reached()
    page.wait_for_function(
        "(last) => document.querySelector('.answer [data-body]').textContent.includes(last)",
        arg=text[-8:-2],
    )


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("first", "first"),
        ("words", "words and a"),
        ("bold", "bold"),
        ("paragraph has", "another"),
        ("link", "link"),
        ("spam", "spam"),
        ("def spam", "if egg"),
        ("egg for", "left"),
        ("cell", "last"),
        ("first", "last"),
        ("强调", "强调"),
        ("👋🏽", "one"),
    ],
)
def test_what_is_selected_stays_selected(
    site: Site,
    alice: Person,
    page: Page,
    upstream: Upstream,
    gate: wire.Gate,
    start: str,
    end: str,
    backward: bool,
) -> None:
    stream(page, site, alice, upstream, gate)
    page.evaluate(SELECT, [start, end, backward])
    selected = page.evaluate(SELECTED)
    assert selected.startswith(start.replace(" ", ""))
    assert selected.endswith(end.replace(" ", ""))
    gate.open()
    ended(page)
    assert page.evaluate(SELECTED) == selected
    assert page.evaluate(IS_BACKWARD) is backward
    assert is_as_rendered(page)


def is_as_rendered(page: Page) -> bool:
    """Returns whether the last answer has the nodes that the server renders after a reload."""
    another = page.context.new_page()
    another.goto(page.url)
    html = another.locator("[data-body]").last.inner_html()
    another.close()
    return bool(page.locator("[data-body]").last.evaluate(IS_SAME, html))


def test_a_selection_within_one_text_is_not_touched_at_all(
    site: Site, alice: Person, page: Page, upstream: Upstream, gate: wire.Gate
) -> None:
    stream(page, site, alice, upstream, gate)
    page.evaluate(SELECT, [" words and ", " words and ", False])
    page.evaluate("window.node = getSelection().anchorNode")
    gate.open()
    ended(page)
    assert page.evaluate("node.isConnected && getSelection().anchorNode === node")
    assert page.evaluate("getSelection().toString()") == " words and "


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
def test_a_selection_that_began_in_an_earlier_answer_stays(
    site: Site, alice: Person, page: Page, upstream: Upstream, gate: wire.Gate, backward: bool
) -> None:
    earlier = upstream.script(wire.answer("An earlier answer."))
    open_chat(page, site, alice)
    ask(page, earlier)
    ended(page)
    key = upstream.script([wire.role(), *wire.text(TEXT), gate, *wire.answer("")[1:]])
    ask(page, key)
    expect(page.locator("[data-body]").last).to_contain_text("The last")
    page.evaluate(SELECT, ["earlier", "spam(eggs)", backward])
    selected = page.evaluate(SELECTED)
    gate.open()
    ended(page)
    assert page.evaluate(SELECTED) == selected
    assert page.evaluate(IS_BACKWARD) is backward


def test_a_selection_stays_when_stop_is_pressed(
    site: Site, alice: Person, page: Page, upstream: Upstream, gate: wire.Gate
) -> None:
    stream(page, site, alice, upstream, gate)
    page.evaluate(SELECT, ["def spam", "if egg", False])
    selected = page.evaluate(SELECTED)
    page.click("[data-stop]")
    ended(page, "stopped")
    assert page.evaluate(SELECTED) == selected


def test_without_a_selection_there_is_none_afterwards(
    site: Site, alice: Person, page: Page, upstream: Upstream, gate: wire.Gate
) -> None:
    stream(page, site, alice, upstream, gate)
    gate.open()
    ended(page)
    assert page.evaluate("getSelection().isCollapsed")
    expect(page.locator("#content")).to_be_focused()


@pytest.mark.parametrize(
    "selector", [".copy-code", "[data-body] a", "[data-body] pre", "[data-body] .table-scroll"]
)
def test_the_focus_stays_where_it_is(
    site: Site, alice: Person, page: Page, upstream: Upstream, gate: wire.Gate, selector: str
) -> None:
    stream(page, site, alice, upstream, gate)
    page.focus(selector)
    gate.open()
    ended(page)
    expect(page.locator(selector)).to_be_focused()


def test_what_is_looked_at_does_not_move(
    site: Site, alice: Person, page: Page, upstream: Upstream, gate: wire.Gate
) -> None:
    long = (
        "\n\n".join(
            f"Paragraph {number}\n\n```python\nvalue = {number}\n```" for number in range(40)
        )
        + "\n\nand so on"
    )
    stream(page, site, alice, upstream, gate, long)
    # The page has followed the text to its end: a reader goes up from there.
    page.wait_for_function("document.documentElement.scrollHeight - innerHeight - scrollY < 5")
    page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight / 2)")
    middle = (
        "() => [...document.querySelectorAll('[data-body] p')].find((p) =>"
        " p.getBoundingClientRect().top > 100)"
    )
    top = (
        f"() => {{ const p = ({middle})(); return [p.textContent,"
        " Math.round(p.getBoundingClientRect().top)]; }"
    )
    page.wait_for_function("scrollY > 500")
    before = page.evaluate(top)
    gate.open()
    ended(page)
    assert page.evaluate(top) == before


def test_a_scrolled_block_of_code_stays_scrolled(
    site: Site, alice: Person, page: Page, upstream: Upstream, gate: wire.Gate
) -> None:
    stream(
        page,
        site,
        alice,
        upstream,
        gate,
        "```python\nx = '" + "long " * 200 + "'\n```\n\nand so on",
    )
    page.evaluate("document.querySelector('[data-body] pre').scrollLeft = 300")
    gate.open()
    ended(page)
    assert page.evaluate("document.querySelector('[data-body] pre').scrollLeft") == 300


# --- The patch itself -------------------------------------------------------------

TREES = [
    ("", "<p>a</p>"),
    ("<p>a</p>", ""),
    ("<p>a</p><p>b</p>", "<p>b</p>\n<p>c</p>\n"),
    ("<p>a <em>b</em> c</p>", "<p>a **b** c</p>"),
    ("<p>a<br>b</p>", "<p>a<br>\nb</p>"),
    ("<ul><li>a</li><li>b</li></ul>", '<ol start="3">\n<li>b</li>\n<li>a</li>\n</ol>\n'),
    (
        "<pre><code>a b c</code></pre>",
        '<pre tabindex="0"><code><span class="k">a</span> b c</code></pre>',
    ),
    ("x<p>a</p>y", "<p>a</p>"),
    ('<a href="https://a.invalid" class="x">a</a>', '<a title="t">a</a>'),
    ("<p>a</p>" * 200, "\n".join(f"<p>{number}</p>" for number in range(200))),
    ("<p>1</p><p>2</p><p>3</p>", "<p>3</p><p>2</p><p>1</p>"),
]


@pytest.mark.parametrize(("old", "fresh"), TREES)
def test_whatever_there_was_the_tree_is_the_wanted_one_afterwards(
    site: Site, page: Page, old: str, fresh: str
) -> None:
    page.goto(site.url + "/accounts/login/")
    same = page.evaluate(
        """async ([old, fresh]) => {
            const { patchChildren } = await import("/static/js/chat/thread/patch-tree.js");
            const parse = (innerHTML) =>
                Object.assign(document.createElement("div"), { innerHTML });
            const trees = [old, fresh, fresh].map(parse);
            patchChildren(trees[0], trees[1]);
            return trees[0].isEqualNode(trees[2]);
        }""",
        [old, fresh],
    )
    assert same


def test_a_long_answer_is_patched_quickly(site: Site, page: Page) -> None:
    page.goto(site.url + "/accounts/login/")
    took = page.evaluate("""async () => {
            const { patchChildren } = await import("/static/js/chat/thread/patch-tree.js");
            const { keepReadingPlace } = await import("/static/js/chat/thread/reading-place.js");
            const [old, fresh] = [document.createElement("div"), document.createElement("div")];
            document.body.prepend(old);
            for (let at = 0; at < 3000; at += 1) {
                const before = `<p>old ${at} words</p><pre><code>x = ${at}</code></pre>`;
                const code = `<code><i>x</i> = <b>${at}</b></code>`;
                old.insertAdjacentHTML("beforeend", before);
                fresh.insertAdjacentHTML("beforeend", `<p>new ${at} words</p><pre>${code}</pre>`);
            }
            getSelection().selectAllChildren(old);
            window.scrollTo(0, 20_000);
            const start = performance.now();
            const find = keepReadingPlace(old);
            patchChildren(old, fresh);
            find();
            return performance.now() - start;
        }""")
    # Far more, were the text searched anew for each of the 3,000 paragraphs.
    assert took < 20_000
