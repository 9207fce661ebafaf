"""Long and hostile Markdown is rendered in time."""

from time import process_time

import pytest

from chat.markdown import render

# Of the processor: what other tests do meanwhile does not count. What is quadratic takes minutes.
SECONDS_FOR_200_KB = 10


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
