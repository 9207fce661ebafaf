"""Holds the background tasks of a worker, which belong to it and to no request."""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from chat.errors import Refusal

logger = logging.getLogger("chat.answers.worker")

Spawn = Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]


class Tasks:
    """Keeps each task until it ends, and logs the type of what it failed with."""

    def __init__(self) -> None:
        self.running: set[asyncio.Task[Any]] = set()

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Starts a task in a context of its own, and holds it until it ends."""
        task = asyncio.get_running_loop().create_task(coroutine, context=contextvars.Context())
        self.running.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: "asyncio.Task[Any]") -> None:
        self.running.discard(task)
        # The client that waited may have left: asyncio would log its refusal as an error of ours.
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, Refusal):
            logger.error("A task of the worker failed: %s", type(error).__name__)

    async def cancel(self) -> None:
        """Cancels all of them, and returns when they have ended."""
        # redis-py can turn a cancellation into an error of its own, which a loop survives: one
        # cancellation is not enough.
        while self.running:
            for task in self.running:
                task.cancel()
            await asyncio.wait(set(self.running), timeout=0.5)
