"""Corners of HTTP, event streams and chunks as servers were seen to send them, for QUIRKS."""

import json

from tests.harness import wire
from tests.harness.upstream_quirks.quirk import (
    GOOD,
    GOOD_BYTES,
    TEXT,
    USAGE,
    WHOLE,
    Quirk,
    between,
    completion,
    each,
    with_choices,
    with_deltas,
)


def _pretty(frame: bytes) -> bytes:
    """The same event with a `data:` for each line of indented JSON."""
    if b"[DONE]" in frame:
        return frame
    return (
        b"".join(
            b"data: %s\n" % line.encode()
            for line in json.dumps(json.loads(frame[6:]), indent=1).split("\n")
        )
        + b"\n"
    )


_LONG = "word " * 100_000

GRAMMAR = {
    "byte order mark": Quirk("home-made servers", [b"\xef\xbb\xbf", GOOD_BYTES]),
    "CR for line ends": Quirk(
        "home-made servers", each(lambda _, frame: frame.replace(b"\n", b"\r"))
    ),
    "CR for line ends, and silence": Quirk(
        "home-made servers", [*each(lambda _, frame: frame.replace(b"\n", b"\r")), wire.Stall()]
    ),
    "mixed line ends": Quirk(
        "proxies in JavaScript",
        each(lambda number, frame: frame if number % 2 else frame[:-2] + b"\r\n\n"),
    ),
    "retry fields": Quirk("sse-starlette", each(lambda _, frame: b"retry: 3000\n" + frame)),
    "events of ids": Quirk("Mistral", between(b"id: 7\n\n", b"id\n\n", b"retry: 15000\n\n")),
    "comments inside of events": Quirk(
        "Cohere", each(lambda _, frame: b": one\n" + frame[:-1] + b": two\n\n")
    ),
    "no space behind the colon": Quirk("DashScope", each(lambda _, frame: b"data:" + frame[6:])),
    "two spaces behind the colon": Quirk(
        "home-made servers", each(lambda _, frame: b"data:  " + frame[6:])
    ),
    "tab behind the colon": Quirk(
        "home-made servers", each(lambda _, frame: b"data:\t" + frame[6:])
    ),
    "spaces behind the data": Quirk(
        "home-made servers", each(lambda _, frame: frame[:-2] + b"  \n\n")
    ),
    "spaces before the field": Quirk("home-made servers", each(lambda _, frame: b"  " + frame)),
    "field twice": Quirk(
        "sse-starlette around whole frames",
        each(lambda _, frame: b"data: " + frame[:-2] + b"\r\ndata: \r\ndata: \r\n\r\n"),
    ),
    "JSON over lines of data": Quirk("servers in Go", each(lambda _, frame: _pretty(frame))),
    "empty lines of data around": Quirk(
        "sse-starlette", each(lambda _, frame: b"data:\ndata: \n" + frame[:-1] + b"data:\n\n")
    ),
    "many blank lines": Quirk("nginx", [b"\n\n\n", *each(lambda _, frame: frame + b"\n\n\n")]),
    "unknown fields": Quirk("unknown", each(lambda _, frame: b"foo: bar\nbaz\n" + frame)),
    "names of events": Quirk(
        "LM Studio",
        each(
            lambda number, frame: (
                b"event: %s\n" % (b"message", b"chunk", b"delta")[number % 3] + frame
            )
        ),
    ),
    "event `done` at the end": Quirk(
        "Perplexity", [*WHOLE, wire.usage(), b"event: done\ndata: {}\n\n"], finish=None
    ),
    "event `done` without data": Quirk(
        "home-made servers", [*WHOLE, b"event: done\n\n"], finish=None, usage=None
    ),
    "event `end` that says so": Quirk(
        "home-made servers", [*WHOLE, b"event: end\ndata: done\n\n"], finish=None, usage=None
    ),
    "event `close`": Quirk(
        "LM Studio", [*WHOLE, wire.finish(), wire.usage(), b"event: close\ndata: bye\n\n"]
    ),
    "a line of 500,000 characters": Quirk(
        "any", wire.answer(_LONG, prompt=11, completion=7), text=_LONG
    ),
    "lines and frames mixed": Quirk(
        "Ollama behind a proxy", each(lambda number, frame: frame if number % 2 else frame[6:-1])
    ),
    "comments that were wrapped": Quirk(
        "proxies around OpenRouter",
        between(b"data: : OPENROUTER PROCESSING\n\n", b"data: ping\n\n"),
    ),
    "a byte a packet": Quirk("any", wire.cut_every(1, GOOD)),
    "tab inside of text": Quirk(
        "home-made servers",
        [b'data: {"choices":[{"delta":{"content":"a\tb"}}]}\n\n', *GOOD[3:]],
        text="a\tb",
    ),
}

