"""Markdown that wants to run, load or tell something becomes HTML that is safe in a page."""

import pytest

from chat.markdown import render
from tests.harness.html_elements import Elements

ALLOWED_ATTRIBUTES = {"href", "title", "rel", "target", "class", "tabindex", "type", "start"}


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        '<a href="javascript:alert(1)">x</a>',
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](\tjava\nscript:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](vbscript:x)",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](/accounts/logout/)",
        "[x](//evil.example)",
        "<javascript:alert(1)>",
        '[x](https://a.example "\\" onmouseover=alert(1) ")',
        '![x" onerror="alert(1)](https://a.example/x.png)',
        "![x](data:image/svg+xml;base64,PHN2Zz4=)",
        "[x][r]\n\n[r]: javascript:alert(1)",
        '```"><script>alert(1)</script>\ncode\n```',
        "```x onclick=alert(1)\ncode\n```",
        "| <script> | b |\n|---|---|\n| <iframe src=x> | [x](javascript:1) |",
        "https://a.example/\"onmouseover='alert(1)'",
        "<style>*{display:none}</style><link rel=stylesheet href=//evil.example>",
        "<form action=//evil.example><button formaction=javascript:alert(1)>",
        "<!--><script>alert(1)</script>-->",
        "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
        "> " * 200 + "<script>alert(1)</script>",
    ],
)
def test_hostile_text_is_shown_and_not_obeyed(hostile: str) -> None:
    found = Elements(render(hostile)).found
    forbidden = {
        "script",
        "img",
        "svg",
        "iframe",
        "style",
        "link",
        "form",
        "object",
        "math",
        "base",
        "input",
        "video",
    }
    assert not forbidden & {tag for tag, _ in found}
    for tag, attributes in found:
        assert attributes.keys() <= ALLOWED_ATTRIBUTES, (tag, attributes)
        assert str(attributes.get("href") or "https://").startswith(
            ("https://", "http://", "mailto:")
        ), attributes


@pytest.mark.parametrize(
    "hostile",
    [
        r"$\href{javascript:alert(1)}{x}$",
        r"$\url{javascript:alert(1)}$",
        r"$$\style{position:fixed;inset:0}{x}$$",
        r"$\class{composer}{x}$",
        r"$\text{<img src=x onerror=alert(1)>}$",
        r"\(\text{<annotation-xml encoding='text/html'><script>alert(1)</script>}\)",
        r"\[ <maction actiontype='statusline#x'>y^2</maction> \]",
        r"$\color{red;background:url(//evil.example)}{x}$",
        r"$\rule{900em}{900em}$",
        r"$\hspace{-900em}x$",
        r"$\newcommand{\a}{\b\b}\a$",
        r"$\def\a{\a\a}\a$",
        r"$\html{<script>}$",
        '$x" onmouseover="alert(1)$',
        '[^"><script>alert(1)</script>]\n\n[^"><script>alert(1)</script>]: x',
        "- [x] <script>alert(1)</script>",
    ],
)
def test_a_formula_or_a_note_carries_nothing_but_itself(hostile: str) -> None:
    for tag, attributes in Elements(render(hostile)).found:
        assert tag not in {
            "script",
            "img",
            "annotation-xml",
            "annotation",
            "maction",
            "semantics",
            "iframe",
        }
        forbidden = {
            "href",
            "style",
            "actiontype",
            "encoding",
            "id",
            "xlink:href",
            "onmouseover",
            "onerror",
        }
        assert not attributes.keys() & (forbidden if tag != "a" else {"style"}), (tag, attributes)
        assert "900" not in str(attributes.get("width"))
        assert not tag.startswith("m") or "class" not in attributes


def test_an_image_becomes_a_link_and_loads_nothing() -> None:
    found = Elements(render("![a chart](https://evil.example/x.png?secret=1)"))
    assert not found.named("img")
    (link,) = found.named("a")
    assert link["href"] == "https://evil.example/x.png?secret=1"
    assert "a chart" in found.text


def test_links_open_elsewhere_and_tell_nothing_about_us() -> None:
    for text in ("[x](https://a.example)", "<https://a.example>", "see https://a.example."):
        (link,) = Elements(render(text)).named("a")
        assert link == {
            "href": "https://a.example",
            "target": "_blank",
            "rel": "noopener noreferrer nofollow",
        }
