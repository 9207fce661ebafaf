"""Which tests a run takes and in what order, by what their fixtures tell."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

# Everything that starts a server, or is asked for one, is made from these.
_SERVERS = {"environment", "browser_host", "nginx", "make_user"}
# About what a test takes that asks for such a fixture, in tenths of a second; the largest counts.
_COSTS = {
    # Of tests/pages/test_accessibility.py: every page there is, before axe-core.
    "tab": 400,
    "start_apart": 50,
    "serve": 40,
    "start_site": 30,
    "nginx": 30,
    "browser_host": 10,
    "environment": 1,
}
_PROCESS_COST = 5


def needs_server(item: pytest.Item) -> bool:
    """Tell whether a test needs another process: by its fixtures, or by what its file imports."""
    return not _SERVERS.isdisjoint(_fixtures(item)) or _starts_processes(item)


def longest_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Give the same tests, each file's together, the file first that takes longest.

    Files are handed out whole. With a long one among the last, the other
    processes would have nothing to do while it runs.
    """
    seconds = Counter[Path]()
    for item in items:
        seconds[item.path] += _cost(item)
    files = sorted({item.path: None for item in items}, key=lambda path: -seconds[path])
    place = {path: at for at, path in enumerate(files)}
    return sorted(items, key=lambda item: place[item.path])


def _cost(item: pytest.Item) -> int:
    known = [cost for fixture, cost in _COSTS.items() if fixture in _fixtures(item)]
    return max(known or [_PROCESS_COST if _starts_processes(item) else 1])


def _fixtures(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", ()))


def _starts_processes(item: pytest.Item) -> bool:
    """Tell whether the file of a test, or a harness that it imports from, knows `subprocess`."""
    found = item.getparent(pytest.Module)
    names = vars(found.obj) if found else {}
    sources = {str(getattr(value, "__module__", "")) for value in names.values()}
    harnesses = [sys.modules.get(source) for source in sources if source.startswith("tests.")]
    return "subprocess" in names or any(hasattr(harness, "subprocess") for harness in harnesses)
