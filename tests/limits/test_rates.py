"""The syntax of request limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.rates import Rate, parse_rates


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("", []),
        (" , ", []),
        ("10/m", [Rate(10, 60, "m")]),
        ("10/m, 500/d", [Rate(10, 60, "m"), Rate(500, 86400, "d")]),
        ("100/5m,1/2h", [Rate(100, 300, "5m"), Rate(1, 7200, "2h")]),
        ("3/S", [Rate(3, 1, "s")]),
        ("0/h", [Rate(0, 3600, "h")]),
    ],
)
def test_rates_are_read_as_they_are_written(text: str, rates: list[Rate]) -> None:
    assert parse_rates(text) == rates


@pytest.mark.parametrize(
    "text",
    [
        "10",
        "10/",
        "/m",
        "m",
        "-1/m",
        "1.5/m",
        "10/w",
        "10 / m",
        "10/m 5/h",
        "10/m;5/h",
        "10/0m",
        "10/00s",
        "1/m, 2/m",
        "1/60s, 2/m",
        "٣/m",
        "1234567890/m",
        "1/123456s",
    ],
)
def test_what_is_no_rate_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^“.*”.+\.$"):
        parse_rates(text)


@given(st.text(max_size=30))
def test_any_text_is_rates_or_a_sentence(text: str) -> None:
    try:
        rates = parse_rates(text)
    except ValueError as error:
        rates, sentence = [], str(error)
    else:
        sentence = "."
    assert sentence.endswith(".")
    assert all(rate.period > 0 for rate in rates)


@given(st.dictionaries(st.integers(1, 99999), st.integers(0, 10**9 - 1), max_size=4))
def test_rates_survive_being_written_and_read(limits: dict[int, int]) -> None:
    text = ", ".join(f"{limit}/{seconds}s" for seconds, limit in limits.items())
    assert {rate.period: rate.limit for rate in parse_rates(text)} == limits
