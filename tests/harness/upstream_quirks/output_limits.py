"""Refusals of the answer's limit: it does not fit beside the prompt, or exceeds the model's."""

from tests.harness.upstream_quirks.refusal import (
    OUTPUT,
    WHOLE,
    ProviderRefusal,
    anthropic,
    gemini,
    openai,
    vllm,
)

PROMPT_AND_ANSWER: dict[str, ProviderRefusal] = {
    "openai: whole": ProviderRefusal(
        "OpenAI",
        400,
        openai(
            "This model's maximum context length is 8192 tokens. However, you requested 16400"
            " tokens (16 in the messages, 16384 in the completion). Please reduce the length of the"
            " messages or completion.",
            "context_length_exceeded",
        ),
        WHOLE,
        8192,
    ),
    "vllm: whole": ProviderRefusal(
        "vLLM",
        400,
        vllm(
            "'max_tokens' or 'max_completion_tokens' is too large: 16384. This model's maximum"
            " context length is 8192 tokens and your request has 30 input tokens (16384 > 8192 -"
            " 30). (parameter=max_tokens, value=16384)"
        ),
        WHOLE,
        8192,
    ),
    "vllm: at least": ProviderRefusal(
        "vLLM",
        400,
        {
            "error": {
                "message": (
                    "This model's maximum context length is 8192 tokens. However, you requested"
                    " 16384 output tokens and your prompt contains at least 1 input tokens, for a"
                    " total of at least 16385 tokens."
                ),
                "type": "BadRequestError",
                "code": 400,
            }
        },
        WHOLE,
        8192,
    ),
    "sglang: whole": ProviderRefusal(
        "SGLang",
        400,
        {
            "object": "error",
            "type": "BadRequestError",
            "code": 400,
            "message": (
                "Requested token count exceeds the model's maximum context length of 4096 tokens. "
                "You requested a total of 16400 tokens: "
                "16 tokens from the input messages and 16384 tokens for the completion."
            ),
        },
        WHOLE,
        4096,
    ),
    "tgi: whole": ProviderRefusal(
        "TGI",
        422,
        {
            "error": (
                "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given:"
                " 50 `inputs` tokens and 16384 `max_new_tokens`"
            ),
            "error_type": "validation",
        },
        WHOLE,
        4096,
    ),
    "openrouter: whole": ProviderRefusal(
        "OpenRouter",
        400,
        {
            "error": {
                "code": 400,
                "message": (
                    "This endpoint's maximum context length is 13,107 tokens. However, you"
                    " requested about 16,400 tokens (16 of text input, 16,384 in the output)."
                    " Please reduce the length of either one."
                ),
            }
        },
        WHOLE,
        13_107,
    ),
    "anthropic: whole": ProviderRefusal(
        "Anthropic",
        400,
        anthropic(
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 19 + 16384 > 16000, decrease input"
            " length or",
        ),
        WHOLE,
        16_000,
    ),
}

