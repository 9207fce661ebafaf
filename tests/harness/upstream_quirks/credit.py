"""Refusals for want of credit."""

from tests.harness.upstream_quirks.refusal import (
    NO_CREDIT,
    ProviderRefusal,
    anthropic,
    gemini,
    openai,
)

NO_CREDIT_LEFT: dict[str, ProviderRefusal] = {
    "openai: quota": ProviderRefusal(
        "OpenAI",
        429,
        openai(
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            "insufficient_quota",
        ),
        NO_CREDIT,
    ),
    "openai: billing": ProviderRefusal(
        "OpenAI",
        400,
        openai("Billing hard limit has been reached", "billing_hard_limit_reached"),
        NO_CREDIT,
    ),
    "openai: inactive": ProviderRefusal(
        "OpenAI",
        429,
        openai(
            "Your account is not active, please check your billing details on our website.",
            "billing_not_active",
        ),
        NO_CREDIT,
    ),
    "anthropic: credit": ProviderRefusal(
        "Anthropic",
        400,
        anthropic(
            "invalid_request_error",
            "Your credit balance is too low to access the Anthropic API. Please go to Plans &"
            " Billing to upgrade",
        ),
        NO_CREDIT,
    ),
    "anthropic: limits": ProviderRefusal(
        "Anthropic",
        400,
        anthropic("invalid_request_error", "You have reached your specified API usage limits."),
        NO_CREDIT,
    ),
    "deepseek: credit": ProviderRefusal(
        "DeepSeek",
        402,
        openai("Insufficient Balance", "invalid_request_error", "unknown_error"),
        NO_CREDIT,
    ),
    "bare 402": ProviderRefusal("several", 402, b"", NO_CREDIT),
    "xai: new": ProviderRefusal(
        "xAI",
        403,
        {
            "code": "The caller does not have permission to execute the specified operation",
            "error": (
                "Your newly created teams doesn't have any credits yet. You can purchase credits on"
                " https://console.x.ai."
            ),
        },
        NO_CREDIT,
    ),
    "xai: used": ProviderRefusal(
        "xAI",
        429,
        {
            "code": "Some resource has been exhausted",
            "error": (
                "Your team x has either used all available credits or reached its monthly spending"
                " limit. To continue making API requests, please purchase more credits or raise"
                " your spending limit."
            ),
        },
        NO_CREDIT,
    ),
    "gemini: prepaid": ProviderRefusal(
        "Gemini",
        429,
        gemini(
            429,
            "Your prepayment credits are depleted. Please go to AI Studio to manage your billing.",
            "RESOURCE_EXHAUSTED",
        ),
        NO_CREDIT,
    ),
    "gemini: billing": ProviderRefusal(
        "Gemini",
        403,
        gemini(403, "This API method requires billing to be enabled.", "PERMISSION_DENIED"),
        NO_CREDIT,
    ),
    "qwen: credit": ProviderRefusal(
        "Qwen (DashScope)",
        400,
        {
            "code": "Arrearage",
            "message": "Access denied, please make sure your account is in good standing.",
        },
        NO_CREDIT,
    ),
    "qwen: free": ProviderRefusal(
        "Qwen",
        403,
        openai("The free tier of the model has been exhausted.", "AllocationQuota.FreeTierOnly"),
        NO_CREDIT,
    ),
    "moonshot: credit": ProviderRefusal(
        "Moonshot",
        429,
        {
            "error": {
                "message": (
                    "Your account org-x is suspended, please check your plan and billing details"
                ),
                "type": "exceeded_current_quota_error",
            }
        },
        NO_CREDIT,
    ),
    "zhipu: credit": ProviderRefusal(
        "Zhipu",
        429,
        {"error": {"code": "1113", "message": "余额不足或无可用资源包,请充值。"}},
        NO_CREDIT,
    ),
    "siliconflow": ProviderRefusal(
        "SiliconFlow",
        403,
        {"code": 30001, "message": "Sorry, your account balance is insufficient"},
        NO_CREDIT,
    ),
    "volcengine: credit": ProviderRefusal(
        "Volcengine Ark",
        403,
        openai(
            "The request failed because your account has an overdue balance.",
            "AccountOverdueError",
            "Forbidden",
        ),
        NO_CREDIT,
    ),
    "openrouter: credit": ProviderRefusal(
        "OpenRouter",
        402,
        {
            "error": {
                "code": 402,
                "message": (
                    "This request requires more credits, or fewer max_tokens. You requested up to"
                    " 16384 tokens, but can only afford 5000."
                ),
            }
        },
        NO_CREDIT,
    ),
    "openrouter: key": ProviderRefusal(
        "OpenRouter",
        403,
        {"error": {"code": 403, "message": "Key limit exceeded (total limit)."}},
        NO_CREDIT,
    ),
    "perplexity": ProviderRefusal(
        "Perplexity",
        401,
        openai(
            "You exceeded your current quota, please check your plan and billing details",
            401,
            "insufficient_quota",
        ),
        NO_CREDIT,
    ),
    "hugging face": ProviderRefusal(
        "Hugging Face",
        402,
        {"error": "You have exceeded your monthly included credits for Inference Providers."},
        NO_CREDIT,
    ),
}

