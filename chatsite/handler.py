"""Handles requests by Django's ASGI handler, without a thread for each streaming response."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.db import connections
from django.db.backends.signals import connection_created
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_urlconf
from django.utils.log import log_response

from chat.asgi_scope import PEER_ADDRESS
from chat.client_ip import client_address, is_trusted, parse_address
from chat.errors import BodyTooLarge
from chat.views.api import refusal_response
from chat.views.streaming import UnbufferedResponse

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# uvicorn copies what it is given and then waits until the client reads. A copy of a whole answer
# for each client that does not read would be too much.
_WRITE_BYTES = 128 * 1024

# Seconds for which the rest of a refused body is read, and the silence that ends it.
_LINGER_SECONDS = 30
_LINGER_SILENCE_SECONDS = 2

# Filled when the request's own thread opens a database connection, which is then closed with it.
# Most requests open none.
_opened: ContextVar[list[bool] | None] = ContextVar("opened", default=None)


@receiver(connection_created)
def _note_opened(**kwargs: Any) -> None:
    opened = _opened.get()
    if opened is not None:
        opened.append(True)


class Handler(ASGIHandler):
    """Handles requests as Django does, with four differences.

    The thread-sensitive context, and with it a thread and its database connection, lives until the
    response is made, not until it has streamed (300 open streams: 7 threads instead of 306). A body
    is measured before it is read. A live response is sent without Django's layers of iterators. A
    request crosses to other threads only for work that blocks.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"This site speaks HTTP, not {scope['type']}.")
        _decide_client(scope)
        try:
            await self.handle(scope, _measured(scope, receive), send)
        except BodyTooLarge as refusal:
            await self._refuse_body(refusal, receive, send)

    async def _refuse_body(self, refusal: BodyTooLarge, receive: Receive, send: Send) -> None:
        """Sends the whole refusal, and some time later the end that closes the connection.

        A connection that is closed with unread data is reset: a client that is still sending would
        not see why, and would send it again.
        """

        async def unended(message: Message) -> None:
            await send(
                {**message, "more_body": True}
                if message["type"] == "http.response.body"
                else message
            )

        await self.send_response(refusal_response(refusal), unended)
        await _discard(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def run_get_response(self, request: HttpRequest) -> HttpResponseBase:
        async with ThreadSensitiveContext():
            opened: list[bool] = []
            token = _opened.set(opened)
            try:
                return await super().run_get_response(request)
            finally:
                _opened.reset(token)
                if opened:
                    await sync_to_async(connections.close_all)()

    async def get_response_async(self, request: HttpRequest) -> HttpResponse:
        """Answers as Django does, but logs no refusal of the API, which would take a thread."""
        set_urlconf(settings.ROOT_URLCONF)
        response: HttpResponse = await self._middleware_chain(request)  # type: ignore[attr-defined]
        response._resource_closers.append(request.close)  # type: ignore[attr-defined]
        if response.status_code >= 400 and not getattr(response, "_has_been_logged", False):
            log = sync_to_async(log_response, thread_sensitive=False)
            await log(
                "%s: %s", response.reason_phrase, request.path, response=response, request=request
            )
        return response

    async def send_response(self, response: HttpResponseBase, send: Send) -> None:
        if not isinstance(response, UnbufferedResponse):
            await super().send_response(response, send)
            return
        head = {"status": response.status_code, "headers": _raw_headers(response)}
        await send({"type": "http.response.start", **head})
        async with contextlib.aclosing(response.frames) as frames:
            async for frame in frames:
                for start in range(0, len(frame), _WRITE_BYTES):
                    part = frame[start : start + _WRITE_BYTES]
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _raw_headers(response: HttpResponseBase) -> list[tuple[bytes, bytes]]:
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    return headers + [
        (b"Set-Cookie", cookie.OutputString().encode("ascii"))
        for cookie in response.cookies.values()
    ]


def _decide_client(scope: Scope) -> None:
    """Puts the client's address and scheme into the scope.

    They are those of the connection, or what a trusted proxy says of them.
    """
    peer = scope["client"][0] if scope.get("client") else None
    # `manage.py doctor` tells from it whether the peer is a trusted proxy.
    scope[PEER_ADDRESS] = peer
    headers = scope["headers"]
    forwarded = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    scope["client"] = (client_address(peer, forwarded, settings.TRUSTED_PROXIES), 0)
    if is_trusted(parse_address(peer) if peer else None, settings.TRUSTED_PROXIES):
        schemes = [
            value.decode("latin-1") for name, value in headers if name == b"x-forwarded-proto"
        ]
        if schemes and schemes[-1] in ("http", "https"):
            scope["scheme"] = schemes[-1]


def _measured(scope: Scope, receive: Receive) -> Receive:
    """Returns a `receive` that raises BodyTooLarge for a body of more than MAX_BODY_BYTES."""
    limit = settings.MAX_BODY_BYTES
    size = 0

    async def measured() -> Message:
        nonlocal size
        if size == 0 and _declared_length(scope) > limit:
            raise _too_large(limit)
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise _too_large(limit)
        return message

    return measured


async def _discard(receive: Receive) -> None:
    """Reads the rest of a body and keeps none of it."""
    more = True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            while more:
                async with asyncio.timeout(_LINGER_SILENCE_SECONDS):
                    more = bool((await receive()).get("more_body"))


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"The request is larger than {limit // 1024:,} KiB.", headers={"Connection": "close"}
    )
