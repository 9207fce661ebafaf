"""Measures this site and the baseline in turns: `python -m bench [--check]`."""

import argparse
import sys
import tempfile
from pathlib import Path

from bench import servers
from bench.report import Pair, median, misses, table, turn_misses, turns_table
from bench.run import LoadFailed, Measured, measure, warm_up
from bench.turns import Turns, measure_turns
from bench.wire import burst_prompt, paced_prompt

_SERVERS = {"site": servers.site, "baseline": servers.baseline}
Round = tuple[Measured, Measured]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="This site and the plain tutorial way, side by side."
    )
    parser.add_argument(
        "--streams", type=int, default=40, help="streams open at once under paced load (default 40)"
    )
    parser.add_argument(
        "--rate", type=int, default=20, help="deltas a second on each of them (default 20)"
    )
    parser.add_argument(
        "--seconds", type=int, default=15, help="how long an answer takes (default 15)"
    )
    parser.add_argument(
        "--burst-streams", type=int, default=2, help="streams of the burst (default 2)"
    )
    parser.add_argument(
        "--burst-deltas",
        type=int,
        default=10_000,
        help="deltas on each of them, as fast as they are taken (default 10000)",
    )
    parser.add_argument(
        "--rounds", type=int, default=2, help="times that site and baseline take turns (default 2)"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 when a target is missed")
    return parser.parse_args()


def measure_round(name: str, options: argparse.Namespace, base_url: str) -> Round:
    """Returns the figures of a fresh server under paced load, and then in a burst."""
    with (
        tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder,
        _SERVERS[name](Path(folder), base_url) as server,
    ):
        idle = warm_up(server)
        paced = measure(
            server,
            idle,
            paced_prompt(options.rate, options.rate * options.seconds),
            options.streams,
            ramp=2,
        )
        return paced, measure(
            server, idle, burst_prompt(options.burst_deltas), options.burst_streams, ramp=0
        )


def measure_all(options: argparse.Namespace) -> tuple[dict[str, list[Round]], Turns]:
    """Returns the rounds of each server, which take turns, and the turns of the site.

    Raises LoadFailed, or RuntimeError when a server does not start.
    """
    runs: dict[str, list[Round]] = {name: [] for name in _SERVERS}
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        servers.upstream(Path(folder)) as base_url,
    ):
        for _ in range(options.rounds):
            for name in _SERVERS:
                runs[name].append(measure_round(name, options, base_url))
        with (
            tempfile.TemporaryDirectory(prefix="bench-site-") as site_folder,
            servers.site(Path(site_folder), base_url) as server,
        ):
            return runs, measure_turns(server)


def main() -> int:
    options = arguments()
    try:
        runs, turns = measure_all(options)
    except (LoadFailed, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    paced, burst = (
        Pair(**{name: median([run[kind] for run in runs[name]]) for name in _SERVERS})
        for kind in (0, 1)
    )
    print(
        table(
            f"Paced: {options.streams} streams, {options.rate} deltas a second each,"
            f" {options.seconds} s",
            paced,
        )
    )
    print(
        table(f"Burst: {options.burst_streams} streams of {options.burst_deltas:,} deltas", burst)
    )
    print(turns_table(turns))
    missed = misses(paced, burst) + turn_misses(turns)
    for sentence in missed:
        print(f"Target missed: {sentence}", file=sys.stderr)
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
