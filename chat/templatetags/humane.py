"""Figures as people read them."""

from decimal import Decimal
from math import ceil

from django import template

register = template.Library()

_UNITS = [(86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")]


@register.filter
def span(seconds: int) -> str:
    """A length of time in one unit, never shorter than it is: 60 is "1 minute", 61 is "61 seconds", 301 is "6 minutes"."""
    size, unit = next((size, unit) for size, unit in _UNITS if size == 1 or seconds >= 2 * size or seconds == size)
    count = ceil(seconds / size)
    return f"{count} {unit}{'' if count == 1 else 's'}"


@register.filter
def per(seconds: int) -> str:
    """A period as a rate names it: 60 is "a minute", 3600 "an hour", 300 "in 5 minutes"."""
    length = span(seconds)
    if not length.startswith("1 "):
        return f"in {length}"
    unit = length.removeprefix("1 ")
    return f"an {unit}" if unit == "hour" else f"a {unit}"


@register.filter
def usd(amount: Decimal) -> str:
    """An amount to the cent, and further where there is more: $1.20, $0.000045."""
    whole, _, fraction = f"{amount:f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"


@register.filter
def figure(number: int) -> str:
    """A whole number with its thousands apart: 1,234,567."""
    return f"{number:,}"


_GATES = {
    "rate_limited": "requests",
    "too_many_streams": "running answers",
    "tokens_exhausted": "tokens today",
    "spend_exhausted": "spend this month",
}


@register.filter
def gate(code: str) -> str:
    """What refused a turn, by the code of the refusal."""
    return _GATES.get(code, code.replace("_", " "))
