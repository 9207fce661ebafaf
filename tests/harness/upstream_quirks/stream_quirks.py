"""What real servers put into a stream, by name, and what the site makes of it.

A new one is an entry of QUIRKS; `provider` is who was seen to send it.
"""

from tests.harness import wire
from tests.harness.upstream_quirks.quirk import (
    TEXT,
    USAGE,
    WHOLE,
    Quirk,
    between,
    body,
    broken,
    completion,
    each,
    failed,
    with_deltas,
    with_reason,
    with_usage,
)
from tests.harness.upstream_quirks.stream_framing import GRAMMAR, SHAPES
from tests.harness.upstream_quirks.stream_outcomes import (
    FIGURES,
    MORE_ERRORS,
    SLOW,
    STATUSES,
    TERMINALS,
    THOUGHTS,
)

_MULTILINE_ERROR = (
    b'{\n  "error": {\n    "message": "The server had an error.",\n    "code": 500\n  }\n}\n'
)
_HEARTBEATS = [step for _ in range(40) for step in (wire.comment("keep-alive"), wire.Pause(0.25))]

TEXT_PARTS = {
    "list of parts": Quirk(
        "Mistral",
        with_deltas({"content": [{"type": "text", "text": "Hello"}]}, {"content": " there."}),
    ),
    "list of strings": Quirk("LiteLLM proxies", with_deltas({"content": ["Hello", " there."]})),
    "one part without a list": Quirk(
        "Databricks", with_deltas({"content": {"type": "text", "text": TEXT}})
    ),
    "parts of responses": Quirk(
        "OpenAI's responses behind a proxy",
        with_deltas({"content": [{"type": "output_text", "text": TEXT}]}),
    ),
    "part with a value": Quirk(
        "Azure assistants", with_deltas({"content": [{"type": "text", "text": {"value": TEXT}}]})
    ),
    "thinking parts": Quirk(
        "Mistral magistral",
        with_deltas(
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "Let me think."}]}
                ]
            },
            {
                "content": [
                    {"type": "thinking", "thinking": "More."},
                    {"type": "text", "text": "Hello"},
                ]
            },
            {"content": " there."},
        ),
    ),
    "empty list of parts": Quirk(
        "Mistral", with_deltas({"role": "assistant", "content": []}, {"content": TEXT})
    ),
    "parts of no known type": Quirk(
        "unknown",
        with_deltas({"content": [{"type": "chart", "data": "x"}, {"type": "text", "text": TEXT}]}),
    ),
    "number as content": Quirk(
        "proxies in JavaScript",
        with_deltas({"content": 7}, {"content": " dwarfs"}),
        text="7 dwarfs",
    ),
    "delta that is the text": Quirk(
        "home-made servers",
        [wire.frame({"choices": [{"delta": TEXT}]}), wire.finish(), wire.usage(), wire.DONE],
    ),
    "text beside the delta": Quirk(
        "text-generation-webui",
        [wire.frame({"choices": [{"text": TEXT}]}), wire.finish(), wire.usage(), wire.DONE],
    ),
    "message beside the delta": Quirk(
        "Perplexity",
        [
            wire.frame(
                {"choices": [{"delta": {"content": "Hello"}, "message": {"content": "Hello"}}]}
            ),
            wire.frame(
                {"choices": [{"delta": {"content": " there."}, "message": {"content": TEXT}}]}
            ),
            wire.frame(
                {
                    "choices": [
                        {
                            "delta": {"content": ""},
                            "message": {"content": TEXT},
                            "finish_reason": "stop",
                        }
                    ],
                    "usage": USAGE,
                }
            ),
        ],
    ),
    "filter results first": Quirk(
        "Azure",
        [
            wire.frame({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}),
            *wire.answer(TEXT),
        ],
    ),
    "log probabilities that are no JSON": Quirk(
        "vLLM",
        [
            (
                b'data: {"choices":[{"delta":{"content":"Hello'
                b' there."},"logprobs":{"x":-Infinity}}]}\n\n'
            ),
            *wire.answer()[1:],
        ],
    ),
}

