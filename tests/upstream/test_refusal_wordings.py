"""Refusals worded unlike any in the table, and what must not be taken for one."""

import json
from time import process_time
from typing import Any

import pytest

from chat.upstream import refusal, refusal_body
from chat.upstream.refusal import Kind

NEIGHBOURS: list[tuple[str, int, object]] = [
    (
        "too_long",
        400,
        "The total number of tokens (prompt + max_tokens) exceeds the context window of 8192",
    ),
    ("too_long", 400, "Error: prompt exceeds context length of 4096"),
    ("too_long", 400, "Requested tokens (5000) exceed context window of 2048"),  # llama-cpp-python
    (
        "too_long",
        400,
        {
            "error": {
                "message": "Requested tokens (5000) exceed context window of 2048",
                "type": "internal_server_error",
                "code": None,
            }
        },
    ),
    (
        "too_long",
        400,
        (
            "This model's maximum context length is 2048 tokens, however you requested 5000 tokens "
            "(4900 in your prompt; 100 for the completion). Please reduce it."
        ),
    ),
    (
        "too_long",
        400,
        "The sum of prompt length (9000.0) and max_tokens should not exceed max_num_tokens (8192)",
    ),
    ("too_long", 400, "Input length 9000 exceeds the maximum allowed length of 8192"),
    ("too_long", 400, "Your message is too long. Maximum 4000 tokens."),
    (
        "too_long",
        400,
        {"error": {"message": "messages: text content blocks: total length exceeds 200000 tokens"}},
    ),
    ("too_long", 400, "token count exceeds the limit of 8192"),
    (
        "too_long",
        400,
        "The request exceeded the maximum number of tokens. Max tokens: 8192, requested 9000",
    ),
    ("too_long", 400, "Prompt length exceeds the model's limit"),
    ("too_long", 400, "Conversation is too long for this model"),
    ("too_long", 500, "prompt is longer than context"),
    ("too_long", 400, "input tokens exceeds model context limit"),
    ("too_long", 400, "输入长度超过模型最大上下文长度限制"),
    ("too_long", 400, "the prompt size exceeds the context window size and cannot be processed"),
    ("too_long", 400, "Message exceeds context limit."),
    ("too_long", 400, "Input too long. Max input tokens: 32000"),
    ("too_long", 400, "maximum input tokens 32768 exceeded"),
    ("too_long", 400, "Context size has been exceeded."),
    ("output_limit", 400, "max_tokens (16384) exceeds the maximum of 8192"),
    ("output_limit", 400, "max_tokens must be between 1 and 8192"),
    (
        "output_limit",
        400,
        (
            "Invalid value for max_tokens: integer above maximum value. Expected a value <= 4096,"
            " but got 16384 instead."
        ),
    ),
    ("output_limit", 400, "max_tokens cannot be greater than 8192"),
    ("output_limit", 400, "max_completion_tokens should be less than 8193"),
    (
        "output_limit",
        400,
        {
            "detail": [
                {
                    "type": "less_than_equal",
                    "loc": ["body", "max_tokens"],
                    "msg": "Input should be less than or equal to 8192",
                    "input": 16384,
                    "ctx": {"le": 8192},
                }
            ]
        },
    ),
    (
        "output_limit",
        422,
        {
            "detail": [
                {
                    "type": "less_than_equal",
                    "loc": ["body", "max_completion_tokens"],
                    "msg": "Input should be less than or equal to 4096",
                    "input": 16384,
                }
            ]
        },
    ),
    (
        "output_limit",
        400,
        {
            "error": {
                "message": "Value must be at most 8192",
                "param": "max_tokens",
                "type": "invalid_request_error",
            }
        },
    ),
    ("output_limit", 400, "Maximum output tokens for this model is 8192"),
    (
        "output_limit",
        400,
        "The requested max_tokens 16384 is larger than the model's max output 8192",
    ),
    ("parameter", 400, "Unsupported parameter(s): `stream_options`"),
    ("parameter", 400, "property 'stream_options' is unsupported"),
    ("parameter", 400, "Additional properties are not allowed ('stream_options' was unexpected)"),
    ("parameter", 400, "stream_options: Extra inputs are not permitted"),
    ("parameter", 422, "Unknown parameter: 'stream_options'."),
    (
        "parameter",
        400,
        "ChatCompletionRequest.__init__() got an unexpected keyword argument 'stream_options'",
    ),
    ("parameter", 400, "'stream_options.include_usage' is not supported"),
    ("parameter", 400, "max_completion_tokens is not supported. Please use max_tokens instead."),
    (
        "parameter",
        400,
        {
            "error": {
                "message": "Unknown field: max_completion_tokens",
                "type": "invalid_request_error",
            }
        },
    ),
    ("parameter", 400, "Invalid parameter: max_completion_tokens"),
    ("parameter", 400, "Streaming is not supported for this model"),
    ("system_role", 400, "system messages are not supported"),
    ("system_role", 400, "This model does not support system messages"),
    ("system_role", 400, "Invalid role 'system' in messages"),
    (
        "system_role",
        400,
        (
            'messages: Unexpected role "system". The Messages API accepts a top-level `system`'
            ' parameter, not "system".'
        ),
    ),
    (
        "system_role",
        400,
        {
            "error": {
                "message": "Input should be 'user' or 'assistant'",
                "param": "messages[0].role",
            }
        },
    ),
    (
        "system_role",
        422,
        {
            "detail": [
                {
                    "loc": ["body", "messages", 0, "role"],
                    "msg": "Input should be 'user' or 'assistant'",
                    "type": "literal_error",
                }
            ]
        },
    ),
    (
        "system_role",
        500,
        'Error rendering prompt with jinja template: "Conversations must start with a user prompt"',
    ),
    (
        "system_role",
        400,
        (
            "After the optional system message, conversation roles must alternate user and"
            " assistant roles except for tool calls and results."
        ),
    ),
    ("no_credit", 400, "Your account has run out of credits"),
    ("no_credit", 403, "Account balance is negative"),
    ("no_credit", 400, "Not enough credits"),
    ("no_credit", 429, "Monthly spend limit reached"),
    ("no_credit", 429, "You have exceeded your credit balance"),
    ("no_credit", 403, "Billing is not enabled for this project"),
    ("no_credit", 400, "You do not have enough balance"),
    ("no_credit", 403, {"error": {"message": "Project has been suspended due to unpaid invoices"}}),
    ("busy", 429, "Too Many Requests"),
    ("busy", 429, "Daily request limit reached"),
    ("busy", 429, "We're currently processing too many requests — please try again later."),
    ("busy", 429, "You have reached the maximum number of concurrent requests"),
    ("filter", 400, "Your request was rejected as a result of our safety system."),
    ("filter", 400, "The content you provided violates our content policy"),
    ("filter", 451, "Content blocked by guardrail"),
    ("filter", 400, {"error": {"message": "prompt contains unsafe content", "code": "unsafe"}}),
    ("filter", 400, {"promptFeedback": {"blockReason": "SAFETY"}}),
    ("unknown_model", 400, "The model 'foo' was not found"),
    ("unknown_model", 400, "Model foo is not a valid model ID"),
    ("key", 400, "Invalid API Key"),
    ("key", 403, "Authentication failed: invalid token"),
]


