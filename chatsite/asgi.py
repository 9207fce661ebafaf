"""The ASGI application of the site: requests go to a handler, the lifespan to the worker."""

import asyncio
import gc
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

import django
from django.core.signals import request_started
from django.db import close_old_connections, reset_queries

# What is loaded here stays loaded: collecting garbage would take a fifth of the start.
gc.disable()

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")
django.setup(set_prefix=False)

from chat.answers import worker  # noqa: E402  (needs Django's apps)
from chat.upstream import client  # noqa: E402, F401  (the worker needs it at its start)
from chatsite.handler import Handler, Receive, Scope, Send  # noqa: E402

gc.enable()

_SignalHandler = Callable[[int, FrameType | None], Any]
_handler = Handler()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Serves one request, or starts and stops the worker (`lifespan`)."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    else:
        await _handler(scope, receive, send)


async def _lifespan(receive: Receive, send: Send) -> None:
    """Starts the worker, waits until the web server is done, and stops it."""
    await receive()
    _disconnect_request_signals()
    try:
        here = await worker.start()
        _drain_on_signals(here)
    except Exception as error:
        await send(
            {"type": "lifespan.startup.failed", "message": f"{type(error).__name__}: {error}"}
        )
        raise
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await here.stop()
    await send({"type": "lifespan.shutdown.complete"})


def _disconnect_request_signals() -> None:
    """Saves each request a hop to the thread in which Django closes database connections.

    None is ever opened in that thread: `chat.threads` looks after its own, and those of a request's
    own thread are closed with it.
    """
    request_started.disconnect(reset_queries)
    request_started.disconnect(close_old_connections)


def _drain_on_signals(here: worker.Worker) -> None:
    """Begins the drain as soon as the process is told to stop.

    The drain lets the readers go: uvicorn sends `lifespan.shutdown` only when all connections are
    closed.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        if not callable(before):
            continue

        def drain(received: int, frame: FrameType | None, before: _SignalHandler = before) -> None:
            loop.call_soon_threadsafe(here.drain)
            before(received, frame)

        signal.signal(number, drain)
