"""The demo model's server: OpenAI's chat completions over HTTP, as an ASGI application. Imports
nothing of the site.

`python -m chatsite.demo.server OPTIONS` runs it without Django, which would take a second to load;
OPTIONS are the arguments of `serve` as JSON.
"""

import asyncio
import contextlib
import hashlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import uvicorn

from chatsite.demo.answer import answer_to, tokens_of

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# About as fast as people read.
TOKENS_PER_SECOND = 30
_MAX_BODY_BYTES = 32 * 1024 * 1024
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_MESSAGE_TOKENS = 4  # what OpenAI counts for the frame of a message, about


class _BadRequest(Exception):
    """Signals a request that OpenAI would refuse; `param` names the field."""

    def __init__(self, message: str, param: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.param = param
        self.status = status


@dataclass(frozen=True)
class _Asked:
    """Holds a valid request; `limit` is the most tokens the answer may have."""

    model: str
    prompts: list[str]
    prompt_tokens: int
    limit: int | None
    stream: bool
    include_usage: bool


class DemoServer:
    """Answers for any model name, `tokens_per_second` at a time; `models` are the names it lists."""

    def __init__(self, tokens_per_second: float, models: Sequence[str]) -> None:
        self._seconds_per_token = 1 / tokens_per_second
        self._models = list(models)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        try:
            await self._route(scope, receive, send)
        except _BadRequest as error:
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
            await self._complete(_read(await _body(receive)), receive, send)
        elif where == ("GET", "/v1/models"):
            await _send_json(
                send, {"object": "list", "data": [_model(name) for name in self._models]}
            )
        elif scope["method"] == "GET" and scope["path"].startswith("/v1/models/"):
            await _send_json(send, _model(scope["path"].removeprefix("/v1/models/")))
        else:
            raise _BadRequest(f"Unknown request URL: {' '.join(where)}.", status=404)

    async def _complete(self, asked: _Asked, receive: Receive, send: Send) -> None:
        """Writes the answer, and stops when the client leaves."""
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

    async def _whole(self, asked: _Asked, send: Send) -> None:
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

    async def _stream(self, asked: _Asked, send: Send) -> None:
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
        """Yields the tokens, each at its time; one that is late does not delay those after it."""
        clock = asyncio.get_running_loop().time
        start = clock()
        for position, token in enumerate(tokens, 1):
            await asyncio.sleep(max(0, start + position * self._seconds_per_token - clock()))
            yield token


# --- What was asked -------------------------------------------------------------


def _read(body: bytes) -> _Asked:
    """Returns the request, checked as OpenAI checks it. Raises _BadRequest."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise _BadRequest("We could not parse the JSON body of your request.") from None
    if not isinstance(fields, dict):
        raise _BadRequest("The body must be a JSON object.")
    model, stream = fields.get("model"), fields.get("stream") or False
    if not isinstance(model, str) or not model:
        raise _BadRequest("you must provide a model parameter")
    if not isinstance(stream, bool):
        raise _BadRequest("'stream' must be true or false.", "stream")
    if fields.get("n", 1) not in (1, None):
        raise _BadRequest("'n' must be 1: the demo model gives one answer.", "n")
    texts = _texts(fields.get("messages"))
    return _Asked(
        model=model,
        prompts=[text for role, text in texts if role == "user"],
        prompt_tokens=sum(len(tokens_of(text)) + _MESSAGE_TOKENS for _, text in texts),
        limit=_limit(fields),
        stream=stream,
        include_usage=_include_usage(fields.get("stream_options"), stream),
    )


def _texts(messages: Any) -> list[tuple[str, str]]:
    """Returns role and text of each message."""
    if not isinstance(messages, list) or not messages:
        raise _BadRequest("'messages' must be a list with at least one message.", "messages")
    texts = []
    for position, message in enumerate(messages):
        param = f"messages[{position}]"
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            raise _BadRequest(
                f"'{param}.role' must be one of {', '.join(_ROLES)}.", f"{param}.role"
            )
        texts.append((message["role"], _text(message.get("content"), f"{param}.content")))
    return texts


def _text(content: Any, param: str) -> str:
    if isinstance(content, list) and all(
        isinstance(part, dict) and isinstance(part.get("text"), str) for part in content
    ):
        return "".join(part["text"] for part in content)
    if not isinstance(content, str):
        raise _BadRequest(f"'{param}' must be a string or a list of text parts.", param)
    return content


def _limit(fields: Message) -> int | None:
    """Returns `max_completion_tokens`, or its older name."""
    given = [
        name for name in ("max_completion_tokens", "max_tokens") if fields.get(name) is not None
    ]
    if len(given) > 1:
        raise _BadRequest(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            given[1],
        )
    if not given:
        return None
    limit = fields[given[0]]
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise _BadRequest(f"'{given[0]}' must be a whole number of at least 1.", given[0])
    return limit


def _include_usage(options: Any, stream: bool) -> bool:
    if options is None:
        return False
    if not stream:
        raise _BadRequest(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
        )
    if not isinstance(options, dict):
        raise _BadRequest("'stream_options' must be an object.", "stream_options")
    return options.get("include_usage") is True


# --- What is answered -----------------------------------------------------------


def _answer(asked: _Asked) -> tuple[list[str], str]:
    """Returns the answer's tokens within the limit, and why it ends there."""
    tokens = tokens_of(answer_to(asked.prompts))
    if asked.limit is not None and len(tokens) > asked.limit:
        return tokens[: asked.limit], "length"
    return tokens, "stop"


def _head(asked: _Asked, kind: str) -> Message:
    identity = hashlib.sha256(
        json.dumps([asked.model, asked.prompts, asked.limit]).encode()
    ).hexdigest()[:24]
    return {
        "id": f"chatcmpl-demo-{identity}",
        "object": kind,
        "created": int(time.time()),
        "model": asked.model,
    }


def _usage(asked: _Asked, tokens: list[str]) -> Message:
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
            raise _BadRequest("The request is too large.", status=413)
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
        # One second for streams at the end: a demo's answers need no drain.
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    serve(**json.loads(sys.argv[1]))
