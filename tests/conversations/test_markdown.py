"""Markdown of models, and of whoever makes a model say it, becomes HTML that is safe in our page."""

from html.parser import HTMLParser
from time import process_time

import pytest

from chat.markdown import MAX_NESTING, render

# Of the processor: what other tests do meanwhile does not count. What is quadratic takes minutes.
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


def test_badge_that_is_a_link_is_one_link() -> None:
    page = Elements(
        render(
            "[![build *ok*](https://i.example/c.svg)](https://l.example)"
            " ![x](https://i.example/x.png)"
        )
    )
    assert [link["href"] for link in page.named("a")] == [
        "https://l.example",
        "https://i.example/x.png",
    ]
    assert page.text.strip() == "build ok x"


def test_headings_lists_tables_and_strikethrough_are_rendered() -> None:
    html = render(
        "# Title\n\n3. three\n   - nested\n\n| a | b |\n|---|---|\n| 1 | ~~2~~ |\n\nline"
        " one\nline two"
    )
    for piece in (
        "<h1>Title</h1>",
        '<ol start="3">',
        "<li>nested</li>",
        "<td>1</td>",
        "<s>2</s>",
        "line one<br>\nline two",
    ):
        assert piece in html


def test_code_is_coloured_by_classes_under_its_language() -> None:
    html = render('```python title="x"\nprint("<b>")\n```')
    assert '<span class="code-language">python</span>' in html
    assert '<span class="nb">print</span>' in html
    assert "&lt;b&gt;" in html
    assert "style=" not in html


