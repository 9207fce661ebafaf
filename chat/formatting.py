"""Figures as people read them."""

from datetime import date
from decimal import Decimal
from math import ceil
from typing import Any

_UNITS = [(86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")]


def span(seconds: int) -> str:
    """Returns a length of time in one unit, rounded up.

    60 is "1 minute", 61 is "61 seconds", 301 is "6 minutes".
    """
    size, unit = next(
        (size, unit) for size, unit in _UNITS if size == 1 or seconds >= 2 * size or seconds == size
    )
    count = ceil(seconds / size)
    return f"{count} {unit}{'' if count == 1 else 's'}"


def per(seconds: int) -> str:
    """Returns a period as a rate names it: 60 is "a minute", 300 is "in 5 minutes"."""
    length = span(seconds)
    if not length.startswith("1 "):
        return f"in {length}"
    unit = length.removeprefix("1 ")
    return f"an {unit}" if unit == "hour" else f"a {unit}"


def usd(amount: Decimal) -> str:
    """Returns an amount to the cent, and further where there is more: $1,234.20, $0.000045."""
    whole, _, fraction = f"{amount:,f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"


def money(amount: Decimal) -> str:
    """Returns a rounded amount: $1,255.79, and below a dollar four places: $0.0042."""
    if abs(amount) >= 1 or not amount:
        return f"${amount:,.2f}"
    if amount < Decimal("0.0001"):
        return "under $0.0001"
    return usd(amount.quantize(Decimal("0.0001")))


def compact(number: int | Decimal) -> str:
    """Returns a number as an axis shows it: 950, 1.5k, 20M."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{(Decimal(number) / size).quantize(Decimal('0.01')).normalize():f}{unit}"
    return f"{Decimal(number).normalize():f}"


def short_usd(amount: int | Decimal) -> str:
    """Returns an amount as an axis shows it: $0.05, $1.5k."""
    return f"${compact(amount)}" if amount >= 1000 else usd(Decimal(amount))


def figure(value: Any) -> str:
    """Returns a value as a table shows it.

    Thousands are set apart, money is in USD, days are in words; None is a dash.
    """
    if value is None:
        return "–"
    if isinstance(value, Decimal):
        return money(value)
    if isinstance(value, date):
        return f"{value.day} {value:%b %Y}"
    return f"{value:,}" if isinstance(value, int) else str(value)


_GATES = {
    "rate_limited": "requests",
    "too_many_streams": "running answers",
    "tokens_exhausted": "tokens today",
    "spend_exhausted": "spend this month",
}


def gate(code: str) -> str:
    """Returns the name of the limit that refused a turn, by the code of the refusal."""
    return _GATES.get(code, code.replace("_", " "))