ENDS = {
    "[DONE] without a finish reason": Quirk(
        "LM Studio", [*WHOLE, wire.usage(), wire.DONE], finish=None
    ),
    "[DONE] and no figures": Quirk(
        "home-made servers", [*WHOLE, wire.DONE], finish=None, usage=None
    ),
    "[DONE] without its line end": Quirk(
        "home-made servers", [*WHOLE, wire.finish(), wire.usage(), b"data: [DONE]"]
    ),
    "[DONE] in quotes": Quirk(
        "proxies in JavaScript", [*WHOLE, wire.usage(), b'data: "[DONE]"\n\n'], finish=None
    ),
    "finish reason empty throughout": Quirk("xinference", with_reason("", usage=None), finish=None),
    "finish reason null as text": Quirk(
        "DashScope", [wire.chunk({"content": TEXT}, finish_reason="null"), *wire.answer()[1:]]
    ),
    "figures and then the end": Quirk("TGI", [*WHOLE, wire.usage()], finish=None),
    "figures and then a reset": Quirk("TGI", [*WHOLE, wire.usage(), wire.Reset()], finish=None),
    "figures and then silence": Quirk("TGI", [*WHOLE, wire.usage(), wire.Stall()], finish=None),
    "finish reason and the end": Quirk("Ollama", [*WHOLE, wire.finish()], usage=None),
    "finish reason and a reset": Quirk("Ollama", [*WHOLE, wire.finish(), wire.Reset()], usage=None),
    "finish reason, figures, silence": Quirk(
        "Gemini", [*WHOLE, wire.finish(), wire.usage(), wire.Stall()]
    ),
    "finish reason, figures, reset": Quirk(
        "Gemini", [*WHOLE, wire.finish(), wire.usage(), wire.Reset()]
    ),
    "finish reason, figures, cut": Quirk(
        "Gemini", [*WHOLE, wire.finish(), wire.usage(), wire.Cut()]
    ),
    "finish reason, figures, heartbeats": Quirk(
        "OpenRouter", [*WHOLE, wire.finish(), wire.usage(), *_HEARTBEATS]
    ),
    "all in one chunk": Quirk(
        "Mistral",
        [
            *WHOLE[:-1],
            wire.chunk({"content": " there."}, finish_reason="stop", usage=USAGE),
            wire.DONE,
        ],
    ),
    "`stop` in every chunk": Quirk(
        "Gemini behind old proxies",
        [
            wire.chunk({"content": "Hello"}, finish_reason="stop", usage=USAGE),
            wire.Pause(0.3),
            wire.chunk({"content": " there."}, finish_reason="stop", usage=USAGE),
            wire.DONE,
        ],
    ),
    "last frame without its blank line": Quirk(
        "vLLM behind a proxy", [*WHOLE, wire.usage(), wire.finish().rstrip(b"\n")]
    ),
    "last frame with one line end": Quirk(
        "vLLM behind a proxy", [*WHOLE, wire.usage(), wire.finish()[:-1]]
    ),
    "frames with one line end each": Quirk("home-made servers", each(lambda _, frame: frame[:-1])),
    "frames with CRLF": Quirk(
        "llama-cpp-python",
        [
            b"data: %s\r\n\r\n" % step.strip()[6:]
            for step in wire.answer(TEXT)
            if isinstance(step, bytes)
        ],
    ),
}

