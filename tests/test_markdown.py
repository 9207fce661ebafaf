"""Markdown of models, and of whoever makes a model say it, becomes HTML that is safe in our page."""

from html.parser import HTMLParser
from time import perf_counter

import pytest

from chat.markdown import MAX_NESTING, render

# The machine may be busy with other tests; what is quadratic takes minutes.
SECONDS_FOR_200_KB = 10
ALLOWED_ATTRIBUTES = {"href", "title", "rel", "target", "class", "tabindex", "type", "start"}


class Elements(HTMLParser):
    """The elements of a piece of HTML, as a browser's parser would see them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_headings_lists_tables_and_strikethrough_are_rendered() -> None:
    html = render("# Title\n\n3. three\n   - nested\n\n| a | b |\n|---|---|\n| 1 | ~~2~~ |\n\nline one\nline two")
    for piece in ("<h1>Title</h1>", '<ol start="3">', "<li>nested</li>", "<td>1</td>", "<s>2</s>", "line one<br>\nline two"):
        assert piece in html


def test_code_is_coloured_by_classes_under_its_language() -> None:
    html = render('```python title="x"\nprint("<b>")\n```')
    assert '<span class="code-language">python</span>' in html
    assert '<span class="nb">print</span>' in html
    assert "&lt;b&gt;" in html
    assert "style=" not in html


@pytest.mark.parametrize("language", ["python", "java", "c#", "JavaScript", "", "no-such-language", "html"])
def test_the_text_of_code_stays_exactly_as_it_was(language: str) -> None:
    code = '\n\n  <a href="x">&amp;</a>\n\tif (a && b) { return "é\u2028"; }  \n\n'
    shown = Elements(render(f"```{language}\n{code}```"))
    assert code in shown.text


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
    forbidden = {"script", "img", "svg", "iframe", "style", "link", "form", "object", "math", "base", "input", "video"}
    assert not forbidden & {tag for tag, _ in found}
    for tag, attributes in found:
        assert attributes.keys() <= ALLOWED_ATTRIBUTES, (tag, attributes)
        assert str(attributes.get("href") or "https://").startswith(("https://", "http://", "mailto:")), attributes


def test_an_image_becomes_a_link_and_loads_nothing() -> None:
    found = Elements(render("![a chart](https://evil.example/x.png?secret=1)"))
    assert not found.named("img")
    (link,) = found.named("a")
    assert link["href"] == "https://evil.example/x.png?secret=1"
    assert "a chart" in found.text


def test_links_open_elsewhere_and_tell_nothing_about_us() -> None:
    for text in ("[x](https://a.example)", "<https://a.example>", "see https://a.example."):
        (link,) = Elements(render(text)).named("a")
        assert link == {"href": "https://a.example", "target": "_blank", "rel": "noopener noreferrer nofollow"}


@pytest.mark.parametrize(
    ("text", "href"),
    [
        ("(see https://a.example/b)", "https://a.example/b"),
        ("https://a.example/b_(c)", "https://a.example/b_(c)"),
        ("https://a.example/?a=1&b=2, and", "https://a.example/?a=1&b=2"),
        ("**https://a.example**", "https://a.example"),
    ],
)
def test_a_bare_address_ends_where_the_sentence_goes_on(text: str, href: str) -> None:
    (link,) = Elements(render(text)).named("a")
    assert link["href"] == href


def test_an_address_in_code_or_in_a_link_stays_as_it_is() -> None:
    assert "<a" not in render("`https://a.example`")
    assert len(Elements(render("[https://b.example](https://a.example)")).named("a")) == 1


@pytest.mark.parametrize("mark", ["> ", "- "])
def test_nothing_that_is_nested_too_deep_is_lost(mark: str) -> None:
    quotes = mark * (MAX_NESTING * 2) + "at the bottom"
    lists = "".join(f"{'  ' * depth}- level {depth}\n" for depth in range(MAX_NESTING * 2))
    assert "at the bottom" in render(quotes)
    assert f"level {MAX_NESTING * 2 - 1}" in render(lists)


@pytest.mark.parametrize(
    "piece",
    [
        "[",
        "![",
        "[](",
        "*",
        "*a_",
        "a*b_",
        "`",
        "`a``b```",
        "_",
        "~",
        "<",
        "&",
        "\\",
        "> ",
        "- ",
        "* a\n",
        "|",
        "a|b\n-|-\n",
        "[a]: b\n",
        "http://",
    ],
)
def test_two_hundred_kilobytes_of_one_mark_are_rendered_in_time(piece: str) -> None:
    begin = perf_counter()
    render(piece * (200_000 // len(piece)))
    assert perf_counter() - begin < SECONDS_FOR_200_KB


@pytest.mark.parametrize("piece", ["![", "- a\n", "word word\n", "```py\nx = 1\n```\n", "a "])
def test_four_megabytes_of_anything_are_shown_in_time_and_whole(piece: str) -> None:
    text = piece * (4_000_000 // len(piece))
    begin = perf_counter()
    shown = render(text)
    assert perf_counter() - begin < SECONDS_FOR_200_KB
    assert shown == f"<pre><code>{text}</code></pre>"


def test_a_long_answer_is_rendered_all_the_same() -> None:
    chapter = "## A heading\n\nSome *words* of prose, as a long answer has them, one sentence after the other.\n\n"
    assert render(chapter * 2_000).count("<em>words</em>") == 2_000


@pytest.mark.parametrize("language", ["c", "java", "csharp", "makefile", "diff", "markdown"])
@pytest.mark.parametrize("piece", ["/", "\n", "a ", "a\n", "(", "-"])
def test_hostile_code_is_coloured_in_time_or_not_at_all(language: str, piece: str) -> None:
    begin = perf_counter()
    render(f"```{language}\n" + piece * (40_000 // len(piece)))
    assert perf_counter() - begin < SECONDS_FOR_200_KB