SHAPES = {
    "parts of Gemini": Quirk(
        "Gemini",
        with_deltas(
            {"content": {"role": "model", "parts": [{"text": "Hello"}, {"text": " there."}]}}
        ),
    ),
    "choice without its index": Quirk(
        "one-api",
        [
            *with_deltas({"content": "Hello"}, {"content": " there."})[:1],
            with_choices({"delta": {"content": " there."}}),
            *GOOD[3:],
        ],
    ),
    "index null": Quirk(
        "one-api",
        [with_choices({"index": None, "delta": {"content": text}}) for text in ("Hello", " there.")]
        + GOOD[3:],
    ),
    "index as text": Quirk(
        "one-api",
        [with_choices({"index": "0", "delta": {"content": text}}) for text in ("Hello", " there.")]
        + GOOD[3:],
    ),
    "completion of text as JSON": Quirk(
        "webui",
        [
            wire.Http(
                200,
                {
                    "object": "text_completion",
                    "choices": [{"text": TEXT, "finish_reason": "stop"}],
                    "usage": USAGE,
                },
            )
        ],
    ),
    "completion as JSON that refuses": Quirk(
        "OpenAI", [wire.Http(200, completion(content=None, refusal=TEXT))]
    ),
    "completion as JSON without an end": Quirk(
        "home-made servers",
        [wire.Http(200, {"choices": [{"message": {"content": TEXT}}]})],
        finish=None,
        usage=None,
    ),
    "text cut in half in a character": Quirk(
        "any", wire.cut_every(7, wire.answer("Grüße, 世界 🙂")), text="Grüße, 世界 🙂"
    ),
    "choice 1 before choice 0": Quirk(
        "vLLM",
        [
            *(
                with_choices(
                    {"index": 1, "delta": {"content": "Other"}},
                    {"index": 0, "delta": {"content": text}},
                )
                for text in ("Hello", " there.")
            ),
            *GOOD[3:],
        ],
    ),
    "choices in turns": Quirk(
        "SGLang",
        [
            *(
                step
                for text in ("Hello", " there.")
                for step in (
                    with_choices({"index": 0, "delta": {"content": text}}),
                    with_choices({"index": 1, "delta": {"content": "Other"}}),
                )
            ),
            *GOOD[3:],
        ],
    ),
    "an empty choice first": Quirk(
        "Azure",
        [
            with_choices({"index": 0, "delta": {}}, {"index": 1, "delta": {"content": "Other"}}),
            *GOOD,
        ],
    ),
    "choices counted from 1": Quirk(
        "home-made servers",
        [
            *(
                with_choices({"index": 1, "delta": {"content": text}})
                for text in ("Hello", " there.")
            ),
            *GOOD[3:],
        ],
    ),
    "choices null": Quirk("Azure", between(wire.frame({"choices": None}))),
    "a choice that is null": Quirk("one-api", between(with_choices(None))),
    "a choice without delta": Quirk(
        "Azure",
        between(with_choices({"index": 0, "finish_reason": None, "content_filter_results": {}})),
    ),
    "delta null, message in pieces": Quirk(
        "Ollama behind a proxy",
        [
            *(
                with_choices({"delta": None, "message": {"content": text}})
                for text in ("Hello", " there.")
            ),
            *GOOD[3:],
        ],
    ),
    "whole message behind the deltas": Quirk(
        "MiniMax",
        [
            *WHOLE,
            wire.frame({**completion(content=TEXT), "base_resp": {"status_code": 0}}),
            wire.DONE,
        ],
    ),
    "nested parts": Quirk(
        "LiteLLM",
        with_deltas(
            {
                "content": [
                    [{"type": "text", "text": "Hello"}],
                    {"type": "text", "content": [{"text": " there."}]},
                ]
            }
        ),
    ),
    "text as `text` of the delta": Quirk(
        "Cloudflare", with_deltas({"text": "Hello"}, {"text": " there."})
    ),
    "calls of tools and then text": Quirk(
        "Qwen",
        with_deltas(
            {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]},
            {"content": TEXT},
        ),
    ),
    "tool_calls null": Quirk(
        "vLLM", with_deltas({"content": TEXT, "tool_calls": None, "function_call": None})
    ),
    "tool_calls empty": Quirk("Mistral", with_deltas({"content": TEXT, "tool_calls": []})),
    "old function_call": Quirk(
        "Azure", with_deltas({"function_call": {"name": "f", "arguments": ""}}, {"content": TEXT})
    ),
    "audio beside": Quirk(
        "OpenAI", with_deltas({"audio": {"id": "a", "data": "AAAA"}}, {"content": TEXT})
    ),
    "citations beside": Quirk(
        "Perplexity",
        [
            wire.chunk({"content": TEXT}, citations=["https://example.org"], search_results=[]),
            *GOOD[3:],
        ],
    ),
    "annotations beside": Quirk(
        "OpenAI",
        with_deltas(
            {"content": TEXT},
            {"annotations": [{"type": "url_citation", "url_citation": {"url": "x"}}]},
        ),
    ),
    "refusal as the text": Quirk(
        "OpenAI", with_deltas({"refusal": "Hello"}, {"refusal": " there."})
    ),
    "refusal empty": Quirk("OpenAI", with_deltas({"content": TEXT, "refusal": ""})),
    "log probabilities NaN": Quirk(
        "SGLang",
        [
            b'data: {"choices":[{"delta":{"content":"Hello there."},"logprobs":{"x":NaN}}]}\n\n',
            *GOOD[3:],
        ],
    ),
    "thought signature": Quirk(
        "Gemini",
        with_deltas({"content": TEXT, "extra_content": {"google": {"thought_signature": "c2ln"}}}),
    ),
    "reasoning details": Quirk(
        "OpenRouter",
        with_deltas(
            {
                "content": "",
                "reasoning": None,
                "reasoning_details": [{"type": "reasoning.encrypted", "data": "xx"}],
            },
            {"content": TEXT},
        ),
    ),
    "reasoning empty beside text": Quirk(
        "Groq", with_deltas({"content": TEXT, "reasoning": "", "reasoning_content": ""})
    ),
    "role in each chunk": Quirk(
        "Gemini",
        with_deltas(
            {"role": "assistant", "content": "Hello"}, {"role": "assistant", "content": " there."}
        ),
    ),
    "role unknown": Quirk("Gemini", with_deltas({"role": "model", "content": TEXT})),
    "frame that is a list of chunks": Quirk(
        "Gemini", [wire.frame([{"choices": [{"delta": {"content": TEXT}}]}]), *GOOD[3:]]
    ),
    "error object that is empty": Quirk(
        "new-api",
        [
            wire.chunk(
                {"content": TEXT}, error={"message": "", "type": "", "param": "", "code": None}
            ),
            *GOOD[3:],
        ],
    ),
    "error that says success": Quirk(
        "new-api",
        [wire.chunk({"content": TEXT}, error={"code": 0, "message": "success"}), *GOOD[3:]],
    ),
}