USAGES = {
    "input and output tokens": Quirk(
        "Anthropic", with_usage({"input_tokens": 11, "output_tokens": 7})
    ),
    "cached input beside": Quirk(
        "Anthropic",
        with_usage({"input_tokens": 1, "cache_read_input_tokens": 10, "output_tokens": 7}),
    ),
    "floats": Quirk(
        "Ollama behind a proxy", with_usage({"prompt_tokens": 11.0, "completion_tokens": 7.0})
    ),
    "strings": Quirk("one-api", with_usage({"prompt_tokens": "11", "completion_tokens": "7"})),
    "thinking in the total alone": Quirk(
        "Gemini",
        with_usage({"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 118}),
        usage=(11, 107),
    ),
    "thinking beside the completion": Quirk(
        "xAI",
        with_usage(
            {
                "prompt_tokens": 11,
                "completion_tokens": 7,
                "completion_tokens_details": {"reasoning_tokens": 40},
                "total_tokens": 58,
            }
        ),
        usage=(11, 47),
    ),
    "thinking inside the completion": Quirk(
        "OpenAI",
        with_usage(
            {
                "prompt_tokens": 11,
                "completion_tokens": 47,
                "completion_tokens_details": {"reasoning_tokens": 40},
                "total_tokens": 58,
            }
        ),
        usage=(11, 47),
    ),
    "total below its parts": Quirk("home-made servers", with_usage({**USAGE, "total_tokens": 5})),
    "total without a completion": Quirk(
        "home-made servers", with_usage({"prompt_tokens": 11, "total_tokens": 18})
    ),
    "usage in the choice": Quirk(
        "Moonshot",
        [
            *WHOLE,
            wire.frame({"choices": [{"delta": {}, "finish_reason": "stop", "usage": USAGE}]}),
            wire.DONE,
        ],
    ),
    "usage in x_groq": Quirk(
        "Groq",
        [
            *WHOLE,
            wire.chunk({}, finish_reason="stop", x_groq={"id": "req", "usage": USAGE}),
            wire.DONE,
        ],
    ),
    "usage of Gemini": Quirk(
        "Gemini",
        [
            *WHOLE,
            wire.finish(),
            wire.frame(
                {
                    "usageMetadata": {
                        "promptTokenCount": 11,
                        "candidatesTokenCount": 3,
                        "thoughtsTokenCount": 4,
                        "totalTokenCount": 18,
                    }
                }
            ),
            wire.DONE,
        ],
    ),
    "timings": Quirk(
        "llama.cpp",
        [
            *WHOLE,
            wire.chunk({}, finish_reason="stop", timings={"prompt_n": 11, "predicted_n": 7}),
            wire.DONE,
        ],
    ),
    "usage in every chunk": Quirk(
        "vLLM",
        [
            *(
                wire.chunk({"content": text}, usage={**USAGE, "completion_tokens": n})
                for n, text in enumerate(["Hello", " there."])
            ),
            wire.finish(),
            wire.usage(),
            wire.DONE,
        ],
    ),
    "usage null behind the figures": Quirk(
        "SiliconFlow",
        [*WHOLE, wire.finish(), wire.usage(), wire.chunk(None, usage=None), wire.DONE],
    ),
    "1,500 deltas of one character": Quirk(
        "DeepSeek behind proxies",
        wire.answer(*"x" * 1500, prompt=11, completion=330),
        text="x" * 1500,
        usage=(11, 330),
    ),
}

REASONS = {
    **{
        f"finish reason {reason}": Quirk(provider, with_reason(reason), finish=finish)
        for provider, reason, finish in [
            ("Gemini", "STOP", "stop"),
            ("TGI", "eos_token", "stop"),
            ("Anthropic", "end_turn", "stop"),
            ("Cohere", "COMPLETE", "stop"),
            ("Gemini", "MAX_TOKENS", "length"),
            ("Gemini", "FINISH_REASON_MAX_TOKENS", "length"),
            ("Mistral", "model_length", "length"),
            ("Anthropic", "model_context_window_exceeded", "length"),
            ("Gemini", "SAFETY", "content_filter"),
            ("Gemini", "RECITATION", "content_filter"),
            ("Gemini", "PROHIBITED_CONTENT", "content_filter"),
            ("Zhipu", "sensitive", "content_filter"),
            ("Anthropic", "refusal", "content_filter"),
            ("Bedrock", "guardrail_intervened", "content_filter"),
            ("Anthropic", "tool_use", "tool_calls"),
            ("unknown", "moon_phase", "moon_phase"),
        ]
    },
    "finish reason that is an object": Quirk("SGLang", with_reason({"type": "stop", "matched": 2})),
    **{
        f"finish reason {reason}": Quirk(
            provider, with_reason(reason), TEXT, "interrupted", "error", "upstream_unavailable"
        )
        for provider, reason in [
            ("Zhipu", "network_error"),
            ("OpenRouter", "error"),
            ("DeepSeek", "insufficient_system_resource"),
            ("vLLM", "abort"),
        ]
    },
}

_OUT_OF_MEMORY = b'error: {"message":"Out of memory","code":500}\n\n'
_OVERLOADED = {"error": {"code": 503, "message": "Overloaded", "status": "UNAVAILABLE"}}
_ENVOY = b"upstream connect error or disconnect/reset before headers"

ERRORS = {
    "field `error` before any text": failed("llama.cpp", _OUT_OF_MEMORY),
    "field `error` behind text": broken("TGI", _OUT_OF_MEMORY),
    "event `error`": broken("DashScope", b'event: error\ndata: {"message":"Busy","code":503}\n\n'),
    "event `error` that is no JSON": broken("Ray Serve", b"event: error\ndata: Internal error\n\n"),
    "bare JSON between the frames": broken(
        "vLLM", b'{"error":{"message":"Broken","code":500}}\n\n'
    ),
    "bare JSON in several lines": broken("Gemini", _MULTILINE_ERROR),
    "bare JSON without a line end": broken("vLLM", b'{"error":{"message":"Broken","code":500}}'),
    "data in several lines without fields": broken(
        "home-made servers", b"data: " + _MULTILINE_ERROR + b"\n"
    ),
    "error in the choice": broken(
        "OpenRouter",
        wire.frame({"choices": [{"delta": {}, "error": {"code": 502, "message": "Bad"}}]}),
    ),
    "error without the word": broken(
        "vLLM", wire.frame({"object": "error", "message": "Bad", "code": 50001})
    ),
    "list of errors": broken("Gemini", wire.frame([_OVERLOADED])),
    "body of JSON that is an error": failed("Cloudflare", wire.Http(200, wire.error())),
    "body of JSON that is a list": failed("Gemini", wire.Http(200, [_OVERLOADED])),
    "body of JSON labelled as events": failed("Cloudflare", b'{"error":{"message":"Broken."}}'),
    "a page": failed("hotels", body(b"<!doctype html><title>Sign in</title>", "text/html")),
    "a sentence": failed("Envoy", body(_ENVOY, "text/plain")),
}

NOTHING = {
    "empty body": failed("Cloudflare", body(b"", "text/event-stream"), code="upstream_cut"),
    "only [DONE]": failed("LiteLLM", wire.DONE, code="upstream_cut"),
    "only a role and [DONE]": failed("LiteLLM", wire.role(), wire.DONE, code="upstream_cut"),
    "only comments": failed("OpenRouter", wire.comment(), wire.comment(), code="upstream_cut"),
    "only figures": failed("TGI", wire.usage(), code="upstream_cut", usage=(22, 14)),
    "failed before it spoke": failed(
        "DeepSeek",
        *wire.answer(reason="insufficient_system_resource"),
        finish="error",
        usage=(22, 14),
    ),
}

NOT_BROKEN = {
    "data with nothing": Quirk("Cloudflare", between(b"data:\n\n", b"data: \n\n", b"data\n\n")),
    "heartbeats that are no JSON": Quirk(
        "home-made servers", between(b"event: ping\ndata: ping\n\n")
    ),
    "heartbeats in JSON": Quirk("Anthropic", between(b'event: ping\ndata: {"type": "ping"}\n\n')),
    "named events with numbers": Quirk(
        "DashScope",
        each(lambda number, frame: b"id:%d\nevent:result\n:HTTP_STATUS/200\n%s" % (number, frame)),
    ),
    "base_resp that says well": Quirk(
        "MiniMax", with_reason("stop", base_resp={"status_code": 0, "status_msg": ""})
    ),
    "code 0 and a message": Quirk(
        "one-api", between(wire.frame({"code": 0, "msg": "ok", "data": None}))
    ),
    "error null": Quirk("one-api", [wire.chunk({"content": TEXT}, error=None), *wire.answer()[1:]]),
    "error behind the finish reason": Quirk(
        "LiteLLM", [*WHOLE, wire.finish(), wire.usage(), wire.frame(wire.error("Logging failed."))]
    ),
}

_WHOLE_BODY = wire.joined(wire.answer("Hello", " there."))

WHOLE_ANSWERS = {
    "completion as JSON": Quirk("home-made servers", [wire.Http(200, completion(content=TEXT))]),
    "completion as JSON in parts": Quirk(
        "Mistral", [wire.Http(200, completion(content=[{"type": "text", "text": TEXT}]))]
    ),
    "completion as JSON that thought": Quirk(
        "DeepSeek",
        [
            wire.Http(
                200, completion(content=f"<think>Hm.</think>\n\n{TEXT}", reasoning_content="Hm.")
            )
        ],
    ),
    "completion as a frame": Quirk("home-made servers", [wire.frame(completion(content=TEXT))]),
    "events labelled as JSON": Quirk(
        "Vertex behind a proxy", [body(_WHOLE_BODY, "application/json")]
    ),
    "events labelled as text": Quirk("home-made servers", [body(_WHOLE_BODY, "text/plain")]),
    "chunks a line, without fields": Quirk(
        "Ollama behind a proxy", each(lambda _, frame: frame[6:-1])[:-1]
    ),
}

THINKING = {
    **{
        f"thoughts in {opening}": Quirk(
            provider, wire.answer(opening, "Let me", f" think.{closing}\n\n", TEXT)
        )
        for provider, opening, closing in [
            ("DeepSeek-R1, Qwen3", "<think>", "</think>"),
            ("Hermes", "<thinking>", "</thinking>"),
            ("Gemini", "<thought>", "</thought>"),
            ("Reka", "<reasoning>", "</reasoning>"),
            ("Magistral", "[THINK]", "[/THINK]"),
            ("Kimi-VL", "◁think▷", "◁/think▷"),
            ("Seed-OSS", "<seed:think>", "</seed:think>"),
            ("OpenThinker", "<|begin_of_thought|>", "<|end_of_thought|>"),
            ("Command A", "<|START_THINKING|>", "<|END_THINKING|>"),
            (
                "gpt-oss",
                "<|channel|>analysis<|message|>",
                "<|end|><|start|>assistant<|channel|>final<|message|>",
            ),
        ]
    },
    "thoughts a character at a time": Quirk(
        "vLLM", wire.answer(*"\n<think>Hm <b> hm</think>\n\nHello there.")
    ),
    "thoughts that are empty": Quirk(
        "Qwen3 told not to think", wire.answer("<think>\n\n</think>\n\n", TEXT)
    ),
    "thoughts twice": Quirk("Qwen3", wire.answer("<think>One.</think>\n<think>Two.</think>", TEXT)),
    "thoughts never closed": Quirk("small models", wire.answer("<think>", TEXT)),
    "tag inside the answer": Quirk(
        "any", wire.answer("Use ", "<think>", "x</think>."), text="Use <think>x</think>."
    ),
    "answer that begins like a tag": Quirk("any", wire.answer("<th", "e end>"), text="<the end>"),
    "answer that is a bracket": Quirk("any", wire.answer("<"), text="<"),
    "blanks before the answer": Quirk("any", wire.answer("\n\n", "  ", TEXT), text=f"\n\n  {TEXT}"),
}

CORNERS: dict[str, Quirk] = {
    f"{kind}: {name}": quirk
    for kind, table in [
        ("grammar", GRAMMAR),
        ("shape", SHAPES),
        ("end", TERMINALS),
        ("figures", FIGURES),
        ("thoughts", THOUGHTS),
        ("slow", SLOW),
        ("error", MORE_ERRORS),
        ("status", STATUSES),
    ]
    for name, quirk in table.items()
}

QUIRKS: dict[str, Quirk] = TEXT_PARTS | ENDS | USAGES | REASONS | ERRORS | NOTHING
QUIRKS |= NOT_BROKEN | WHOLE_ANSWERS | THINKING | CORNERS
