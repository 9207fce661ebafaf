"""Answers what `manage.py doctor` asks through the public address.

That is a stream like an answer's, and what of the request arrived here.
"""

import asyncio
from collections.abc import AsyncGenerator
from time import monotonic
from typing import Any

from django.http import HttpRequest

from chat.answers import sse, worker
from chat.asgi_scope import peer_address
from chat.errors import Draining, NotFound
from chat.views.api import api
from chat.views.streaming import EventStreamResponse
from chat.web import probe

_DRAIN_CHECK_SECONDS = 1.0


@api("GET")
async def stream(request: HttpRequest) -> EventStreamResponse:
    """Sends a frame with what was seen, one after each pause of the token, then `[DONE]`.

    404 without a token of this site.
    """
    pauses = probe.pauses_of(request.headers.get("Authorization", "").removeprefix("Bearer "))
    if pauses is None:
        raise NotFound("There is no such thing, or it is not yours.")
    if worker.current().draining:
        raise Draining("This worker is being stopped. Try again in a moment.", retry_after=2)
    return EventStreamResponse(_frames(_seen(request), pauses))


def _seen(request: HttpRequest) -> dict[str, Any]:
    """Returns what of the request arrived.

    `peer` is the address that connected to this process, `client` the one it is taken for.
    """
    return {
        "peer": peer_address(request),
        "client": request.META.get("REMOTE_ADDR", ""),
        "scheme": request.scheme,
        "host": request.get_host(),
        "forwarded_for": request.headers.get("X-Forwarded-For", ""),
    }


async def _frames(seen: dict[str, Any], pauses: list[float]) -> AsyncGenerator[bytes, None]:
    yield sse.event("seen", seen)
    for pause in pauses:
        if not await _wait(pause):
            return
        yield sse.event("frame", {"after": pause})
    yield sse.END


async def _wait(seconds: float) -> bool:
    """Waits; returns False as soon as the worker drains: uvicorn would wait for this stream."""
    end = monotonic() + seconds
    while (rest := end - monotonic()) > 0:
        await asyncio.sleep(min(rest, _DRAIN_CHECK_SECONDS))
        if worker.current().draining:
            return False
    return True
