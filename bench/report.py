"""Writes the tables of a run, and judges them by the targets."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields

from bench.run import Measured
from bench.turns import Turns

PACED_CPU_RATIO = 0.5
BURST_CPU_RATIO = 0.1
# A pool of the process may still grow by a thread or two, but not by a thread a stream.
THREADS_GROWTH = 8
# A flood of refused turns must not slow down those that are let through.
REFUSED_RATIO = 3


@dataclass(frozen=True)
class Pair:
    """Holds the figures of both servers under one load."""

    site: Measured
    baseline: Measured


def median(runs: Sequence[Measured]) -> Measured:
    """Returns the median of each figure."""
    return Measured(
        **{
            field.name: statistics.median(getattr(run, field.name) for run in runs)
            for field in fields(Measured)
        }
    )


def table(title: str, pair: Pair) -> str:
    site, baseline = pair.site, pair.baseline
    rows = [
        ("CPU per delta, µs", site.cpu_us_per_delta, baseline.cpu_us_per_delta),
        ("  a delta by itself, µs", site.steady_us_per_delta, baseline.steady_us_per_delta),
        ("  a turn by itself, µs", site.turn_us, baseline.turn_us),
        ("CPU of one core, %", site.cpu_share * 100, baseline.cpu_share * 100),
        ("added latency p50, µs", site.p50_us, baseline.p50_us),
        ("added latency p99, µs", site.p99_us, baseline.p99_us),
        (
            "memory per stream, KiB",
            site.rss_bytes_per_stream / 1024,
            baseline.rss_bytes_per_stream / 1024,
        ),
        ("threads, idle", site.threads_idle, baseline.threads_idle),
        ("threads, streams open", site.threads_open, baseline.threads_open),
    ]
    lines = [title, f"  {'':<24}{'site':>12}{'baseline':>12}{'ratio':>10}"]
    lines += [
        f"  {name:<24}{ours:>12,.1f}{theirs:>12,.1f}{_ratio(ours, theirs):>10}"
        for name, ours, theirs in rows
        if ours or theirs
    ]
    return "\n".join(lines)


def turns_table(turns: Turns) -> str:
    lines = [
        "Turns, one after the other, of a second of CPU",
        f"  {'':<24}{'refused':>12}{'accepted':>12}{'ratio':>10}",
    ]
    ratio = _ratio(turns.refused, turns.accepted)
    lines.append(f"  {'turns':<24}{turns.refused:>12,.0f}{turns.accepted:>12,.0f}{ratio:>10}")
    return "\n".join(lines)


def turn_misses(turns: Turns) -> list[str]:
    """Returns a sentence if refused turns cost more than their target, else nothing."""
    ratio = turns.refused / turns.accepted
    return (
        []
        if ratio >= REFUSED_RATIO
        else [
            f"{ratio:.1f} refused turns cost as much as an accepted one; at least {REFUSED_RATIO}"
            " must."
        ]
    )


def _ratio(ours: float, theirs: float) -> str:
    return f"{ours / theirs:.2f}" if theirs > 0 else "–"


def misses(paced: Pair, burst: Pair) -> list[str]:
    """Returns the targets that were not met, a sentence each."""
    site, baseline = paced.site, paced.baseline
    found = [
        _cpu("under paced load", paced, PACED_CPU_RATIO),
        _cpu("in a burst", burst, BURST_CPU_RATIO),
    ]
    growth = site.threads_open - site.threads_idle
    if growth > THREADS_GROWTH:
        found.append(f"{growth:.0f} threads came with the streams; at most {THREADS_GROWTH} may.")
    ours, theirs = site.rss_bytes_per_stream / 1024, baseline.rss_bytes_per_stream / 1024
    if ours >= theirs:
        found.append(
            f"A stream takes {ours:.0f} KiB, the baseline's {theirs:.0f}; it must take less."
        )
    return [sentence for sentence in found if sentence]


def _cpu(when: str, pair: Pair, limit: float) -> str:
    ratio = pair.site.cpu_us_per_delta / pair.baseline.cpu_us_per_delta
    return (
        ""
        if ratio <= limit
        else f"CPU per delta {when} is {ratio:.2f} of the baseline's; at most {limit} may be."
    )
