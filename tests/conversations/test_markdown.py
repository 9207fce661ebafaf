"""Markdown of models becomes the HTML that its writer meant."""

import pytest

from chat.markdown import MAX_NESTING, render
from tests.harness.html_elements import Elements


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
