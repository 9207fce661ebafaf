"""Charts as SVG, without scripts and inline styles, for the strictest content security policy.

Horizontal places are percentages and everything else is in pixels: a chart fills whatever width it
is given, and its text stays as large as the page's. Colours are classes (`mark-1`, `mark-2` …, in
the order of the series). Labels of the vertical axis stand left of the image, in a margin that the
page's style leaves free. Each place has a tooltip. A person who cannot see the image is given only
its name, so put a table beside it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

Number = int | Decimal
Show = Callable[[Number], str]

_HEIGHT = 220
_TOP = 8
_BOTTOM = 190  # of the horizontal axis; its labels stand below
_GAP = 1
_MAX_STEPS = 5
_MAX_LABELS = 6


@dataclass(frozen=True)
class Series:
    """Holds a name and a value for each label, 0 or more; None where there is none."""

    name: str
    values: Sequence[Number | None]


@dataclass(frozen=True)
class Axis:
    """Holds round numbers from 0 to the first that is not below the highest value."""

    ticks: Sequence[Number]

    def height(self, value: Number) -> float:
        """Returns the pixels above the horizontal axis at which the value stands."""
        return (_BOTTOM - _TOP) * float(Decimal(value) / Decimal(self.ticks[-1]))


def axis(highest: Number, whole: bool = True) -> Axis:
    """Returns the axis for values up to `highest`, in steps of 1, 2 or 5 times a power of ten.

    `whole`: in whole numbers.
    """
    top = Decimal(highest) if highest > 0 else Decimal(1)
    power = Decimal(1).scaleb((top / _MAX_STEPS).adjusted())
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor * _MAX_STEPS >= top)
    if whole:
        step = max(step, Decimal(1))
    count = int((top / step).to_integral_value(ROUND_CEILING))
    ticks = [step * number for number in range(count + 1)]
    return Axis([int(tick) for tick in ticks] if whole else ticks)


def columns(
    name: str, labels: Sequence[str], series: Sequence[Series], show: Show, whole: bool = True
) -> SafeString:
    """Draws columns side by side, the series on top of each other.

    `show` writes a value; `whole`: values are whole numbers.
    """
    totals = [
        sum((values[place] or 0 for values in (each.values for each in series)), start=Decimal(0))
        for place in range(len(labels))
    ]
    scale = axis(max(totals, default=Decimal(0)), whole)
    stacks = (_stack(place, len(labels), series, scale) for place in range(len(labels)))
    return _chart(name, labels, series, show, scale, stacks)


def lines(
    name: str, labels: Sequence[str], series: Sequence[Series], show: Show, whole: bool = True
) -> SafeString:
    """Draws a line for each series, broken where it has no value."""
    highest = max(
        (value for each in series for value in each.values if value is not None), default=0
    )
    scale = axis(highest, whole)
    strokes = format_html_join(
        "", "{}", ((_line(number, each, scale),) for number, each in enumerate(series, 1))
    )
    points = (_points(place, len(labels), series, scale) for place in range(len(labels)))
    return _chart(name, labels, series, show, scale, points, strokes)


def bar(*shares: float) -> SafeString:
    """Draws one horizontal bar: each share (of 1) beside the one before, in the next colour.

    What is beyond 1 is cut off.
    """
    parts, left = [], 0.0
    for number, share in enumerate(shares, 1):
        width = max(0.0, min(share, 1.0 - left))
        parts.append((number, _percent(left), _percent(width)))
        left += width
    rects = format_html_join("", '<rect class="mark-{}" x="{}" width="{}" height="100%"/>', parts)
    return format_html(
        '<svg class="chart-bar" width="100%" height="10" aria-hidden="true">{}</svg>', rects
    )


# --- Parts ---------------------------------------------------------------------


def _chart(
    name: str,
    labels: Sequence[str],
    series: Sequence[Series],
    show: Show,
    scale: Axis,
    places: Iterator[SafeString],
    behind: str = "",
) -> SafeString:
    return format_html(
        '<svg class="chart" width="100%" height="{}" role="img" aria-label="{}">{}{}{}{}</svg>',
        _HEIGHT,
        name,
        _grid(scale, show),
        behind,
        _slots(labels, series, show, places),
        _labels(labels),
    )


def _slots(
    labels: Sequence[str], series: Sequence[Series], show: Show, places: Iterator[SafeString]
) -> SafeString:
    """Draws each place, with its tooltip and a ground over its whole height to point at."""
    count = len(labels)
    slot = (
        '<g class="chart-place"><title>{}</title><rect class="chart-hit" x="{}" y="{}" width="{}"'
        ' height="{}"/>{}</g>'
    )
    rows = (
        (
            _tooltip(place, labels, series, show),
            _percent(place / count),
            _TOP,
            _percent(1 / count),
            _BOTTOM - _TOP,
            drawn,
        )
        for place, drawn in enumerate(places)
    )
    return format_html_join("", slot, rows)


def _tooltip(place: int, labels: Sequence[str], series: Sequence[Series], show: Show) -> str:
    values = ((each.name, each.values[place]) for each in series)
    return f"{labels[place]}: " + ", ".join(
        f"{name} {show(value)}" if value is not None else f"{name} –" for name, value in values
    )


def _grid(scale: Axis, show: Show) -> SafeString:
    rows = [(_pixels(_BOTTOM - scale.height(tick)), show(tick)) for tick in scale.ticks]
    ruled = (
        '<line class="chart-rule" x1="0" x2="100%" y1="{0}" y2="{0}"/><text class="chart-text"'
        ' x="-8" y="{0}" dy="4">{1}</text>'
    )
    return format_html_join("", ruled, rows)


def _labels(labels: Sequence[str]) -> SafeString:
    """Draws as many of the labels as a phone has room for, always with the last one."""
    every = -(-len(labels) // _MAX_LABELS) or 1
    shown = [
        (_percent((place + 0.5) / len(labels)), label)
        for place, label in enumerate(labels)
        if (len(labels) - 1 - place) % every == 0
    ]
    return format_html_join(
        "", f'<text class="chart-text chart-label" x="{{}}" y="{_BOTTOM + 20}">{{}}</text>', shown
    )


def _stack(place: int, places: int, series: Sequence[Series], scale: Axis) -> SafeString:
    share = 0.4 if places <= 10 else 0.7
    left, width = _percent((place + (1 - share) / 2) / places), _percent(share / places)
    rects: list[tuple[int, str, str, str, str]] = []
    bottom = float(_BOTTOM)
    for number, each in enumerate(series, 1):
        height = scale.height(each.values[place] or 0)
        bottom -= height
        if height > 0:
            # A pixel of background between stacked parts tells them apart without colours.
            gap = _GAP if rects and height > 2 * _GAP else 0
            rects.append((number, left, _pixels(bottom), width, _pixels(height - gap)))
    return format_html_join(
        "", '<rect class="mark-{}" x="{}" y="{}" width="{}" height="{}"/>', rects
    )


def _line(number: int, series: Series, scale: Axis) -> SafeString:
    places = len(series.values)
    strokes = [
        (
            number,
            _middle(place, places),
            _level(before, scale),
            _middle(place + 1, places),
            _level(after, scale),
        )
        for place, (before, after) in enumerate(zip(series.values, series.values[1:], strict=False))
        if before is not None and after is not None
    ]
    return format_html_join(
        "", '<line class="stroke-{}" x1="{}" y1="{}" x2="{}" y2="{}"/>', strokes
    )


def _points(place: int, places: int, series: Sequence[Series], scale: Axis) -> SafeString:
    values = [(number, each.values[place]) for number, each in enumerate(series, 1)]
    points = [
        (number, _middle(place, places), _level(value, scale))
        for number, value in values
        if value is not None
    ]
    return format_html_join("", '<circle class="mark-{}" cx="{}" cy="{}" r="3"/>', points)


def _middle(place: int, places: int) -> str:
    return _percent((place + 0.5) / places)


def _level(value: Number, scale: Axis) -> str:
    return _pixels(_BOTTOM - scale.height(value))


def _percent(share: float) -> str:
    return f"{share * 100:.3f}%"


def _pixels(length: float) -> str:
    return f"{length:.1f}"
