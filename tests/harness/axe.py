"""axe-core in a page: what breaks WCAG 2.2 A and AA, or the best practice of its makers."""

from functools import cache
from importlib.resources import files
from typing import Any

from playwright.sync_api import Page

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]
# What depends on the theme alone: the second theme of a width need not be asked for the rest.
COLOUR_RULES = ["color-contrast", "link-in-text-block"]
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

# A change of theme fades in; colours are measured as they are at its end.
_RUN = """async (options) => {
    for (const each of document.getAnimations()) if (each instanceof CSSTransition) each.finish();
    const { violations } = await axe.run(document, { resultTypes: ["violations"], ...options });
    const why = (node) => node.failureSummary.split("\\n").slice(1).join(" ").trim();
    return violations.flatMap(({ id, nodes }) => nodes.map((node) =>
        `${id}: ${node.html.slice(0, 160)} (${node.target.join(" ")}): ${why(node)}`));
}"""


@cache
def _source() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def violations(page: Page, *, colours_only: bool = False) -> list[str]:
    """One line for each element at fault, as the page stands: its width and theme too."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(_source())
    chosen: dict[str, Any] = (
        {"type": "rule", "values": COLOUR_RULES}
        if colours_only
        else {"type": "tag", "values": TAGS}
    )
    found: list[str] = page.evaluate(_RUN, {"runOnly": chosen})
    return found


def violations_everywhere(page: Page) -> list[str]:
    """The same in both themes, wide and on a phone, each line with where it was seen."""
    found = []
    for size, scheme, colours_only in (
        (WIDE, "light", False),
        (WIDE, "dark", True),
        (PHONE, "dark", False),
        (PHONE, "light", True),
    ):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found += [
            f"{size['width']} {scheme}: {line}"
            for line in violations(page, colours_only=colours_only)
        ]
    return found
