"""Refusals of the content, and of a server that is busy."""

from tests.harness.upstream_quirks.refusal import (
    BUSY,
    FILTER,
    ProviderRefusal,
    anthropic,
    gemini,
    openai,
)

_GEMINI_QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. For more"
    " information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.\n*"
    " Quota exceeded for metric:"
    " generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 10\nPlease"
    " retry in 2.34s."
)
_RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2s"}

CONTENT: dict[str, ProviderRefusal] = {
    "azure: filter": ProviderRefusal(
        "Azure",
        400,
        {
            "error": {
                "message": (
                    "The response was filtered due to the prompt triggering Azure OpenAI's content"
                    " management policy."
                ),
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
        openai(
            "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
            "invalid_prompt",
        ),
        FILTER,
    ),
    "qwen: filter": ProviderRefusal(
        "Qwen",
        400,
        openai(
            "<400> InternalError.Algo.DataInspectionFailed: Input data may contain inappropriate"
            " content.",
            "data_inspection_failed",
        ),
        FILTER,
    ),
    "dashscope: filter": ProviderRefusal(
        "Qwen (DashScope)",
        400,
        {
            "code": "DataInspectionFailed",
            "message": "Output data may contain inappropriate content.",
        },
        FILTER,
    ),
    "deepseek: filter": ProviderRefusal("DeepSeek", 400, openai("Content Exists Risk"), FILTER),
    "zhipu: filter": ProviderRefusal(
        "Zhipu",
        400,
        {
            "contentFilter": [{"level": 1, "role": "user"}],
            "error": {
                "code": "1301",
                "message": (
                    "系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入易产生敏感内容的提示语"
                ),
            },
        },
        FILTER,
    ),
    "minimax: filter": ProviderRefusal(
        "MiniMax",
        400,
        {"base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}},
        FILTER,
    ),
    "moonshot: filter": ProviderRefusal(
        "Moonshot",
        400,
        {
            "error": {
                "message": "The request was rejected because it was considered high risk",
                "type": "content_filter",
            }
        },
        FILTER,
    ),
    "openrouter: filter": ProviderRefusal(
        "OpenRouter",
        403,
        {
            "error": {
                "code": 403,
                "message": (
                    "openai/gpt-4o requires moderation on OpenAI. Your input was flagged for"
                    ' "violence". No credits were charged.'
                ),
                "metadata": {"reasons": ["violence"], "flagged_input": "…"},
            }
        },
        FILTER,
    ),
    "xai: filter": ProviderRefusal(
        "xAI",
        403,
        {
            "code": "permission-denied",
            "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO",
        },
        FILTER,
    ),
    "gemini: filter": ProviderRefusal(
        "Gemini",
        400,
        [
            gemini(
                400, "The prompt was blocked.", "INVALID_ARGUMENT", {"reason": "PROHIBITED_CONTENT"}
            )
        ],
        FILTER,
    ),
}

CONTENT_CORNERS: dict[str, ProviderRefusal] = {
    "anthropic: filter": ProviderRefusal(
        "Anthropic",
        400,
        anthropic("invalid_request_error", "Output blocked by content filtering policy"),
        FILTER,
    ),
    "stepfun: filter": ProviderRefusal(
        "StepFun",
        451,
        openai(
            "The content you provided or machine outputted is blocked.", None, "censorship_blocked"
        ),
        FILTER,
    ),
    "cloudflare: guardrail": ProviderRefusal(
        "Cloudflare",
        424,
        {
            "success": False,
            "error": [{"code": 2016, "message": "Prompt blocked due to security configurations"}],
        },
        FILTER,
    ),
    "volcengine: filter": ProviderRefusal(
        "Volcengine Ark",
        400,
        openai(
            "The request failed because the input text may contain sensitive information.",
            "InputTextSensitiveContentDetected",
        ),
        FILTER,
    ),
    "bedrock: filter": ProviderRefusal(
        "Bedrock",
        400,
        {"message": "The generated text has been blocked by our content filters."},
        FILTER,
    ),
    "spark: filter": ProviderRefusal(
        "Spark", 400, openai("用户输入内容涉及敏感信息", "10013"), FILTER
    ),
}

LOAD: dict[str, ProviderRefusal] = {
    "openai: minute": ProviderRefusal(
        "OpenAI",
        429,
        openai(
            "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit"
            " 30000, Used 29000, Requested 2000. Please try again in 2s. Visit"
            " https://platform.openai.com/account/rate-limits to learn more.",
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
            "Rate limit reached for model `x` on tokens per minute (TPM): Limit 6000, Used 5000,"
            " Requested 2000. Please try again in 1.75s. Need more tokens? Upgrade to Dev Tier"
            " today at https://console.groq.com/settings/billing",
            "rate_limit_exceeded",
            "tokens",
        ),
        BUSY,
        wait=1.75,
    ),
    "gemini: minute": ProviderRefusal(
        "Gemini", 429, [gemini(429, _GEMINI_QUOTA, "RESOURCE_EXHAUSTED", _RETRY_INFO)], BUSY, wait=2
    ),
    "anthropic: minute": ProviderRefusal(
        "Anthropic",
        429,
        anthropic(
            "rate_limit_error",
            "This request would exceed your organization's rate limit of 40,000 input tokens per"
            " minute",
        ),
        BUSY,
        wait=2,
        headers={"retry-after": "2"},
    ),
    "zhipu: busy": ProviderRefusal(
        "Zhipu", 429, {"error": {"code": "1302", "message": "您当前使用该API的并发数过高"}}, BUSY
    ),
    "mistral: busy": ProviderRefusal(
        "Mistral", 429, {"message": "Requests rate limit exceeded"}, BUSY
    ),
    "qwen: busy": ProviderRefusal(
        "Qwen",
        429,
        openai("You exceeded your current requests limit.", "limit_requests", "limit_requests"),
        BUSY,
    ),
}

LOAD_CORNERS: dict[str, ProviderRefusal] = {
    "azure: minute": ProviderRefusal(
        "Azure",
        429,
        openai(
            "Requests to the ChatCompletions_Create Operation have exceeded call rate limit "
            "of your current pricing tier. Please retry after 2 seconds. Please go here: "
            "https://aka.ms/oai/quotaincrease if you would like to further increase the "
            "default rate limit.",
            "429",
            None,
        ),
        BUSY,
        wait=2,
    ),
    "openrouter: upstream": ProviderRefusal(
        "OpenRouter",
        429,
        {
            "error": {
                "message": "Provider returned error",
                "code": 429,
                "metadata": {
                    "raw": (
                        "x/y:free is temporarily rate-limited upstream. Please retry shortly, or"
                        " add your own key to accumulate your rate limits:"
                        " https://openrouter.ai/settings/integrations"
                    )
                },
            }
        },
        BUSY,
    ),
    "openrouter: free minute": ProviderRefusal(
        "OpenRouter",
        429,
        {"error": {"message": "Rate limit exceeded: free-models-per-min. ", "code": 429}},
        BUSY,
    ),
    "mistral: capacity": ProviderRefusal(
        "Mistral",
        429,
        {
            "object": "error",
            "message": "Service tier capacity exceeded for this model.",
            "type": "service_tier_capacity_exceeded",
            "code": "3505",
        },
        BUSY,
    ),
    "cloudflare: 1015": ProviderRefusal(
        "Cloudflare",
        429,
        b"error code: 1015",
        BUSY,
        headers={"content-type": "text/plain", "retry-after": "2"},
        wait=2,
    ),
    "bedrock: busy": ProviderRefusal(
        "Bedrock",
        429,
        {
            "message": "Too many requests, please wait before trying again.",
            "__type": "ThrottlingException",
        },
        BUSY,
    ),
    "groq: flex": ProviderRefusal(
        "Groq", 498, openai("Flex tier capacity exceeded. Please retry.", "capacity_exceeded"), BUSY
    ),
    "one-api: busy": ProviderRefusal(
        "one-api",
        429,
        {"error": {"message": "当前分组上游负载已饱和，请稍后再试", "type": "upstream_error"}},
        BUSY,
    ),
    "moonshot: busy": ProviderRefusal(
        "Moonshot",
        429,
        openai(
            "Your account org-x request reached organization max RPM: 3, please try again after 1"
            " seconds",
            None,
            "rate_limit_reached_error",
        ),
        BUSY,
        wait=1,
    ),
    "a date": ProviderRefusal(
        "several",
        429,
        openai("Slow down", "rate_limit_exceeded"),
        BUSY,
        headers={"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"},
    ),
    "a fraction": ProviderRefusal(
        "several",
        429,
        openai("Slow down", "rate_limit_exceeded"),
        BUSY,
        headers={"retry-after": "1.5"},
        wait=1.5,
    ),
    "a unit": ProviderRefusal(
        "Groq",
        429,
        openai("Slow down", "rate_limit_exceeded"),
        BUSY,
        headers={"retry-after": "2s"},
        wait=2,
    ),
    "below zero": ProviderRefusal(
        "several",
        429,
        openai("Slow down", "rate_limit_exceeded"),
        BUSY,
        headers={"retry-after": "-5"},
    ),
    "twice": ProviderRefusal(
        "any proxy",
        429,
        openai("Slow down", "rate_limit_exceeded"),
        BUSY,
        headers={"retry-after": "2, 2"},
        wait=2,
    ),
}
