"""Processes, as Linux tells of them."""

from pathlib import Path


def descendants(pid: int) -> set[int]:
    """Every process below `pid` that is alive."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it has ended meanwhile
            continue
        if state != "Z":
            parents[int(folder.name)] = int(parent)
    found: set[int] = set()
    layer = {pid}
    while layer := {child for child, parent in parents.items() if parent in layer}:
        found |= layer
    return found
