"""Reads from the kernel what a process takes (Linux)."""

import time
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Returns the processor time of all threads of a process, ended ones included.

    It is the CPU clock of the process, to the nanosecond.
    """
    return time.clock_gettime((~pid << 3) | 2)


def rss_bytes(pid: int) -> int:
    """Returns the resident memory of a process."""
    return _field(Path(f"/proc/{pid}/smaps_rollup"), "Rss") * 1024


def threads(pid: int) -> int:
    return _field(Path(f"/proc/{pid}/status"), "Threads")


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise ValueError(f"{path} has no {name}")
