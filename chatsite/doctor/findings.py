"""What a check finds: a line each, with its remedy."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

_MAX_CHARS = 400


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """Holds one line of the report.

    `text` has no full stop. `remedy` is whole sentences, "" where there is nothing to do.
    """

    level: Level
    part: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.level:<5} {self.part}: {_one_line(self.text)}"
        return f"{line.rstrip('.?')}. {_one_line(self.remedy)}" if self.remedy else line


Check = Callable[[], Iterator[Finding]]


def ok(part: str, text: str) -> Finding:
    return Finding(Level.OK, part, text)


def warn(part: str, text: str, remedy: str) -> Finding:
    return Finding(Level.WARN, part, text, remedy)


def fail(part: str, text: str, remedy: str) -> Finding:
    return Finding(Level.FAIL, part, text, remedy)


def _one_line(text: str) -> str:
    """Returns the text on one line: drivers' errors have many."""
    return " ".join(text.split())[:_MAX_CHARS]
