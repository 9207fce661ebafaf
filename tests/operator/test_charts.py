"""Charts as SVG, and figures as people read them."""

import re
from decimal import Decimal
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.formatting import compact, figure, money
from chat.operator import charts
from chat.operator.charts import Series

LABELS = ["1 Nov", "2 Nov", "3 Nov"]
values = st.lists(st.integers(0, 10**12) | st.none(), min_size=3, max_size=3)


def drawn(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def numbers(svg: str, tag: str, attribute: str, kind: str) -> list[float]:
    found = [part for part in drawn(svg).iter(tag) if part.get("class") == kind]
    return [float(part.attrib[attribute].rstrip("%")) for part in found]


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [
        (0, [0, 1]),
        (1, [0, 1]),
        (3, [0, 1, 2, 3]),
        (7, [0, 2, 4, 6, 8]),
        (10, [0, 2, 4, 6, 8, 10]),
        (11, [0, 5, 10, 15]),
        (1234, [0, 500, 1000, 1500]),
    ],
)
def test_an_axis_has_round_whole_numbers(highest: int, ticks: list[int]) -> None:
    assert charts.axis(highest).ticks == ticks


def test_an_axis_of_money_has_round_parts_of_a_dollar() -> None:
    assert charts.axis(Decimal("0.0031"), whole=False).ticks == [
        Decimal(step).scaleb(-3) for step in range(5)
    ]


@given(st.integers(1, 10**15))
def test_an_axis_reaches_the_highest_value_in_at_most_five_steps(highest: int) -> None:
    ticks = charts.axis(highest).ticks
    assert ticks[-2] < highest <= ticks[-1]
    assert len(ticks) <= 6


def test_columns_are_as_high_as_their_values_and_stand_on_each_other() -> None:
    svg = charts.columns(
        "Answers", LABELS, [Series("complete", [10, 0, 4]), Series("failed", [0, 0, 6])], compact
    )
    whole, part = numbers(svg, "rect", "height", "mark-1")
    assert whole / part == pytest.approx(10 / 4, abs=0.02)
    assert numbers(svg, "rect", "y", "mark-2")[0] == pytest.approx(
        numbers(svg, "rect", "y", "mark-1")[0], abs=0.2
    )
    assert [title.text for title in drawn(svg).iter("title")] == [
        "1 Nov: complete 10, failed 0",
        "2 Nov: complete 0, failed 0",
        "3 Nov: complete 4, failed 6",
    ]


def test_a_line_is_broken_where_there_is_no_value() -> None:
    svg = charts.lines("Wait", ["a", "b", "c", "d"], [Series("median", [5, 6, None, 7])], compact)
    assert len(numbers(svg, "line", "x1", "stroke-1")) == 1
    assert len(numbers(svg, "circle", "cx", "mark-1")) == 3
    assert "c: median –" in svg


@given(values, values)
def test_whatever_the_values_are_nothing_is_drawn_outside(
    first: list[int | None], second: list[int | None]
) -> None:
    series = [Series("one", first), Series("two", second)]
    for svg in (
        charts.columns("c", LABELS, series, compact),
        charts.lines("l", LABELS, series, compact),
    ):
        for attribute in ("y", "cy", "y1"):
            places = re.findall(rf'(?:rect|circle|line)[^>]* {attribute}="(-?[\d.]+)"', svg)
            assert all(0 <= float(place) <= 190 for place in places)
        assert all(0 <= float(place) <= 100 for place in re.findall(r'"(-?[\d.]+)%"', svg))


def test_at_most_six_labels_stand_on_the_axis_the_last_one_among_them() -> None:
    labels = [str(number) for number in range(1, 91)]
    svg = charts.columns("many", labels, [Series("one", [1] * 90)], compact)
    shown = [
        part.text
        for part in drawn(svg).iter("text")
        if part.get("class") == "chart-text chart-label"
    ]
    assert shown == ["15", "30", "45", "60", "75", "90"]


def test_names_are_escaped_and_styles_are_classes_alone() -> None:
    evil = '<script>"&'
    svg = charts.columns(evil, [evil], [Series(evil, [1])], compact) + charts.bar(0.5)
    assert "<script" not in svg
    assert "style" not in svg


def test_a_chart_of_nothing_is_an_empty_one() -> None:
    assert drawn(charts.columns("none", [], [], compact)).get("aria-label") == "none"
    assert drawn(charts.lines("none", [], [Series("one", [])], compact)).get("role") == "img"


@pytest.mark.parametrize(
    ("shares", "widths"),
    [
        ((0.25,), [25]),
        ((0.5, 0.25), [50, 25]),
        ((0.8, 0.7), [80, 20]),
        ((1.7, 1.0), [100, 0]),
        ((-1.0,), [0]),
    ],
)
def test_a_bar_is_cut_off_at_its_end(shares: tuple[float, ...], widths: list[float]) -> None:
    found = [
        float(rect.attrib["width"].rstrip("%")) for rect in drawn(charts.bar(*shares)).iter("rect")
    ]
    assert found == pytest.approx(widths)


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0"), (950, "950"), (1500, "1.5k"), (20_000_000, "20M"), (Decimal("0.50"), "0.5")],
)
def test_an_axis_shortens_large_numbers(number: int | Decimal, words: str) -> None:
    assert compact(number) == words


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("1255.789785", "$1,255.79"),
        ("0.00421", "$0.0042"),
        ("0.5", "$0.50"),
        ("0", "$0.00"),
        ("0.00001", "under $0.0001"),
    ],
)
def test_money_is_short_enough_to_read_at_a_glance(amount: str, words: str) -> None:
    assert (money(Decimal(amount)), figure(Decimal(amount))) == (words, words)
