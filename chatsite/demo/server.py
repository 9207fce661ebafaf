"""The demo model's server: OpenAI's chat completions over HTTP, as an ASGI application.

`python -m chatsite.demo.server OPTIONS` runs it without Django, which would take a second to load;
OPTIONS are the arguments of `serve` as JSON. Imports nothing of the site.
"""

import asyncio
import contextlib
import hashlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import uvicorn

from chatsite.demo.answer import answer_to, tokens_of
from chatsite.demo.completion_request import BadRequest, CompletionRequest, read_request

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# About as fast as people read.
TOKENS_PER_SECOND = 30
_MAX_BODY_BYTES = 32 * 1024 * 1024


class DemoServer:
    """Answers for any model name, `tokens_per_second` at a time.

    `models` are the names that it lists.
    """

    def __init__(self, tokens_per_second: float, models: Sequence[str]) -> None:
        self._seconds_per_token = 1 / tokens_per_second
        self._models = list(models)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        try:
            await self._route(scope, receive, send)
        except BadRequest as error:
            fault = {
                "message": str(error),
                "type": "invalid_request_error",
                "param": error.param,
                "code": None,
            }
            await _send_json(send, {"error": fault}, error.status)
        except _ClientLeft:
            pass

    async def _route(self, scope: Message, receive: Receive, send: Send) -> None:
        where = scope["method"], scope["path"]
        if where == ("POST", "/v1/chat/completions"):
            await self._complete(read_request(await _body(receive)), receive, send)
        elif where == ("GET", "/v1/models"):
            await _send_json(
                send, {"object": "list", "data": [_model(name) for name in self._models]}
            )
        elif scope["method"] == "GET" and scope["path"].startswith("/v1/models/"):
            await _send_json(send, _model(scope["path"].removeprefix("/v1/models/")))
        else:
            raise BadRequest(f"Unknown request URL: {' '.join(where)}.", status=404)

    async def _complete(self, asked: CompletionRequest, receive: Receive, send: Send) -> None:
        """Sends the answer, and stops when the client leaves."""
        answering = asyncio.ensure_future(
            self._stream(asked, send) if asked.stream else self._whole(asked, send)
        )
        leaving = asyncio.ensure_future(_until_gone(receive))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                answering.result()
        finally:
            for task in (answering, leaving):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _whole(self, asked: CompletionRequest, send: Send) -> None:
        tokens, reason = _answer(asked)
        async for _ in self._paced(tokens):
            pass
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": "".join(tokens), "refusal": None},
            "logprobs": None,
        }
        body = {
            **_head(asked, "chat.completion"),
            "choices": [{**choice, "finish_reason": reason}],
            "usage": _usage(asked, tokens),
        }
        await _send_json(send, body)

    async def _stream(self, asked: CompletionRequest, send: Send) -> None:
        tokens, reason = _answer(asked)
        head = _head(asked, "chat.completion.chunk")
        usage = {"usage": None} if asked.include_usage else {}

        async def chunk(delta: Message, finish_reason: str | None = None) -> None:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
            await _send_event(send, {**head, "choices": [choice], **usage})

        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-cache"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await chunk({"role": "assistant", "content": ""})
        async for token in self._paced(tokens):
            await chunk({"content": token})
        await chunk({}, reason)
        if asked.include_usage:
            await _send_event(send, {**head, "choices": [], "usage": _usage(asked, tokens)})
        await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})

    async def _paced(self, tokens: Sequence[str]) -> AsyncIterator[str]:
        """Yields the tokens, each at its time; a late one does not delay those after it."""
        clock = asyncio.get_running_loop().time
        start = clock()
        for position, token in enumerate(tokens, 1):
            await asyncio.sleep(max(0, start + position * self._seconds_per_token - clock()))
            yield token


# --- What is answered -----------------------------------------------------------


def _answer(asked: CompletionRequest) -> tuple[list[str], str]:
    """Returns the answer's tokens within the limit, and its finish reason."""
    tokens = tokens_of(answer_to(asked.prompts))
    if asked.limit is not None and len(tokens) > asked.limit:
        return tokens[: asked.limit], "length"
    return tokens, "stop"


def _head(asked: CompletionRequest, kind: str) -> Message:
    identity = hashlib.sha256(
        json.dumps([asked.model, asked.prompts, asked.limit]).encode()
    ).hexdigest()[:24]
    return {
        "id": f"chatcmpl-demo-{identity}",
        "object": kind,
        "created": int(time.time()),
        "model": asked.model,
    }


def _usage(asked: CompletionRequest, tokens: list[str]) -> Message:
    total = asked.prompt_tokens + len(tokens)
    return {
        "prompt_tokens": asked.prompt_tokens,
        "completion_tokens": len(tokens),
        "total_tokens": total,
    }


def _model(name: str) -> Message:
    return {"id": name, "object": "model", "created": 0, "owned_by": "chatsite-demo"}


# --- ASGI -----------------------------------------------------------------------


class _ClientLeft(Exception):
    """Signals that the client closed the connection before its request was read."""


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientLeft
        body += message.get("body", b"")
        if len(body) > _MAX_BODY_BYTES:
            raise BadRequest("The request is too large.", status=413)
        if not message.get("more_body"):
            return bytes(body)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_json(send: Send, body: Message, status: int = 200) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", b"application/json")],
        }
    )
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


async def _send_event(send: Send, data: Message) -> None:
    await send(
        {
            "type": "http.response.body",
            "body": b"data: " + json.dumps(data).encode() + b"\n\n",
            "more_body": True,
        }
    )


def serve(
    host: str, port: int, models: Sequence[str], tokens_per_second: float = TOKENS_PER_SECOND
) -> None:
    """Runs the demo model until a signal ends it; `models` are the names that it lists."""
    uvicorn.run(
        DemoServer(tokens_per_second, models),
        host=host,
        port=port,
        lifespan="off",
        ws="none",
        log_level="warning",
        access_log=False,
        # Streams get one second at the end: no one needs the rest of a demo.
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    serve(**json.loads(sys.argv[1]))
