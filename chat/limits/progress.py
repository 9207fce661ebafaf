"""How far an admission has come in its thread.

A turn whose admission takes too long is told by it what did not answer.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar


class Progress:
    """Tells another thread how far one admission has come.

    `reads_ledger`: the database is being asked at this moment.
    """

    def __init__(self) -> None:
        self.has_begun = False
        self.reads_ledger = False


_current: ContextVar[Progress | None] = ContextVar("progress", default=None)


@contextlib.contextmanager
def admission_of(progress: Progress) -> Iterator[None]:
    """Marks the block in which this thread decides on the admission."""
    token = _current.set(progress)
    progress.has_begun = True
    try:
        yield
    finally:
        _current.reset(token)


@contextlib.contextmanager
def reading_ledger() -> Iterator[None]:
    """Marks a block in which the database is asked."""
    progress = _current.get() or Progress()
    progress.reads_ledger = True
    try:
        yield
    finally:
        progress.reads_ledger = False
