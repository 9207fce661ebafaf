"""The syntax of request limits: "10/m, 500/d". Imports nothing of the project."""

import re
from dataclasses import dataclass

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_RATE = re.compile(r"(\d{1,9})/(\d{0,5})([smhd])", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Rate:
    """Allows at most `limit` requests in a window of `period` seconds.

    `name` is the period as it was written ("m", "5m").
    """

    limit: int
    period: int
    name: str


def parse_rates(text: str) -> list[Rate]:
    """Returns the rates in a comma-separated text; none for a blank one.

    The syntax is django-ratelimit's. Raises ValueError with a sentence for a person where the text
    is not that, where a period is 0, or where a period stands there twice.
    """
    rates: list[Rate] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        match = _RATE.fullmatch(part)
        if not match:
            raise ValueError(
                f"“{part}” is not a rate. Write a number, a slash and a period: 10/m, 500/d,"
                " 100/5m."
            )
        limit, count, unit = int(match[1]), match[2], match[3].lower()
        period = int(count or 1) * _UNITS[unit]
        if not period:
            raise ValueError(f"“{part}” has a period of no time at all.")
        if any(rate.period == period for rate in rates):
            raise ValueError(f"“{part}”: there is a limit for that period already.")
        rates.append(Rate(limit, period, f"{count}{unit}"))
    return rates
