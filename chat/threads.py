"""Runs blocking work (ORM, django-redis) in a few threads, however many streams are open.

A request's own thread-sensitive thread lives as long as its response, and a task started by a view
inherits a context that is gone when it needs it (asgiref#526); these threads have neither problem.
No database connection is held between two pieces of work.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import close_old_connections

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 8
_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="work")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs `function` in one of the threads and returns its result.

    Old database connections are closed before and after.
    """
    return await asyncio.get_running_loop().run_in_executor(
        _pool, lambda: _with_connections(function, *args, **kwargs)
    )


def _with_connections(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    close_old_connections()
    try:
        return function(*args, **kwargs)
    finally:
        close_old_connections()
