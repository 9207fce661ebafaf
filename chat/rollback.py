"""Gives back what was taken when a block that takes several things fails on the way.

Imports nothing of the project.

    with rollback_on_error() as undo:
        first = take_one()
        undo.callback(give_back, first)
        second = take_another()

Whatever ends the block early (a refusal, a cancelled task) runs the callbacks, the last one first.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager


@contextmanager
def rollback_on_error() -> Iterator[ExitStack]:
    """Yields a stack of callbacks, which run only where the block raises."""
    with ExitStack() as undo:
        yield undo
        undo.pop_all()


@asynccontextmanager
async def async_rollback_on_error() -> AsyncIterator[AsyncExitStack]:
    """Does the same for callbacks to be awaited (`push_async_callback`)."""
    async with AsyncExitStack() as undo:
        yield undo
        undo.pop_all()
