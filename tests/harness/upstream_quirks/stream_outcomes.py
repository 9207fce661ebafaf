"""Corners of how answers end, are counted, think, wait and fail: entries of QUIRKS."""

import gzip
import json
from typing import Any

from tests.harness import wire
from tests.harness.upstream_quirks.quirk import (
    GOOD,
    GOOD_BYTES,
    TEXT,
    USAGE,
    WHOLE,
    Quirk,
    body,
    broken,
    completion,
    failed,
    with_choices,
    with_deltas,
    with_usage,
)
from tests.harness.wire import Script

BEDROCK_METRICS: dict[str, Any] = {
    "amazon-bedrock-invocationMetrics": {"inputTokenCount": 11, "outputTokenCount": 7}
}

_EVENTS = b"content-type: text/event-stream\r\n"


def _raw(*head: bytes, data: bytes = GOOD_BYTES, status: bytes = b"HTTP/1.1 200 OK\r\n") -> Script:
    """A response written by hand; the connection closes behind it."""
    return [wire.Raw(status + _EVENTS + b"".join(head) + b"\r\n" + data)]


def _chunked(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


def _status(line: bytes) -> Script:
    return _raw(b"content-length: %d\r\n" % len(GOOD_BYTES), status=b"HTTP/1.1 " + line + b"\r\n")


def _rejected(provider: str, step: wire.Step) -> Quirk:
    """An error that no further attempt mends, and that costs nothing."""
    return failed(provider, step, code="upstream_rejected", asks=1, usage=(0, 0))


def _waits(step: bytes, times: int = 8) -> Script:
    """Something that comes for longer than the site's patience, but never falls silent."""
    return [each for _ in range(times) for each in (step, wire.Pause(0.3))]


_PART = wire.chunk({"content": "Hello"}), wire.chunk({"content": " there."})

TERMINALS = {
    "[END]": Quirk("home-made servers", [*WHOLE, wire.usage(), b"data: [END]\n\n"], finish=None),
    "finish reason beside the choices": Quirk(
        "home-made servers",
        [
            *WHOLE,
            wire.chunk(None, finish_reason="stop"),
            wire.frame({"choices": [], "finish_reason": "stop"}),
            wire.usage(),
            wire.DONE,
        ],
    ),
    "figures that are late": Quirk(
        "vLLM", [*WHOLE, wire.finish(), wire.Pause(1.6), wire.usage(), wire.DONE]
    ),
    "finish reason in a chunk with text": Quirk(
        "Gemini",
        [
            wire.role(),
            _PART[0],
            wire.chunk({"content": " there."}, finish_reason="STOP"),
            wire.usage(),
            wire.DONE,
        ],
    ),
    "busy before the first word": failed(
        "OpenRouter",
        wire.frame({"error": {"code": 429, "message": "Slow down"}}),
        code="upstream_rate_limited",
        usage=(0, 0),
    ),
    "cut behind half a frame": Quirk(
        "any",
        [*WHOLE, b'data: {"choices"', wire.Cut()],
        status="interrupted",
        finish=None,
        code="upstream_cut",
        usage=None,
    ),
    "cut behind the finish reason and half a frame": Quirk(
        "any", [*WHOLE, wire.finish(), wire.usage(), b'data: {"choices"', wire.Cut()]
    ),
    "finish reason and more text": Quirk(
        "Gemini", [wire.chunk({"content": "Hello"}, finish_reason="stop"), *GOOD[2:]]
    ),
    "`length` and then `stop`": Quirk(
        "one-api",
        [*WHOLE, wire.finish("length"), wire.finish("stop"), wire.usage(), wire.DONE],
        finish="length",
    ),
    "`stop` and then `length`": Quirk(
        "Gemini",
        [*WHOLE, wire.finish("stop"), wire.finish("length"), wire.usage(), wire.DONE],
        finish="length",
    ),
    "`tool_calls` and then `stop`": Quirk(
        "Gemini", [*WHOLE, wire.finish("tool_calls"), wire.finish("stop"), wire.usage(), wire.DONE]
    ),
    "usage before the finish reason": Quirk(
        "Moonshot", [*WHOLE, wire.usage(), wire.finish(), wire.DONE]
    ),
    "figures that grow": Quirk(
        "Anthropic", [*WHOLE, wire.usage(11, 1), wire.finish(), wire.usage(11, 7), wire.DONE]
    ),
    "figures and then zeros": Quirk(
        "new-api", [*WHOLE, wire.finish(), wire.usage(), wire.usage(0, 0), wire.DONE]
    ),
    "zeros and then figures": Quirk(
        "new-api",
        [wire.usage(0, 0), *WHOLE, wire.usage(0, 0), wire.finish(), wire.usage(), wire.DONE],
    ),
    "figures on a keepalive, and then a cut": Quirk(
        "unknown",
        [wire.role(), _PART[0], wire.usage(11, 1), _PART[1], wire.usage(11, 2), wire.Cut()],
        status="interrupted",
        finish=None,
        code="upstream_cut",
        usage=(11, 2),
    ),
    "figures on a keepalive": Quirk(
        "unknown",
        [
            _PART[0],
            wire.usage(11, 1),
            wire.Pause(0.6),
            wire.usage(11, 1),
            _PART[1],
            wire.finish(),
            wire.usage(),
            wire.DONE,
        ],
    ),
    "[DONE] before the figures": Quirk(
        "home-made servers", [*WHOLE, wire.finish(), wire.DONE, wire.usage()]
    ),
    "[DONE] twice": Quirk("one-api", [*WHOLE, wire.finish(), wire.usage(), wire.DONE, wire.DONE]),
    "[DONE] with spaces": Quirk(
        "home-made servers", [*WHOLE, wire.usage(), b"data:   [DONE]   \n\n"], finish=None
    ),
    "[done]": Quirk("home-made servers", [*WHOLE, wire.usage(), b"data: [done]\n\n"], finish=None),
    '"[done]" in quotes': Quirk(
        "home-made servers", [*WHOLE, wire.finish(), wire.usage(), b'data: "[done]"\n\n']
    ),
    "[DONE] without a field": Quirk(
        "home-made servers", [*WHOLE, wire.usage(), b"[DONE]\n\n"], finish=None
    ),
    "[DONE] without a field, no figures": Quirk(
        "home-made servers", [*WHOLE, b"[DONE]\n"], finish=None, usage=None
    ),
    "closed by the connection": Quirk("servers in Go", _raw(b"connection: close\r\n")),
    "body with its length": Quirk("Bedrock", _raw(b"content-length: %d\r\n" % len(GOOD_BYTES))),
    "length that is too long": Quirk(
        "unknown", _raw(b"content-length: %d\r\n" % (len(GOOD_BYTES) + 50))
    ),
    "HTTP/1.0": Quirk("nginx", _raw(status=b"HTTP/1.0 200 OK\r\n")),
    "trailers": Quirk(
        "servers in Go",
        _raw(
            b"transfer-encoding: chunked\r\ntrailer: x-end\r\n",
            data=_chunked(GOOD_BYTES) + b"0\r\nx-end: 1\r\n\r\n",
        ),
    ),
    "extensions of chunks": Quirk(
        "home-made servers",
        _raw(b"transfer-encoding: chunked\r\n", data=_chunked(GOOD_BYTES, b";a=b") + b"0\r\n\r\n"),
    ),
    "100 Continue": Quirk("nginx", [wire.Raw(b"HTTP/1.1 100 Continue\r\n\r\n"), *_raw()]),
    "102 and 103 first": Quirk(
        "Cloudflare",
        [
            wire.Raw(
                b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
            ),
            *_raw(),
        ],
    ),
    "no content type": Quirk(
        "home-made servers", [wire.Raw(b"HTTP/1.1 200 OK\r\n\r\n" + GOOD_BYTES)]
    ),
    "gzip that nobody asked for": Quirk(
        "Cloudflare", _raw(b"content-encoding: gzip\r\n", data=gzip.compress(GOOD_BYTES))
    ),
    "status 201": Quirk("home-made servers", _status(b"201 Created")),
    "status 202": Quirk("home-made servers", _status(b"202 Accepted")),
    "status 206": Quirk("home-made servers", _status(b"206 Partial Content")),
    "status 204": failed(
        "home-made servers", wire.Raw(b"HTTP/1.1 204 No Content\r\n\r\n"), code="upstream_cut"
    ),
    "status 205": failed(
        "home-made servers",
        wire.Raw(b"HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n"),
        code="upstream_cut",
    ),
}

FIGURES = {
    "negative": Quirk(
        "unknown",
        with_usage({"prompt_tokens": -1, "completion_tokens": -1, "total_tokens": -2}),
        usage=None,
    ),
    "huge": Quirk(
        "unknown", with_usage({"prompt_tokens": 10**17, "completion_tokens": 10**17}), usage=None
    ),
    "zero completion with text": Quirk(
        "unknown",
        with_usage({"prompt_tokens": 11, "completion_tokens": 0, "total_tokens": 11}),
        usage=None,
    ),
    "cached inside": Quirk(
        "OpenAI", with_usage({**USAGE, "prompt_tokens_details": {"cached_tokens": 10}})
    ),
    "cache hits and misses": Quirk(
        "DeepSeek",
        with_usage({**USAGE, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 7}),
    ),
    "details null": Quirk(
        "vLLM",
        with_usage({**USAGE, "prompt_tokens_details": None, "completion_tokens_details": None}),
    ),
    "tokens in an object": Quirk(
        "Cohere",
        with_usage(
            {
                "billed_units": {"input_tokens": 3, "output_tokens": 7},
                "tokens": {"input_tokens": 11, "output_tokens": 7},
            }
        ),
    ),
    "total and completion": Quirk(
        "unknown", with_usage({"completion_tokens": 7, "total_tokens": 18})
    ),
    "completion null": Quirk(
        "one-api", with_usage({"prompt_tokens": 11, "completion_tokens": None, "total_tokens": 18})
    ),
    "empty object first": Quirk(
        "SiliconFlow", [*WHOLE, wire.finish(), wire.chunk(None, usage={}), wire.usage(), wire.DONE]
    ),
    "metrics of Bedrock": Quirk(
        "Bedrock",
        [
            *WHOLE,
            wire.chunk({}, finish_reason="stop", **BEDROCK_METRICS),
            wire.DONE,
        ],
    ),
    "usage and x_groq": Quirk(
        "Groq",
        [
            *WHOLE,
            wire.chunk({}, finish_reason="stop", x_groq={"usage": USAGE}),
            wire.usage(),
            wire.DONE,
        ],
    ),
}

THOUGHTS = {
    "capital letters": Quirk("small models", wire.answer("<Think>Hm.</THINK>", TEXT)),
    "blank lines before": Quirk(
        "Qwen3", wire.answer("\n\n ", "<think>", "Hm.", "</think>", "\n\n", TEXT)
    ),
    "an attribute": Quirk("small models", wire.answer('<think type="deep">Hm.</think>\n', TEXT)),
    "an attribute in pieces": Quirk(
        "Gemini", wire.answer("<tho", "ught si", 'gnature="x"', ">Hm.</tho", "ught>", TEXT)
    ),
    "a space in the tag": Quirk("small models", wire.answer("<think >Hm.</think >", TEXT)),
    "tag of another kind that begins alike": Quirk(
        "any", wire.answer("<thinker>", TEXT), text=f"<thinker>{TEXT}"
    ),
    "thoughts in both ways": Quirk(
        "LiteLLM",
        with_deltas(
            {"reasoning_content": "Hm."},
            {"content": "<think>Hm.</think>\n\nHello"},
            {"content": " there."},
        ),
    ),
    "text and thought in one delta": Quirk(
        "DeepSeek",
        with_deltas({"reasoning_content": "Hm.", "content": "Hello"}, {"content": " there."}),
    ),
    "only thoughts and then stop": Quirk(
        "DeepSeek", with_deltas({"reasoning_content": "Hm."}), text=""
    ),
    "thoughts up to the limit": Quirk(
        "DeepSeek",
        [wire.chunk({"reasoning_content": "Hm."}), wire.finish("length"), wire.usage(), wire.DONE],
        text="",
        finish="length",
    ),
    "thoughts flagged": Quirk(
        "Gemini",
        with_deltas(
            {"content": "<thought>Hm.", "extra_content": {"google": {"thought": True}}},
            {"content": " Hm.", "extra_content": {"google": {"thought": True}}},
            {"content": "</thought>Hello there."},
        ),
    ),
    "thoughts of LongCat": Quirk(
        "LongCat", wire.answer("<longcat_think>Hm.</longcat_think>\n", TEXT)
    ),
    "only the closing tag at the head": Quirk(
        "Qwen3 told not to think", wire.answer("</think>", "\n\n", TEXT)
    ),
}

SLOW = {
    "comments while the model loads": Quirk(
        "LM Studio", [*_waits(wire.comment("keepalive")), *GOOD]
    ),
    "comments while others are served": Quirk(
        "OpenRouter", [wire.role(), *_waits(wire.comment()), *GOOD]
    ),
    "empty deltas while the model loads": Quirk(
        "Ollama", [*_waits(wire.chunk({"role": "assistant", "content": ""})), *GOOD]
    ),
    "pings in JSON": Quirk(
        "Anthropic", [*_waits(b'event: ping\ndata: {"type": "ping"}\n\n'), *GOOD]
    ),
    "blank lines": Quirk("nginx", [*_waits(b"\n"), *GOOD]),
    "blanks before a body of JSON": Quirk(
        "OpenRouter", [*_waits(b" \n"), json.dumps(completion(content=TEXT)).encode()]
    ),
    "progress of the prompt": Quirk(
        "llama.cpp",
        [
            *_waits(
                with_choices(
                    {"index": 0, "delta": {}}, prompt_progress={"total": 9, "processed": 3}
                )
            ),
            *GOOD,
        ],
    ),
}

_ANTHROPIC = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
MORE_ERRORS = {
    "overloaded": failed("Anthropic", b"event: error\n" + wire.frame(_ANTHROPIC)),
    "overloaded behind text": broken("Anthropic", b"event: error\n" + wire.frame(_ANTHROPIC)),
    "success false": failed(
        "new-api", wire.Http(200, {"success": False, "message": "Upstream broke."})
    ),
    "body of 200 that says 500": failed(
        "FastChat", wire.Http(200, {"object": "error", "message": "NETWORK ERROR", "code": 50001})
    ),
    "error in the chunk and as the reason": Quirk(
        "OpenRouter",
        [
            *WHOLE,
            with_choices(
                {"delta": {"content": ""}, "finish_reason": "error"},
                error={"code": 502, "message": "Bad"},
            ),
        ],
        status="interrupted",
        finish="error",
        code="upstream_unavailable",
        usage=None,
    ),
    "refused in the stream": _rejected(
        "Azure", wire.frame(wire.error("Filtered.", "content_filter"))
    ),
    "no credit in the stream": _rejected(
        "OpenRouter", wire.frame({"error": {"code": 402, "message": "Insufficient credits"}})
    ),
    "key in the stream": _rejected(
        "LiteLLM", wire.frame({"error": {"code": "401", "message": "No key", "type": "auth_error"}})
    ),
    "page in gzip": failed(
        "Cloudflare",
        wire.Http(
            200,
            gzip.compress(b"<html>Just a moment...</html>"),
            {"content-type": "text/html", "content-encoding": "gzip"},
        ),
    ),
    "error that is true": failed(
        "home-made servers", wire.frame({"error": True, "message": "Broken"})
    ),
    "error that is a text": failed(
        "Ollama", wire.frame({"error": "llama runner process has terminated"})
    ),
    "exception in Python": failed(
        "Ray Serve",
        body(b"Traceback (most recent call last):\n  File x\nValueError: broken", "text/plain"),
    ),
    "reason `error` before text": failed(
        "OpenRouter", wire.finish("error"), wire.DONE, finish="error"
    ),
}

_PAGE = b"<!doctype html><title>Sorry</title>" + b"<p>Try later.</p>" * 9000
_NOT_UTF8 = b"<title>Caf\xe9</title>\xff\xfe"


def _refused(status: int, payload: object = b"", asks: int = 2, **headers: str) -> Quirk:
    """A response without a stream: asked again where that can help, and never paid for."""
    code = "upstream_unavailable" if asks == 2 or status < 400 else "upstream_rejected"
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return failed(
        "Cloudflare", wire.Http(status, payload, names), code=code, asks=asks, usage=(0, 0)
    )


STATUSES = {
    **{
        f"{status}": _refused(status)
        for status in (408, 409, 424, 425, 499, 500, 501, 502, 503, 504, 507)
    },
    **{
        f"{status} of Cloudflare": _refused(status, _PAGE, content_type="text/html")
        for status in (*range(520, 528), 530)
    },
    "529 of Anthropic": _refused(
        529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    ),
    "599": _refused(599),
    **{
        f"{status}": _refused(status, asks=1, location="https://example.org/")
        for status in (300, 301, 302, 303, 305, 307, 308)
    },
    **{
        f"{status}": _refused(status, asks=1)
        for status in (
            400,
            401,
            403,
            404,
            405,
            406,
            407,
            410,
            411,
            412,
            414,
            415,
            416,
            417,
            418,
            421,
            422,
            423,
            426,
            428,
            431,
            451,
        )
    },
    "500 that is gzip": _refused(500, gzip.compress(_PAGE), content_encoding="gzip"),
    "500 that says gzip and is none": _refused(500, _PAGE, content_encoding="gzip"),
    "500 that is Brotli": _refused(500, b"\x0b\x02\x80hello\x03", content_encoding="br"),
    "500 that is no UTF-8": _refused(500, _NOT_UTF8, content_type="text/html; charset=nonsense"),
    "503 that waits for a date": _refused(503, retry_after="Thu, 01 Jan 1970 00:00:00 GMT"),
    "503 that waits for less than nothing": _refused(503, retry_after="-1"),
    "503 that waits for nonsense": _refused(503, retry_after="soon"),
    "503 that waits for ever": _refused(503, retry_after="inf"),
    "503 that waits for a part of a second": _refused(503, retry_after="0.25"),
}
