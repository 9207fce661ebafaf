"""What the kernel says of a process (Linux)."""

import time
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Returns processor time of all threads of the process, ended ones included.

    It is the process's CPU clock, to the nanosecond.
    """
    return time.clock_gettime((~pid << 3) | 2)


def rss_bytes(pid: int) -> int:
    """Returns the resident memory of the process."""
    return _field(Path(f"/proc/{pid}/smaps_rollup"), "Rss") * 1024


def threads(pid: int) -> int:
    return _field(Path(f"/proc/{pid}/status"), "Threads")


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise ValueError(f"{path} has no {name}")
