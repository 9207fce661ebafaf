"""Refusals of a prompt that is too long, in the words of the providers."""

from tests.harness.upstream_quirks.refusal import (
    TOO_LONG,
    ProviderRefusal,
    anthropic,
    gemini,
    openai,
    vllm,
)

_GEMINI_LONG = (
    "The input token count (1,200,000) exceeds the maximum number of tokens allowed (1048576)."
)
_RAW = (
    '{"error":{"message":"This model\'s maximum context length is 16385 tokens. However, your'
    ' messages resulted in 20000 tokens."}}'
)
_OPENROUTER_RAW = {
    "message": "Provider returned error",
    "code": 400,
    "metadata": {"raw": _RAW, "provider_name": "Azure"},
}
_413 = (
    b"<html>\r\n<head><title>413 Request Entity Too Large</title></head><body><center><h1>413"
    b" Request Entity Too Large</h1></center></body>"
)

TOO_LONG_PROMPTS: dict[str, ProviderRefusal] = {
    "openai: messages": ProviderRefusal(
        "OpenAI",
        400,
        openai(
            "This model's maximum context length is 8192 tokens. However, your messages resulted in"
            " 8500 tokens.",
            "context_length_exceeded",
        ),
        TOO_LONG,
        8192,
    ),
    "openai: window": ProviderRefusal(
        "OpenAI",
        400,
        openai(
            "Your input exceeds the context window of this model. Please adjust your input and try"
            " again."
        ),
        TOO_LONG,
    ),
    "openai: configured": ProviderRefusal(
        "OpenAI",
        400,
        openai(
            "Input tokens exceed the configured limit of 27,200 tokens. Your messages resulted in"
            " 30,000 tokens."
        ),
        TOO_LONG,
        27_200,
    ),
    "openai: string": ProviderRefusal(
        "OpenAI",
        400,
        openai("Invalid 'messages[1].content': string too long.", "string_above_max_length"),
        TOO_LONG,
    ),
    "azure": ProviderRefusal(
        "Azure",
        400,
        openai(
            "This model's maximum context length is 4,096 tokens, however you requested 5,000"
            " tokens.",
            "context_length_exceeded",
        ),
        TOO_LONG,
        4096,
    ),
    "anthropic": ProviderRefusal(
        "Anthropic",
        400,
        anthropic("invalid_request_error", "prompt is too long: 212345 tokens > 20000 maximum"),
        TOO_LONG,
        20_000,
    ),
    "anthropic: size": ProviderRefusal(
        "Anthropic",
        413,
        anthropic("request_too_large", "Request exceeds the maximum size"),
        TOO_LONG,
    ),
    "gemini: object": ProviderRefusal(
        "Gemini", 400, gemini(400, _GEMINI_LONG, "INVALID_ARGUMENT"), TOO_LONG
    ),
    "gemini: array": ProviderRefusal(
        "Gemini", 400, [gemini(400, _GEMINI_LONG, "INVALID_ARGUMENT")], TOO_LONG
    ),
    "vertex": ProviderRefusal(
        "Vertex AI",
        400,
        [
            gemini(
                400,
                "Unable to submit request because the input token count is 40000 but model only"
                " supports up to 32768.",
                "INVALID_ARGUMENT",
            )
        ],
        TOO_LONG,
        32_768,
    ),
    "xai": ProviderRefusal(
        "xAI",
        400,
        {
            "code": "Client specified an invalid argument",
            "error": (
                "This model's maximum prompt length is 13107 but the request contains 53781 tokens."
            ),
        },
        TOO_LONG,
        13_107,
    ),
    "mistral": ProviderRefusal(
        "Mistral",
        400,
        {
            "object": "error",
            "message": (
                "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768"
                " maximum context length"
            ),
            "type": "invalid_request_prompt",
            "code": "3051",
        },
        TOO_LONG,
        32_768,
    ),
    "qwen": ProviderRefusal(
        "Qwen",
        400,
        openai(
            "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]",
            "invalid_parameter_error",
        ),
        TOO_LONG,
        30_720,
    ),
    "dashscope": ProviderRefusal(
        "Qwen (DashScope)",
        400,
        {
            "code": "InvalidParameter",
            "message": "Range of input length should be [1,30720]",
            "request_id": "b3",
        },
        TOO_LONG,
        30_720,
    ),
    "moonshot": ProviderRefusal(
        "Moonshot",
        400,
        openai("Invalid request: Your request exceeded model token limit: 8192"),
        TOO_LONG,
        8192,
    ),
    "zhipu": ProviderRefusal(
        "Zhipu", 400, {"error": {"code": "1261", "message": "Prompt 超长"}}, TOO_LONG
    ),
    "minimax": ProviderRefusal(
        "MiniMax",
        400,
        {
            "base_resp": {
                "status_code": 2013,
                "status_msg": "invalid params, context window exceeds limit",
            }
        },
        TOO_LONG,
    ),
    "volcengine": ProviderRefusal(
        "Volcengine Ark",
        400,
        openai(
            "Total tokens of image and text exceed max message tokens. Request id: 02",
            "InvalidParameter",
            "BadRequest",
        ),
        TOO_LONG,
    ),
    "sglang": ProviderRefusal(
        "SGLang",
        400,
        {
            "object": "error",
            "message": (
                "The input (5000 tokens) is longer than the model's context length (4096 tokens)."
            ),
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
        TOO_LONG,
        4096,
    ),
    "vllm: decoder": ProviderRefusal(
        "vLLM",
        400,
        vllm(
            "The decoder prompt (length 9000) is longer than the maximum model length of 8192. Make"
            " sure that `max_model_len` is"
        ),
        TOO_LONG,
        8192,
    ),
    "vllm: old": ProviderRefusal(
        "vLLM", 400, vllm("max_tokens must be at least 1, got -5."), TOO_LONG
    ),
    "vllm: passed": ProviderRefusal(
        "vLLM",
        400,
        {
            "error": vllm(
                "You passed 8193 input tokens and requested 1 output tokens. However, the model's"
                " context length is only 8192 tokens, resulting in a maximum input length of 8191"
                " tokens. Please reduce the length of the input prompt."
            )
        },
        TOO_LONG,
        8192,
    ),
    "tgi": ProviderRefusal(
        "TGI",
        422,
        {
            "error": (
                "Input validation error: `inputs` must have less than 4095 tokens. Given: 9000"
            ),
            "error_type": "validation",
        },
        TOO_LONG,
        4095,
    ),
    "bedrock": ProviderRefusal(
        "Bedrock",
        400,
        {"message": "Input is too long for requested model.", "__type": "ValidationException"},
        TOO_LONG,
    ),
    "bedrock: tokens": ProviderRefusal(
        "Bedrock", 400, {"message": "400 Bad Request: too many input tokens"}, TOO_LONG
    ),
    "cohere": ProviderRefusal(
        "Cohere",
        400,
        {
            "message": (
                "too many tokens: total number of tokens in the prompt cannot exceed 4081 -"
                " received 5000."
            )
        },
        TOO_LONG,
        4081,
    ),
    "llama.cpp": ProviderRefusal(
        "llama.cpp",
        400,
        {
            "error": {
                "code": 400,
                "message": "the request exceeds the available context size, try increasing it",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 9000,
                "n_ctx": 4096,
            }
        },
        TOO_LONG,
        4096,
    ),
    "llama.cpp: old": ProviderRefusal(
        "llama.cpp",
        500,
        openai(
            "the request exceeds the available context size. try increasing the context size or"
            " enable context shift",
            500,
            "server_error",
        ),
        TOO_LONG,
    ),
    "llama.cpp: shift": ProviderRefusal(
        "llama.cpp", 500, openai("context shift is disabled", 500, "server_error"), TOO_LONG
    ),
    "llama.cpp: batch": ProviderRefusal(
        "llama.cpp",
        500,
        openai(
            "input is too large to process. increase the physical batch size", 500, "server_error"
        ),
        TOO_LONG,
    ),
    "lm studio": ProviderRefusal(
        "LM Studio",
        400,
        {
            "error": (
                "Trying to keep the first 9000 tokens when context the overflows. However, the"
                " model is loaded with context length of only 4096 tokens, which is not enough."
            )
        },
        TOO_LONG,
        4096,
    ),
    "lm studio: keep": ProviderRefusal(
        "LM Studio",
        400,
        {
            "error": (
                "The number of tokens to keep from the initial prompt is greater than the context"
                " length."
            )
        },
        TOO_LONG,
    ),
    "ollama": ProviderRefusal(
        "Ollama",
        400,
        openai("input length exceeds maximum context length", None, "api_error"),
        TOO_LONG,
    ),
    "groq": ProviderRefusal(
        "Groq",
        400,
        openai(
            "Please reduce the length of the messages or completion.",
            "context_length_exceeded",
            param="messages",
        ),
        TOO_LONG,
    ),
    "groq: minute": ProviderRefusal(
        "Groq",
        413,
        openai(
            "Request too large for model `llama-3` in organization `org_x` on tokens per minute"
            " (TPM): Limit 6000, Requested 8000, please reduce your message size and try again.",
            "rate_limit_exceeded",
            "tokens",
        ),
        TOO_LONG,
    ),
    "cerebras": ProviderRefusal(
        "Cerebras",
        400,
        {
            "message": (
                "Please reduce the length of the messages or completion. Current length is 10000"
                " while limit is 8192"
            ),
            "type": "invalid_request_error",
            "param": "messages",
            "code": "context_length_exceeded",
        },
        TOO_LONG,
        8192,
    ),
    "fireworks": ProviderRefusal(
        "Fireworks",
        400,
        openai("The prompt is too long: 14000, model maximum context length: 13107"),
        TOO_LONG,
        13_107,
    ),
    "openrouter: raw": ProviderRefusal(
        "OpenRouter", 400, {"error": _OPENROUTER_RAW, "user_id": "user_x"}, TOO_LONG, 16_385
    ),
    "cloudflare": ProviderRefusal(
        "Cloudflare Workers AI",
        400,
        {
            "errors": [
                {
                    "message": (
                        "AiError: The estimated number of input and maximum output tokens (9000)"
                        " exceeded this model context window limit (8192)."
                    ),
                    "code": 5021,
                }
            ],
            "success": False,
        },
        TOO_LONG,
        8192,
    ),
    "github": ProviderRefusal(
        "GitHub Models",
        413,
        openai(
            "Request body too large for gpt-4o model. Max size: 8000 tokens.",
            "tokens_limit_reached",
        ),
        TOO_LONG,
        8000,
    ),
    "litellm": ProviderRefusal(
        "LiteLLM",
        400,
        openai(
            "litellm.ContextWindowExceededError: litellm.BadRequestError: AnthropicException -"
            ' {"type":"error","error":{"type":"invalid_request_error","message":"prompt is too'
            ' long: 21000 tokens > 20000 maximum"}}',
            "400",
            None,
        ),
        TOO_LONG,
        20_000,
    ),
    "tensorrt": ProviderRefusal(
        "TensorRT-LLM",
        400,
        {
            "object": "error",
            "message": "Prompt length (9000) should not exceed max_input_len (8192)",
        },
        TOO_LONG,
        8192,
    ),
    "watsonx": ProviderRefusal(
        "watsonx.ai",
        400,
        {
            "errors": [
                {
                    "code": "invalid_input_argument",
                    "message": (
                        "the number of input tokens 5000 cannot exceed the total tokens limit 4096"
                        " for this model"
                    ),
                }
            ]
        },
        TOO_LONG,
        4096,
    ),
    "tabby": ProviderRefusal(
        "TabbyAPI",
        400,
        {"detail": "Prompt length 9000 is greater than max_seq_len 8192"},
        TOO_LONG,
        8192,
    ),
    "nginx": ProviderRefusal("nginx", 413, _413, TOO_LONG, headers={"content-type": "text/html"}),
    "plain 413": ProviderRefusal(
        "any proxy", 413, b"Payload Too Large", TOO_LONG, headers={"content-type": "text/plain"}
    ),
}