CREDIT_CORNERS: dict[str, ProviderRefusal] = {
    "deepinfra": ProviderRefusal(
        "DeepInfra",
        402,
        {
            "detail": {
                "error": (
                    "inference prohibited, please enter a payment method at"
                    " https://deepinfra.com/payment"
                )
            }
        },
        NO_CREDIT,
    ),
    "fireworks: suspended": ProviderRefusal(
        "Fireworks",
        412,
        openai(
            "Account x is suspended, possibly due to reaching the monthly spending limit or failure"
            " to pay past invoices."
        ),
        NO_CREDIT,
    ),
    "together: credit": ProviderRefusal(
        "Together",
        402,
        openai(
            "Credit limit exceeded, please navigate to https://api.together.xyz/settings/billing to"
            " upgrade your plan",
            None,
            "credit_limit",
        ),
        NO_CREDIT,
    ),
    "cohere: trial": ProviderRefusal(
        "Cohere",
        429,
        {
            "message": (
                "You are using a Trial key, which is limited to 1000 API calls / month. You can "
                "continue to use the Trial key for free or upgrade to a Production key."
            )
        },
        NO_CREDIT,
    ),
    "openrouter: day": ProviderRefusal(
        "OpenRouter",
        429,
        {
            "error": {
                "message": (
                    "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free"
                    " model requests per day"
                ),
                "code": 429,
            }
        },
        NO_CREDIT,
    ),
    "new-api: quota": ProviderRefusal(
        "new-api",
        403,
        {
            "error": {
                "message": "用户额度不足, 剩余额度: ＄0.000000",
                "type": "new_api_error",
                "code": "insufficient_user_quota",
            }
        },
        NO_CREDIT,
    ),
    "one-api: token": ProviderRefusal(
        "one-api",
        401,
        {"error": {"message": "该令牌额度已用尽", "type": "one_api_error"}},
        NO_CREDIT,
    ),
    "hunyuan: credit": ProviderRefusal(
        "Tencent Hunyuan",
        400,
        {
            "error": {
                "message": "资源包余量已用尽，请购买资源包或开通后付费",
                "type": "runtime_error",
                "code": "20031",
            }
        },
        NO_CREDIT,
    ),
    "vercel": ProviderRefusal(
        "Vercel",
        403,
        openai(
            "AI Gateway requires a valid credit card on file to service requests.",
            "customer_verification_required",
        ),
        NO_CREDIT,
    ),
    "bedrock: payment": ProviderRefusal(
        "Bedrock",
        403,
        {
            "message": (
                "Model access is denied due to INVALID_PAYMENT_INSTRUMENT: A valid payment"
                " instrument must be provided."
            )
        },
        NO_CREDIT,
    ),
    "stepfun: credit": ProviderRefusal(
        "StepFun",
        402,
        openai(
            "You exceeded your current quota, please check your plan and billing details",
            "quota_exceeded",
        ),
        NO_CREDIT,
    ),
    "deepseek: 429": ProviderRefusal(
        "DeepSeek behind a proxy", 429, openai("Insufficient Balance"), NO_CREDIT
    ),
    "litellm: budget": ProviderRefusal(
        "LiteLLM",
        400,
        openai(
            "Budget has been exceeded! Current cost: 10.2, Max budget: 10.0",
            "400",
            "budget_exceeded",
        ),
        NO_CREDIT,
    ),
}
