"""How far an admission has come in its thread: a turn that has waited in vain is told what for."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar


class Progress:
    """Tells how far one admission is; read by another thread.

    `reads_ledger`: the database is asked at this moment.
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
    """Marks each block in which the database is asked."""
    progress = _current.get() or Progress()
    progress.reads_ledger = True
    try:
        yield
    finally:
        progress.reads_ledger = False