@pytest.mark.parametrize(("kind", "status", "body"), NEIGHBOURS, ids=str)
def test_neighbour_of_a_known_wording_is_recognised(kind: str, status: int, body: object) -> None:
    for form in (
        body,
        json.dumps(body),
        {"error": {"message": json.dumps(body)}},
        {"detail": body},
        [body],
    ):
        meant = refusal.meaning(status, refusal_body.read(form))
        assert meant is not None
        assert meant.kind == kind, form


LIMITS = {
    "prompt exceeds context length of 4,096": 4096,
    "context window of 1\u202f048\u202f576 tokens exceeded": 1_048_576,
    "This model's maximum context length is 131_072 tokens": 131_072,
    "Requested tokens (5000) exceed context window of 2048": 2048,
    "maximum context length is 8k tokens": None,
    "maximum context length is 99999999999999999999": None,
}


@pytest.mark.parametrize(("text", "limit"), LIMITS.items(), ids=LIMITS)
def test_limit_is_read_however_it_is_written(text: str, limit: int | None) -> None:
    meant = refusal.meaning(400, refusal_body.read(text))
    assert meant is not None
    assert (meant.kind, meant.context_tokens) == (Kind.TOO_LONG, limit)


WAITS = {
    "try again in 20s": 20,
    "Please try again in 1m2.5s.": 62.5,
    "try again in 350ms": 0.35,
    "retry after 10 seconds": 10,
    "soon": None,
}


@pytest.mark.parametrize(("text", "seconds"), WAITS.items(), ids=WAITS)
def test_time_to_wait_is_read_from_the_words(text: str, seconds: float | None) -> None:
    assert refusal_body.read(text).retry_after == (
        pytest.approx(seconds) if seconds is not None else None
    )


STATUSES = (400, 401, 404, 413, 422, 429, 500, None)
HOSTILE = [
    word * (64_000 // len(word))
    for word in (
        "a",
        " ",
        "max_tokens ",
        "exceeds the ",
        "input 1 ",
        "system role ",
        "9,",
        "[1,",
        "{",
        '{"a":',
        "<a ",
        "stream ",
        "credit ",
        "model ",
        "try again in 1h",
    )
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:12])
def test_long_body_takes_no_time_to_read(text: str) -> None:
    began = process_time()
    for body in (text, {"error": {"message": text}}, {"errors": [{"msg": text[:8000]}] * 8}):
        said = refusal_body.read(body)
        for status in STATUSES:
            refusal.meaning(status, said)
        assert said.retry_after is None or said.retry_after >= 0
    assert process_time() - began < 10


ODD: list[Any] = [
    None,
    True,
    0,
    1.5,
    float("nan"),
    float("inf"),
    10**400,
    "",
    b"\xff",
    [],
    {},
    {"": ""},
    {"code": []},
    {"loc": {"a": 1}},
    [[[[]]]],
    {"n_ctx": -1},
]


@pytest.mark.parametrize("body", ODD, ids=repr)
def test_odd_body_is_no_error(body: object) -> None:
    for form in (
        body,
        {"error": body},
        {"code": body, "message": body, "param": body, "retryDelay": body, "n_ctx": body},
    ):
        for status in STATUSES:
            refusal.meaning(status, refusal_body.read(form))
