"""The codes and types by which providers and servers refuse a request; each names its source.

They are compared as a whole, in lower case. Patterns of messages are in
chat.upstream.refusal_phrases and chat.upstream.limit_phrases.
"""

TOO_LONG_CODES = frozenset(
    {
        "context_length_exceeded",  # OpenAI, Azure, Groq, Cerebras, LM Studio
        "context_window_exceeded",  # Databricks
        "contextwindowexceedederror",  # LiteLLM
        "exceed_context_size_error",  # llama.cpp
        "input_too_long",  # Jina, Cohere's gateways
        "model_context_window_exceeded",  # Bedrock, Anthropic
        "model_max_prompt_tokens_exceeded",  # GitHub Copilot
        "payload_too_large",  # Vercel, Fly
        "prompt_too_long",  # Ollama's cloud, Writer
        "request_entity_too_large",  # nginx in front of several
        "request_too_large",  # Anthropic (413)
        "string_above_max_length",  # OpenAI
        "tokens_limit_reached",  # GitHub Models
        "tokens_too_long",  # Baidu Qianfan
        "336103",  # Baidu Qianfan
        "1261",  # Zhipu
        "3051",  # Mistral
        "5021",  # Cloudflare Workers AI
    }
)
FILTER_CODES = frozenset(
    {
        "content_filter",  # OpenAI, Azure, Moonshot
        "content_filtered",  # Vercel
        "content_moderation",  # Together
        "content_policy_violation",  # OpenAI
        "data_inspection_failed",  # Qwen (DashScope), OpenAI-compatible mode
        "datainspectionfailed",  # Qwen (DashScope)
        "responsibleaipolicyviolation",  # Azure, in innererror
        "prohibited_content",  # Gemini
        "image_safety",  # Gemini
        "blocklist",  # Gemini
        "safety",  # Gemini
        "sensitive",  # Zhipu
        "sensitivecontentdetected",  # Volcengine Ark
        "inputtextsensitivecontentdetected",  # Volcengine Ark
        "outputtextsensitivecontentdetected",  # Volcengine Ark
        "invalid_prompt",  # OpenAI: "violating our usage policy"
        "moderation_blocked",  # OpenAI
        "censorship_blocked",  # StepFun
        "cyber_policy_violation",  # OpenAI
        "1301",  # Zhipu
        "1026",  # MiniMax: what was asked
        "1027",  # MiniMax: what was answered
    }
)
NO_CREDIT_CODES = frozenset(
    {
        "insufficient_quota",  # OpenAI, Perplexity, Qwen
        "billing_hard_limit_reached",  # OpenAI
        "billing_limit_user_error",  # OpenAI
        "billing_not_active",  # OpenAI
        "billing_error",  # Anthropic
        "account_deactivated",  # OpenAI
        "access_terminated",  # OpenAI
        "exceeded_current_quota_error",  # Moonshot
        "insufficient_balance",  # DeepSeek, SiliconFlow
        "insufficient_credits",  # OpenRouter, Vercel
        "insufficient_funds",  # Vercel
        "customer_verification_required",  # Vercel
        "insufficient_user_quota",  # one-api, new-api
        "credit_limit",  # Together
        "credit_balance_exhausted",  # several gateways
        "payment_required",  # Together, Hugging Face
        "out_of_credits",  # Chutes
        "arrearage",  # Qwen (DashScope)
        "accountoverdueerror",  # Volcengine Ark
        "allocationquota.freetieronly",  # Qwen (DashScope)
        "prepaidbilloverdue",  # Qwen (DashScope)
        "postpaidbilloverdue",  # Qwen (DashScope)
        "spend_limit_reached",  # Groq
        "budget_exceeded",  # LiteLLM
        "1113",  # Zhipu
        "1008",  # MiniMax
        "30001",  # SiliconFlow
    }
)
BUSY_CODES = frozenset(
    {
        "rate_limit_exceeded",  # OpenAI, Groq
        "rate_limit_error",  # Anthropic
        "rate_limit_reached_error",  # Moonshot
        "rate_limited",  # Mistral
        "rate_limit",
        "ratelimiterror",  # LiteLLM
        "ratelimitreached",  # Azure
        "too_many_requests",  # Cohere, Fireworks
        "toomanyrequests",  # vLLM's gateways
        "resource_exhausted",  # Gemini
        "throttling",  # Qwen (DashScope)
        "throttling.ratequota",  # Qwen (DashScope)
        "throttling.allocationquota",  # Qwen (DashScope)
        "throttlingexception",  # Bedrock
        "limit_requests",  # Qwen
        "limit_burst_rate",  # Qwen
        "tokens",  # OpenAI: the type of a limit of tokens a minute
        "requests",  # OpenAI: the type of a limit of requests a minute
        "capacity_exceeded",  # Groq (498)
        "service_tier_capacity_exceeded",  # Mistral
        "1300",  # Mistral
        "3505",  # Mistral
        "1302",  # Zhipu
        "1303",  # Zhipu
        "1305",  # Zhipu
        "1002",  # MiniMax
        "1039",  # MiniMax
    }
)
KEY_CODES = frozenset(
    {
        "invalid_api_key",  # OpenAI
        "invalid_authentication_error",  # Moonshot
        "authentication_error",  # Anthropic, DeepSeek
        "autherror",
        "unauthenticated",  # Gemini
        "unauthorized",
        "invalidapikey",  # Qwen
        "api_key_invalid",  # Gemini, with status 400
        "1004",  # MiniMax
        "2049",  # MiniMax
    }
)
FORBIDDEN_CODES = frozenset(
    {
        "permission_error",
        "permission_denied",
        "forbidden",
        "access_denied",
        "accessdenied",
        "model_not_allowed",
        "1220",
    }
)
UNKNOWN_MODEL_CODES = frozenset(
    {
        "model_not_found",  # OpenAI
        "model_decommissioned",  # Groq
        "not_found_error",  # Anthropic, vLLM (as NotFoundError: below)
        "notfounderror",  # vLLM
        "deploymentnotfound",  # Azure
        "model_not_exist",  # DeepSeek
        "resource_not_found_error",  # Moonshot
        "modelnotfound",  # Qwen
        "1211",  # Zhipu
        "1500",  # Mistral
    }
)
# Errors inside a stream, without a status, that the same request would meet again.
REJECTION_CODES = frozenset(
    {
        "invalid_request_error",  # OpenAI, Anthropic
        "invalid_request",
        "invalid_argument",  # Gemini
        "invalid_parameter_error",  # Qwen
        "invalidparameter",  # Qwen, Volcengine Ark
        "badrequesterror",  # vLLM, LiteLLM
        "bad_request",
        "validationexception",  # Bedrock
        "validation",  # TGI
        "invalid_value",
        "failed_precondition",  # Gemini
    }
)
UNSUPPORTED_CODES = frozenset(
    {
        "unsupported_parameter",  # OpenAI
        "unsupported_value",  # OpenAI
        "unknown_parameter",  # OpenAI
        "extra_forbidden",  # pydantic: FastAPI, Mistral, vLLM
        "value_error.extra",  # pydantic 1
        "unexpected_keyword_argument",  # pydantic dataclasses
    }
)
