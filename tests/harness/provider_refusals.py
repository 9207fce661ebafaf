"""How providers and servers refuse a request, as they were seen or as their manuals and source have it: one table for all tests.

The next one is a line. `docs/providers.md` is written from it.
"""

from tests.harness.provider_refusal import (
    BUSY,
    FILTER,
    FORBIDDEN,
    KEY,
    NO_CREDIT,
    OUTPUT,
    PARAMETER,
    SYSTEM,
    TOO_LONG,
    UNKNOWN_MODEL,
    WHOLE,
    ProviderRefusal,
    anthropic,
    gemini,
    openai,
    vllm,
)
from tests.harness.refusal_corners import REFUSAL_CORNERS

__all__ = [
    "BUSY",
    "FILTER",
    "FORBIDDEN",
    "KEY",
    "NO_CREDIT",
    "OUTPUT",
    "PARAMETER",
    "REFUSALS",
    "SYSTEM",
    "TOO_LONG",
    "UNKNOWN_MODEL",
    "WHOLE",
    "meaning",
    "openai",
]

_GEMINI_LONG = "The input token count (1,200,000) exceeds the maximum number of tokens allowed (1048576)."
_GEMINI_QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: "
    "https://ai.google.dev/gemini-api/docs/rate-limits.\n* Quota exceeded for metric: "
    "generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 10\nPlease retry in 2.34s."
)
_RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2s"}
_RAW = '{"error":{"message":"This model\'s maximum context length is 16385 tokens. However, your messages resulted in 20000 tokens."}}'
_OPENROUTER_RAW = {"message": "Provider returned error", "code": 400, "metadata": {"raw": _RAW, "provider_name": "Azure"}}
_413 = (
    b"<html>\r\n<head><title>413 Request Entity Too Large</title></head><body><center><h1>413 Request Entity Too Large</h1></center></body>"
)