ANSWER_LIMITS: dict[str, ProviderRefusal] = {
    "openai: output": ProviderRefusal(
        "OpenAI",
        400,
        openai(
            "max_tokens is too large: 16384. This model supports at most 4096 completion tokens,"
            " whereas you provided 16384.",
            "invalid_value",
            param="max_tokens",
        ),
        OUTPUT,
        4096,
    ),
    "anthropic: output": ProviderRefusal(
        "Anthropic",
        400,
        anthropic(
            "invalid_request_error",
            "max_tokens: 16384 > 8192, which is the maximum allowed number of output tokens for"
            " claude-3-5",
        ),
        OUTPUT,
        8192,
    ),
    "deepseek: output": ProviderRefusal(
        "DeepSeek",
        400,
        openai("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"),
        OUTPUT,
        8192,
    ),
    "qwen: output": ProviderRefusal(
        "Qwen",
        400,
        openai(
            "<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 8192]"
        ),
        OUTPUT,
        8192,
    ),
    "groq: output": ProviderRefusal(
        "Groq",
        400,
        openai(
            "`max_completion_tokens` must be less than or equal to `8192`, the maximum value for"
            " `max_completion_tokens` is less than the `context_window` for this model",
            param="max_completion_tokens",
        ),
        OUTPUT,
        8192,
    ),
    "gemini: output": ProviderRefusal(
        "Gemini",
        400,
        [
            gemini(
                400,
                "Unable to submit request because it has a maxOutputTokens value of 16384 but the"
                " supported range is from 1 (inclusive) to 8193 (exclusive). Update the value and"
                " try again.",
                "INVALID_ARGUMENT",
            )
        ],
        OUTPUT,
        8192,
    ),
    "cohere: output": ProviderRefusal(
        "Cohere",
        400,
        {
            "message": (
                "too many tokens: max tokens must be less than or equal to 4096 - received 16384."
            )
        },
        OUTPUT,
        4096,
    ),
    "bedrock: output": ProviderRefusal(
        "Bedrock",
        400,
        {
            "message": (
                "The maximum tokens you requested exceeds the model limit of 8192. "
                "Try again with a maximum tokens value that is lower than "
                "8192."
            )
        },
        OUTPUT,
        8191,
    ),
    "several: output": ProviderRefusal(
        "several", 422, {"detail": "max_tokens must be <= 8,192"}, OUTPUT, 8192
    ),
    "zhipu: output": ProviderRefusal(
        "Zhipu",
        400,
        {"error": {"code": "1210", "message": "max_tokens 参数非法。取值范围为[1,4095]"}},
        OUTPUT,
        4095,
    ),
    "unsaid: output": ProviderRefusal("several", 400, openai("max_tokens is too large"), OUTPUT),
}

LIMIT_CORNERS: dict[str, ProviderRefusal] = {
    "openai: integer": ProviderRefusal(
        "OpenAI",
        400,
        openai(
            "Invalid 'max_completion_tokens': integer above maximum value. Expected a value <="
            " 4096, but got 16384 instead.",
            "integer_above_max_value",
            param="max_completion_tokens",
        ),
        OUTPUT,
        4096,
    ),
    "volcengine: output": ProviderRefusal(
        "Volcengine Ark",
        400,
        openai(
            "The parameter `max_tokens` specified in the request is not valid: integer above "
            "maximum value, expected a value <= 4096, but got 16384 instead. Request id: 02",
            "InvalidParameter",
            "BadRequest",
            param="max_tokens",
        ),
        OUTPUT,
        4096,
    ),
    "bedrock: schema": ProviderRefusal(
        "Bedrock",
        400,
        {
            "message": (
                "Malformed input request: #/max_tokens: 16384 is not less or equal to 8192, please"
                " reformat your input and try again."
            )
        },
        OUTPUT,
        8192,
    ),
    "baidu: output": ProviderRefusal(
        "Baidu Qianfan",
        400,
        openai("max_output_tokens must be in [2, 2048]", "invalid_argument"),
        OUTPUT,
        2048,
    ),
    "spark": ProviderRefusal(
        "Spark", 400, openai("max_tokens 取值范围为 [1, 8192]", "10163"), OUTPUT, 8192
    ),
    "nim": ProviderRefusal(
        "NVIDIA NIM",
        422,
        {
            "detail": [
                {
                    "type": "less_than_equal",
                    "loc": ["body", "max_tokens"],
                    "msg": "Input should be less than or equal to 4096",
                    "input": 16384,
                    "ctx": {"le": 4096},
                }
            ]
        },
        OUTPUT,
        4096,
    ),
    "repr: output": ProviderRefusal(
        "LiteLLM",
        400,
        openai(
            "litellm.BadRequestError: OpenAIException - max_tokens is too large: 16384. This "
            "model supports at most 4096 completion tokens, whereas you provided 16384."
        ),
        OUTPUT,
        4096,
    ),
    "deepseek: whole": ProviderRefusal(
        "DeepSeek",
        400,
        openai(
            "This model's maximum context length is 8192 tokens. However, you requested "
            "16400 tokens (16 in the messages, 16384 in the completion). Please reduce the "
            "length of the messages or completion."
        ),
        WHOLE,
        8192,
    ),
}