@pytest.mark.parametrize(
    "language", ["python", "java", "c#", "JavaScript", "", "no-such-language", "html"]
)
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
    begin = process_time()
    render(piece * (200_000 // len(piece)))
    assert process_time() - begin < SECONDS_FOR_200_KB


@pytest.mark.parametrize("piece", ["![", "- a\n", "word word\n", "```py\nx = 1\n```\n", "a "])
def test_four_megabytes_of_anything_are_shown_in_time_and_whole(piece: str) -> None:
    text = piece * (4_000_000 // len(piece))
    begin = process_time()
    shown = render(text)
    assert process_time() - begin < SECONDS_FOR_200_KB
    assert shown.endswith(f"{text[-400_000:]}</code></pre>")
    assert (
        shown.count(piece.strip()) >= len(text) // len(piece) - 50_000
    )  # the formatted ones lose marks


def test_a_long_answer_is_rendered_all_the_same() -> None:
    chapter = (
        "## A heading\n\nSome *words* of prose, as a long answer has them, one sentence after the"
        " other.\n\n"
    )
    assert render(chapter * 2_000).count("<em>words</em>") == 2_000


@pytest.mark.parametrize("language", ["c", "java", "csharp", "makefile", "diff", "markdown"])
@pytest.mark.parametrize("piece", ["/", "\n", "a ", "a\n", "(", "-"])
def test_hostile_code_is_coloured_in_time_or_not_at_all(language: str, piece: str) -> None:
    begin = process_time()
    render(f"```{language}\n" + piece * (40_000 // len(piece)))
    assert process_time() - begin < SECONDS_FOR_200_KB


# --- What models write besides CommonMark -----------------------------------------


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("**注意：**正文", "<strong>注意：</strong>正文"),
        ("**「A」**なので**「B」**", "<strong>「A」</strong>なので<strong>「B」</strong>"),
        ("**테스트(test)**입니다", "<strong>테스트(test)</strong>입니다"),
        ("请看*（斜体）*和~~（删除）~~字", "请看<em>（斜体）</em>和<s>（删除）</s>字"),
        ("**重点：**$x$", "<strong>重点：</strong>"),
        ("约~100元~200元", "约~100元~200元"),
        ("~5 to ~6", "~5 to ~6"),
        ("a_b_c 2*3*4", "a_b_c 2<em>3</em>4"),
        ("变量_名_字", "变量_名_字"),
        ("| a |\n|---|\n| 1<br>2<br/>3 |", "<td>1<br>\n2<br>\n3</td>"),
        ("one<br>two", "one&lt;br&gt;two"),
        ("| a | b |\n|:-:|--:|\n| 1 | 2 |", '<td class="align-center">1</td>'),
        ("| a | b |\n|:-:|--:|\n| 1 | 2 |", '<td class="align-right">2</td>'),
        (
            "- [ ] open",
            (
                '<li class="task"><span class="task-box" role="img" aria-label="To do">☐</span>'
                " open</li>"
            ),
        ),
        ("1. [X] done", '<span class="task-box" role="img" aria-label="Done">☑</span> done'),
        ("- [ ]", "<li>[ ]</li>"),
        ("a [ ] b", "a [ ] b"),
        ("\u3000\u3000缩进", "<p>\u3000\u3000缩进</p>"),
    ],
)
def test_text_means_what_its_writer_meant(text: str, piece: str) -> None:
    assert piece in render(text)


def test_a_note_stays_where_it_was_written_and_needs_no_id() -> None:
    html = render(
        "Used[^1], undefined[^9].\n\n[^1]: First *note*.\n\n    Its second paragraph.\n\n[^7]:"
        " Unused."
    )
    assert '<sup class="footnote-mark">[1]</sup>, undefined[^9].' in html
    assert (
        '<span class="footnote-label">[1]</span><div>\n<p>First <em>note</em>.</p>\n<p>Its second'
        " paragraph.</p>" in html
    )
    assert "<p>Unused.</p>" in html
    assert " id=" not in html


def test_a_definition_disappears_only_where_something_refers_to_it() -> None:
    text = "[used] is a link.\n\n[used]: https://u.example/\n[unused]: https://n.example/ 'Title'"
    html = render(text)
    assert [link["href"] for link in Elements(html).named("a")] == [
        "https://u.example/",
        "https://n.example/",
    ]
    assert "[used]:" not in html
    assert "[unused]: " in html
    assert "'Title'" in html


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("请看https://example.com/a。谢谢", ["https://example.com/a"]),
        (
            "（https://example.com）「https://e.com/b」【https://f.com】",
            ["https://example.com", "https://e.com/b", "https://f.com"],
        ),
        ("访问https://example.com谢谢", ["https://example.com"]),
        (
            "https://example.com는 ดูhttps://thai.example/xครับ",
            ["https://example.com", "https://thai.example/x"],
        ),
        ("(https://en.wikipedia.org/wiki/A_(b))", ["https://en.wikipedia.org/wiki/A_(b)"]),
        ("[https://a.example] {https://b.example}", ["https://a.example", "https://b.example"]),
        (
            "**https://a.example**：字 ~~https://b.example~~",
            ["https://a.example", "https://b.example"],
        ),
        ("https://a.example/_x_/b*c*d", ["https://a.example/_x_/b*c*d"]),
        ("https://de.example/wiki/Zürich, danke", ["https://de.example/wiki/Z%C3%BCrich"]),
        (
            "“https://a.example” ‘https://b.example’ …https://c.example…",
            ["https://a.example", "https://b.example", "https://c.example"],
        ),
        ("http://[::1]:8000/x", ["http://[::1]:8000/x"]),
        ("https:// http://。 xhttps://no.example www.no.example me@no.example", []),
    ],
)
def test_a_bare_address_ends_where_other_writing_begins(text: str, addresses: list[str]) -> None:
    assert [link["href"] for link in Elements(render(text)).named("a")] == addresses


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("$x^2$ and \\(y\\), 设$a$为", ["x^2", "y", "a"]),
        ("$$z = 1$$ \\[ w^2 \\]", ["z = 1", "w^2"]),
        ("text\n$$\n\\frac{a}{b}\n- 1\n$$\nmore", ["\\frac{a}{b}\n- 1"]),
        (
            "\\[\n\\begin{aligned}a&=b\\\\c&=d\\end{aligned}\n\\]",
            ["\\begin{aligned}a&=b\\\\c&=d\\end{aligned}"],
        ),
        ("It costs $5 and $10. US$5, $20/month or the other 30$, $5元和10$", []),
        ("$HOME/$USER \\$5 `$x$` ```$y$``` \\[1\\] $ x$ $x $", []),
        ("$$\nno\n\nformula $$", []),
    ],
)
def test_formulas_are_told_from_money_and_variables(text: str, formulas: list[str]) -> None:
    assert [math["alttext"] for math in Elements(render(text)).named("math")] == formulas


@pytest.mark.parametrize(
    "source", [r"\unknown{x}", r"\frac{a}", r"x^", "{" * 900, r"\sqrt{" * 100 + "}" * 100, "x & y"]
)
def test_a_formula_that_is_not_understood_is_shown_as_it_was_written(source: str) -> None:
    shown = Elements(render(f"${source}$"))
    assert not shown.named("math")
    assert shown.text.strip() == f"${source}$"


@pytest.mark.parametrize(
    "piece",
    [
        "$a^2$ ",
        "$a $",
        "$$x$$ ",
        "\\(",
        "\\[ x",
        "$$\n",
        "[^1]: a\n",
        "[^1]",
        "<br>",
        "- [ ] a\n",
        "https://a.b/) ",
    ],
)
def test_two_hundred_kilobytes_of_the_newer_marks_are_rendered_in_time(piece: str) -> None:
    begin = process_time()
    render(piece * (200_000 // len(piece)))
    assert process_time() - begin < SECONDS_FOR_200_KB


def test_formulas_beyond_the_budget_stay_as_they_were_written() -> None:
    html = render("\n\n".join([f"${'x+' * 400}x$"] * 20))
    assert 0 < html.count("<math") < 20
    assert html.count('class="formula"') == 20


def test_a_text_of_too_many_marks_is_formatted_as_far_as_they_go() -> None:
    html = render("**bold** word\n" * 20_000)
    assert html.startswith("<p><strong>bold</strong> word")
    assert html.endswith("**bold** word\n</code></pre>")