REFUSALS = {
    # --- The prompt is too long ------------------------------------------------------------------
    "openai: messages": ProviderRefusal(
        "OpenAI",
        400,
        openai(
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 8500 tokens.", "context_length_exceeded"
        ),
        TOO_LONG,
        8192,
    ),
    "openai: window": ProviderRefusal(
        "OpenAI", 400, openai("Your input exceeds the context window of this model. Please adjust your input and try again."), TOO_LONG
    ),
    "openai: configured": ProviderRefusal(
        "OpenAI",
        400,
        openai("Input tokens exceed the configured limit of 27,200 tokens. Your messages resulted in 30,000 tokens."),
        TOO_LONG,
        27_200,
    ),
    "openai: string": ProviderRefusal(
        "OpenAI", 400, openai("Invalid 'messages[1].content': string too long.", "string_above_max_length"), TOO_LONG
    ),
    "azure": ProviderRefusal(
        "Azure",
        400,
        openai("This model's maximum context length is 4,096 tokens, however you requested 5,000 tokens.", "context_length_exceeded"),
        TOO_LONG,
        4096,
    ),
    "anthropic": ProviderRefusal(
        "Anthropic", 400, anthropic("invalid_request_error", "prompt is too long: 212345 tokens > 20000 maximum"), TOO_LONG, 20_000
    ),
    "anthropic: size": ProviderRefusal("Anthropic", 413, anthropic("request_too_large", "Request exceeds the maximum size"), TOO_LONG),
    "gemini: object": ProviderRefusal("Gemini", 400, gemini(400, _GEMINI_LONG, "INVALID_ARGUMENT"), TOO_LONG),
    "gemini: array": ProviderRefusal("Gemini", 400, [gemini(400, _GEMINI_LONG, "INVALID_ARGUMENT")], TOO_LONG),
    "vertex": ProviderRefusal(
        "Vertex AI",
        400,
        [
            gemini(
                400,
                "Unable to submit request because the input token count is 40000 but model only supports up to 32768.",
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
            "error": "This model's maximum prompt length is 13107 but the request contains 53781 tokens.",
        },
        TOO_LONG,
        13_107,
    ),
    "mistral": ProviderRefusal(
        "Mistral",
        400,
        {
            "object": "error",
            "message": "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
            "type": "invalid_request_prompt",
            "code": "3051",
        },
        TOO_LONG,
        32_768,
    ),
    "qwen": ProviderRefusal(
        "Qwen",
        400,
        openai("<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]", "invalid_parameter_error"),
        TOO_LONG,
        30_720,
    ),
    "dashscope": ProviderRefusal(
        "Qwen (DashScope)",
        400,
        {"code": "InvalidParameter", "message": "Range of input length should be [1,30720]", "request_id": "b3"},
        TOO_LONG,
        30_720,
    ),
    "moonshot": ProviderRefusal("Moonshot", 400, openai("Invalid request: Your request exceeded model token limit: 8192"), TOO_LONG, 8192),
    "zhipu": ProviderRefusal("Zhipu", 400, {"error": {"code": "1261", "message": "Prompt 超长"}}, TOO_LONG),
    "minimax": ProviderRefusal(
        "MiniMax", 400, {"base_resp": {"status_code": 2013, "status_msg": "invalid params, context window exceeds limit"}}, TOO_LONG
    ),
    "volcengine": ProviderRefusal(
        "Volcengine Ark",
        400,
        openai("Total tokens of image and text exceed max message tokens. Request id: 02", "InvalidParameter", "BadRequest"),
        TOO_LONG,
    ),
    "sglang": ProviderRefusal(
        "SGLang",
        400,
        {
            "object": "error",
            "message": "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
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
        vllm("The decoder prompt (length 9000) is longer than the maximum model length of 8192. Make sure that `max_model_len` is"),
        TOO_LONG,
        8192,
    ),
    "vllm: old": ProviderRefusal("vLLM", 400, vllm("max_tokens must be at least 1, got -5."), TOO_LONG),
    "vllm: passed": ProviderRefusal(
        "vLLM",
        400,
        {
            "error": vllm(
                "You passed 8193 input tokens and requested 1 output tokens. However, the model's context length is only 8192 tokens, "
                "resulting in a maximum input length of 8191 tokens. Please reduce the length of the input prompt."
            )
        },
        TOO_LONG,
        8192,
    ),
    "tgi": ProviderRefusal(
        "TGI",
        422,
        {"error": "Input validation error: `inputs` must have less than 4095 tokens. Given: 9000", "error_type": "validation"},
        TOO_LONG,
        4095,
    ),
    "bedrock": ProviderRefusal(
        "Bedrock", 400, {"message": "Input is too long for requested model.", "__type": "ValidationException"}, TOO_LONG
    ),
    "bedrock: tokens": ProviderRefusal("Bedrock", 400, {"message": "400 Bad Request: too many input tokens"}, TOO_LONG),
    "cohere": ProviderRefusal(
        "Cohere",
        400,
        {"message": "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000."},
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
            "the request exceeds the available context size. try increasing the context size or enable context shift", 500, "server_error"
        ),
        TOO_LONG,
    ),
    "llama.cpp: shift": ProviderRefusal("llama.cpp", 500, openai("context shift is disabled", 500, "server_error"), TOO_LONG),
    "llama.cpp: batch": ProviderRefusal(
        "llama.cpp", 500, openai("input is too large to process. increase the physical batch size", 500, "server_error"), TOO_LONG
    ),
    "lm studio": ProviderRefusal(
        "LM Studio",
        400,
        {
            "error": "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context length of "
            "only 4096 tokens, which is not enough."
        },
        TOO_LONG,
        4096,
    ),
    "lm studio: keep": ProviderRefusal(
        "LM Studio", 400, {"error": "The number of tokens to keep from the initial prompt is greater than the context length."}, TOO_LONG
    ),
    "ollama": ProviderRefusal("Ollama", 400, openai("input length exceeds maximum context length", None, "api_error"), TOO_LONG),
    "groq": ProviderRefusal(
        "Groq",
        400,
        openai("Please reduce the length of the messages or completion.", "context_length_exceeded", param="messages"),
        TOO_LONG,
    ),
    "groq: minute": ProviderRefusal(
        "Groq",
        413,
        openai(
            "Request too large for model `llama-3` in organization `org_x` on tokens per minute (TPM): Limit 6000, Requested 8000, "
            "please reduce your message size and try again.",
            "rate_limit_exceeded",
            "tokens",
        ),
        TOO_LONG,
    ),
    "cerebras": ProviderRefusal(
        "Cerebras",
        400,
        {
            "message": "Please reduce the length of the messages or completion. Current length is 10000 while limit is 8192",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "context_length_exceeded",
        },
        TOO_LONG,
        8192,
    ),
    "fireworks": ProviderRefusal(
        "Fireworks", 400, openai("The prompt is too long: 14000, model maximum context length: 13107"), TOO_LONG, 13_107
    ),
    "openrouter: raw": ProviderRefusal("OpenRouter", 400, {"error": _OPENROUTER_RAW, "user_id": "user_x"}, TOO_LONG, 16_385),
    "cloudflare": ProviderRefusal(
        "Cloudflare Workers AI",
        400,
        {
            "errors": [
                {
                    "message": "AiError: The estimated number of input and maximum output tokens (9000) exceeded this model context "
                    "window limit (8192).",
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
        openai("Request body too large for gpt-4o model. Max size: 8000 tokens.", "tokens_limit_reached"),
        TOO_LONG,
        8000,
    ),
    "litellm": ProviderRefusal(
        "LiteLLM",
        400,
        openai(
            "litellm.ContextWindowExceededError: litellm.BadRequestError: AnthropicException - "
            '{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 21000 tokens > 20000 maximum"}}',
            "400",
            None,
        ),
        TOO_LONG,
        20_000,
    ),
    "tensorrt": ProviderRefusal(
        "TensorRT-LLM", 400, {"object": "error", "message": "Prompt length (9000) should not exceed max_input_len (8192)"}, TOO_LONG, 8192
    ),
    "watsonx": ProviderRefusal(
        "watsonx.ai",
        400,
        {
            "errors": [
                {
                    "code": "invalid_input_argument",
                    "message": "the number of input tokens 5000 cannot exceed the total tokens limit 4096 for this model",
                }
            ]
        },
        TOO_LONG,
        4096,
    ),
    "tabby": ProviderRefusal("TabbyAPI", 400, {"detail": "Prompt length 9000 is greater than max_seq_len 8192"}, TOO_LONG, 8192),
    "nginx": ProviderRefusal("nginx", 413, _413, TOO_LONG, headers={"content-type": "text/html"}),
    "plain 413": ProviderRefusal("any proxy", 413, b"Payload Too Large", TOO_LONG, headers={"content-type": "text/plain"}),
    # --- Prompt and answer together do not fit: a short prompt is no fault of the person's -------
    "openai: whole": ProviderRefusal(
        "OpenAI",
        400,
        openai(
            "This model's maximum context length is 8192 tokens. However, you requested 16400 tokens (16 in the messages, 16384 in the "
            "completion). Please reduce the length of the messages or completion.",
            "context_length_exceeded",
        ),
        WHOLE,
        8192,
    ),
    "vllm: whole": ProviderRefusal(
        "vLLM",
        400,
        vllm(
            "'max_tokens' or 'max_completion_tokens' is too large: 16384. This model's maximum context length is 8192 tokens and your "
            "request has 30 input tokens (16384 > 8192 - 30). (parameter=max_tokens, value=16384)"
        ),
        WHOLE,
        8192,
    ),
    "vllm: at least": ProviderRefusal(
        "vLLM",
        400,
        {
            "error": {
                "message": "This model's maximum context length is 8192 tokens. However, you requested 16384 output tokens and your prompt "
                "contains at least 1 input tokens, for a total of at least 16385 tokens.",
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
            "message": "Requested token count exceeds the model's maximum context length of 4096 tokens. "
            "You requested a total of 16400 tokens: "
            "16 tokens from the input messages and 16384 tokens for the completion.",
        },
        WHOLE,
        4096,
    ),
    "tgi: whole": ProviderRefusal(
        "TGI",
        422,
        {
            "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 50 `inputs` tokens and 16384 "
            "`max_new_tokens`",
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
                "message": "This endpoint's maximum context length is 13,107 tokens. However, you requested about 16,400 tokens "
                "(16 of text input, 16,384 in the output). Please reduce the length of either one.",
            }
        },
        WHOLE,
        13_107,
    ),
    "anthropic: whole": ProviderRefusal(
        "Anthropic",
        400,
        anthropic(
            "invalid_request_error", "input length and `max_tokens` exceed context limit: 19 + 16384 > 16000, decrease input length or"
        ),
        WHOLE,
        16_000,
    ),
    # --- The answer's limit is too large ---------------------------------------------------------
    "openai: output": ProviderRefusal(
        "OpenAI",
        400,
        openai(
            "max_tokens is too large: 16384. This model supports at most 4096 completion tokens, whereas you provided 16384.",
            "invalid_value",
            param="max_tokens",
        ),
        OUTPUT,
        4096,
    ),
    "anthropic: output": ProviderRefusal(
        "Anthropic",
        400,
        anthropic("invalid_request_error", "max_tokens: 16384 > 8192, which is the maximum allowed number of output tokens for claude-3-5"),
        OUTPUT,
        8192,
    ),
    "deepseek: output": ProviderRefusal(
        "DeepSeek", 400, openai("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"), OUTPUT, 8192
    ),
    "qwen: output": ProviderRefusal(
        "Qwen", 400, openai("<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 8192]"), OUTPUT, 8192
    ),
    "groq: output": ProviderRefusal(
        "Groq",
        400,
        openai(
            "`max_completion_tokens` must be less than or equal to `8192`, the maximum value for `max_completion_tokens` is less than the "
            "`context_window` for this model",
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
                "Unable to submit request because it has a maxOutputTokens value of 16384 but the supported range is from 1 (inclusive) "
                "to 8193 (exclusive). Update the value and try again.",
                "INVALID_ARGUMENT",
            )
        ],
        OUTPUT,
        8192,
    ),
    "cohere: output": ProviderRefusal(
        "Cohere", 400, {"message": "too many tokens: max tokens must be less than or equal to 4096 - received 16384."}, OUTPUT, 4096
    ),
    "bedrock: output": ProviderRefusal(
        "Bedrock",
        400,
        {
            "message": "The maximum tokens you requested exceeds the model limit of 8192. "
            "Try again with a maximum tokens value that is lower than "
            "8192."
        },
        OUTPUT,
        8191,
    ),
    "several: output": ProviderRefusal("several", 422, {"detail": "max_tokens must be <= 8,192"}, OUTPUT, 8192),
    "zhipu: output": ProviderRefusal(
        "Zhipu", 400, {"error": {"code": "1210", "message": "max_tokens 参数非法。取值范围为[1,4095]"}}, OUTPUT, 4095
    ),
    "unsaid: output": ProviderRefusal("several", 400, openai("max_tokens is too large"), OUTPUT),
    # --- What is sent for the site's own sake ----------------------------------------------------
    "openai: max_completion_tokens": ProviderRefusal(
        "OpenAI, older", 400, openai("Unrecognized request argument supplied: max_completion_tokens"), PARAMETER
    ),
    "mistral: max_completion_tokens": ProviderRefusal(
        "Mistral",
        422,
        {
            "detail": [
                {
                    "type": "extra_forbidden",
                    "loc": ["body", "max_completion_tokens"],
                    "msg": "Extra inputs are not permitted",
                    "input": 16384,
                }
            ]
        },
        PARAMETER,
    ),
    "gateway: max_completion_tokens": ProviderRefusal(
        "several", 400, {"error": "got an unexpected keyword argument 'max_completion_tokens'"}, PARAMETER
    ),
    "mistral: stream_options": ProviderRefusal(
        "Mistral",
        422,
        {
            "detail": [
                {
                    "type": "extra_forbidden",
                    "loc": ["body", "stream_options"],
                    "msg": "Extra inputs are not permitted",
                    "input": {"include_usage": True},
                }
            ]
        },
        PARAMETER,
    ),
    "openai: stream_options": ProviderRefusal(
        "OpenAI, older", 400, openai("Unrecognized request argument supplied: stream_options"), PARAMETER
    ),
    "gemini: stream_options": ProviderRefusal(
        "Gemini",
        400,
        [gemini(400, 'Invalid JSON payload received. Unknown name "stream_options": Cannot find field.', "INVALID_ARGUMENT")],
        PARAMETER,
    ),
    "go: stream_options": ProviderRefusal("servers in Go", 400, {"error": 'json: unknown field "stream_options"'}, PARAMETER),
    "serde: stream_options": ProviderRefusal("servers in Rust", 422, b"Failed to deserialize: unknown field `stream_options`", PARAMETER),
    "azure: stream_options": ProviderRefusal(
        "Azure", 400, openai("This model does not support the parameter 'stream_options'.", "unsupported_parameter"), PARAMETER
    ),
    "openai: stream": ProviderRefusal(
        "OpenAI",
        400,
        openai("Unsupported value: 'stream' does not support true with this model.", "unsupported_value", param="stream"),
        PARAMETER,
    ),
    # --- The system role -------------------------------------------------------------------------
    "gemma": ProviderRefusal("vLLM with Gemma", 400, vllm("System role not supported"), SYSTEM),
    "gemma: llama.cpp": ProviderRefusal(
        "llama.cpp with Gemma", 500, openai("Jinja Exception: System role not supported at row 1, column 60", 500, "server_error"), SYSTEM
    ),
    "gemma: gemini": ProviderRefusal(
        "Gemini with Gemma",
        400,
        [gemini(400, "Developer instruction is not enabled for models/gemma-3-27b-it", "INVALID_ARGUMENT")],
        SYSTEM,
    ),
    "o1": ProviderRefusal(
        "OpenAI",
        400,
        openai(
            "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
            "unsupported_value",
            param="messages[0].role",
        ),
        SYSTEM,
    ),
    "mistral's template": ProviderRefusal(
        "vLLM with Mistral", 400, vllm("Conversation roles must alternate user/assistant/user/assistant/..."), SYSTEM
    ),
    "template": ProviderRefusal("LM Studio", 400, {"error": "Only user and assistant roles are supported!"}, SYSTEM),
    # --- No credit -------------------------------------------------------------------------------
    "openai: quota": ProviderRefusal(
        "OpenAI",
        429,
        openai("You exceeded your current quota, please check your plan and billing details.", "insufficient_quota", "insufficient_quota"),
        NO_CREDIT,
    ),
    "openai: billing": ProviderRefusal(
        "OpenAI", 400, openai("Billing hard limit has been reached", "billing_hard_limit_reached"), NO_CREDIT
    ),
    "openai: inactive": ProviderRefusal(
        "OpenAI",
        429,
        openai("Your account is not active, please check your billing details on our website.", "billing_not_active"),
        NO_CREDIT,
    ),
    "anthropic: credit": ProviderRefusal(
        "Anthropic",
        400,
        anthropic(
            "invalid_request_error", "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade"
        ),
        NO_CREDIT,
    ),
    "anthropic: limits": ProviderRefusal(
        "Anthropic", 400, anthropic("invalid_request_error", "You have reached your specified API usage limits."), NO_CREDIT
    ),
    "deepseek: credit": ProviderRefusal(
        "DeepSeek", 402, openai("Insufficient Balance", "invalid_request_error", "unknown_error"), NO_CREDIT
    ),
    "bare 402": ProviderRefusal("several", 402, b"", NO_CREDIT),
    "xai: new": ProviderRefusal(
        "xAI",
        403,
        {
            "code": "The caller does not have permission to execute the specified operation",
            "error": "Your newly created teams doesn't have any credits yet. You can purchase credits on https://console.x.ai.",
        },
        NO_CREDIT,
    ),
    "xai: used": ProviderRefusal(
        "xAI",
        429,
        {
            "code": "Some resource has been exhausted",
            "error": "Your team x has either used all available credits or reached its monthly spending limit. "
            "To continue making API requests, "
            "please purchase more credits or raise your spending limit.",
        },
        NO_CREDIT,
    ),
    "gemini: prepaid": ProviderRefusal(
        "Gemini",
        429,
        gemini(429, "Your prepayment credits are depleted. Please go to AI Studio to manage your billing.", "RESOURCE_EXHAUSTED"),
        NO_CREDIT,
    ),
    "gemini: billing": ProviderRefusal(
        "Gemini", 403, gemini(403, "This API method requires billing to be enabled.", "PERMISSION_DENIED"), NO_CREDIT
    ),
    "qwen: credit": ProviderRefusal(
        "Qwen (DashScope)",
        400,
        {"code": "Arrearage", "message": "Access denied, please make sure your account is in good standing."},
        NO_CREDIT,
    ),
    "qwen: free": ProviderRefusal(
        "Qwen", 403, openai("The free tier of the model has been exhausted.", "AllocationQuota.FreeTierOnly"), NO_CREDIT
    ),
    "moonshot: credit": ProviderRefusal(
        "Moonshot",
        429,
        {
            "error": {
                "message": "Your account org-x is suspended, please check your plan and billing details",
                "type": "exceeded_current_quota_error",
            }
        },
        NO_CREDIT,
    ),
    "zhipu: credit": ProviderRefusal("Zhipu", 429, {"error": {"code": "1113", "message": "余额不足或无可用资源包,请充值。"}}, NO_CREDIT),
    "siliconflow": ProviderRefusal(
        "SiliconFlow", 403, {"code": 30001, "message": "Sorry, your account balance is insufficient"}, NO_CREDIT
    ),
    "volcengine: credit": ProviderRefusal(
        "Volcengine Ark",
        403,
        openai("The request failed because your account has an overdue balance.", "AccountOverdueError", "Forbidden"),
        NO_CREDIT,
    ),
    "openrouter: credit": ProviderRefusal(
        "OpenRouter",
        402,
        {
            "error": {
                "code": 402,
                "message": "This request requires more credits, or fewer max_tokens. You requested up to 16384 tokens, but can "
                "only afford 5000.",
            }
        },
        NO_CREDIT,
    ),
    "openrouter: key": ProviderRefusal(
        "OpenRouter", 403, {"error": {"code": 403, "message": "Key limit exceeded (total limit)."}}, NO_CREDIT
    ),
    "perplexity": ProviderRefusal(
        "Perplexity",
        401,
        openai("You exceeded your current quota, please check your plan and billing details", 401, "insufficient_quota"),
        NO_CREDIT,
    ),
    "hugging face": ProviderRefusal(
        "Hugging Face", 402, {"error": "You have exceeded your monthly included credits for Inference Providers."}, NO_CREDIT
    ),
    # --- The content -----------------------------------------------------------------------------
    "azure: filter": ProviderRefusal(
        "Azure",
        400,
        {
            "error": {
                "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
                "type": None,
                "param": "prompt",
                "code": "content_filter",
                "status": 400,
                "innererror": {"code": "ResponsibleAIPolicyViolation"},
            }
        },
        FILTER,
    ),
    "openai: filter": ProviderRefusal(
        "OpenAI",
        400,
        openai("Invalid prompt: your prompt was flagged as potentially violating our usage policy.", "invalid_prompt"),
        FILTER,
    ),
    "qwen: filter": ProviderRefusal(
        "Qwen",
        400,
        openai("<400> InternalError.Algo.DataInspectionFailed: Input data may contain inappropriate content.", "data_inspection_failed"),
        FILTER,
    ),
    "dashscope: filter": ProviderRefusal(
        "Qwen (DashScope)", 400, {"code": "DataInspectionFailed", "message": "Output data may contain inappropriate content."}, FILTER
    ),
    "deepseek: filter": ProviderRefusal("DeepSeek", 400, openai("Content Exists Risk"), FILTER),
    "zhipu: filter": ProviderRefusal(
        "Zhipu",
        400,
        {
            "contentFilter": [{"level": 1, "role": "user"}],
            "error": {"code": "1301", "message": "系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入易产生敏感内容的提示语"},
        },
        FILTER,
    ),
    "minimax: filter": ProviderRefusal("MiniMax", 400, {"base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}}, FILTER),
    "moonshot: filter": ProviderRefusal(
        "Moonshot",
        400,
        {"error": {"message": "The request was rejected because it was considered high risk", "type": "content_filter"}},
        FILTER,
    ),
    "openrouter: filter": ProviderRefusal(
        "OpenRouter",
        403,
        {
            "error": {
                "code": 403,
                "message": 'openai/gpt-4o requires moderation on OpenAI. Your input was flagged for "violence". No credits were charged.',
                "metadata": {"reasons": ["violence"], "flagged_input": "…"},
            }
        },
        FILTER,
    ),
    "xai: filter": ProviderRefusal(
        "xAI", 403, {"code": "permission-denied", "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"}, FILTER
    ),
    "gemini: filter": ProviderRefusal(
        "Gemini", 400, [gemini(400, "The prompt was blocked.", "INVALID_ARGUMENT", {"reason": "PROHIBITED_CONTENT"})], FILTER
    ),
    # --- Busy ------------------------------------------------------------------------------------
    "openai: minute": ProviderRefusal(
        "OpenAI",
        429,
        openai(
            "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000. Please "
            "try again in 2s. Visit https://platform.openai.com/account/rate-limits to learn more.",
            "rate_limit_exceeded",
            "tokens",
        ),
        BUSY,
        wait=2,
    ),
    "groq: wait": ProviderRefusal(
        "Groq",
        429,
        openai(
            "Rate limit reached for model `x` on tokens per minute (TPM): Limit 6000, Used 5000, Requested 2000. "
            "Please try again in 1.75s. "
            "Need more tokens? Upgrade to Dev Tier today at https://console.groq.com/settings/billing",
            "rate_limit_exceeded",
            "tokens",
        ),
        BUSY,
        wait=1.75,
    ),
    "gemini: minute": ProviderRefusal("Gemini", 429, [gemini(429, _GEMINI_QUOTA, "RESOURCE_EXHAUSTED", _RETRY_INFO)], BUSY, wait=2),
    "anthropic: minute": ProviderRefusal(
        "Anthropic",
        429,
        anthropic("rate_limit_error", "This request would exceed your organization's rate limit of 40,000 input tokens per minute"),
        BUSY,
        wait=2,
        headers={"retry-after": "2"},
    ),
    "zhipu: busy": ProviderRefusal("Zhipu", 429, {"error": {"code": "1302", "message": "您当前使用该API的并发数过高"}}, BUSY),
    "mistral: busy": ProviderRefusal("Mistral", 429, {"message": "Requests rate limit exceeded"}, BUSY),
    "qwen: busy": ProviderRefusal(
        "Qwen", 429, openai("You exceeded your current requests limit.", "limit_requests", "limit_requests"), BUSY
    ),
    # --- Whoever runs the site -------------------------------------------------------------------
    "openai: key": ProviderRefusal("OpenAI", 401, openai("Incorrect API key provided: sk-te***word.", "invalid_api_key"), KEY),
    "gemini: key": ProviderRefusal(
        "Gemini",
        400,
        [gemini(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", {"reason": "API_KEY_INVALID"})],
        KEY,
    ),
    "vllm: key": ProviderRefusal("vLLM", 401, {"error": "Unauthorized"}, KEY),
    "openai: region": ProviderRefusal(
        "OpenAI",
        403,
        openai("Country, region, or territory not supported", "unsupported_country_region_territory", "request_forbidden"),
        FORBIDDEN,
    ),
    "waf": ProviderRefusal(
        "Cloudflare", 403, b"<html><title>Attention Required!</title></html>", FORBIDDEN, headers={"content-type": "text/html"}
    ),
    "openai: model": ProviderRefusal(
        "OpenAI", 404, openai("The model `x` does not exist or you do not have access to it.", "model_not_found"), UNKNOWN_MODEL
    ),
    "vllm: model": ProviderRefusal("vLLM", 404, vllm("The model `x` does not exist.", "NotFoundError"), UNKNOWN_MODEL),
    "deepseek: model": ProviderRefusal("DeepSeek", 400, openai("Model Not Exist"), UNKNOWN_MODEL),
    "wrong address": ProviderRefusal("any server", 404, b"404 page not found", UNKNOWN_MODEL, headers={"content-type": "text/plain"}),
    **REFUSAL_CORNERS,
}


def meaning(*kinds: str) -> list[str]:
    """The names of the rows that mean one of these."""
    return [name for name, row in REFUSALS.items() if row.means in kinds]
