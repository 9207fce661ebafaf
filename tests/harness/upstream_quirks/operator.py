"""Refusals that only the operator can mend: the key, the right to use a model, its name."""

from tests.harness.upstream_quirks.refusal import (
    FORBIDDEN,
    KEY,
    UNKNOWN_MODEL,
    ProviderRefusal,
    anthropic,
    gemini,
    openai,
    vllm,
)

OPERATOR: dict[str, ProviderRefusal] = {
    "openai: key": ProviderRefusal(
        "OpenAI", 401, openai("Incorrect API key provided: sk-te***word.", "invalid_api_key"), KEY
    ),
    "gemini: key": ProviderRefusal(
        "Gemini",
        400,
        [
            gemini(
                400,
                "API key not valid. Please pass a valid API key.",
                "INVALID_ARGUMENT",
                {"reason": "API_KEY_INVALID"},
            )
        ],
        KEY,
    ),
    "vllm: key": ProviderRefusal("vLLM", 401, {"error": "Unauthorized"}, KEY),
    "openai: region": ProviderRefusal(
        "OpenAI",
        403,
        openai(
            "Country, region, or territory not supported",
            "unsupported_country_region_territory",
            "request_forbidden",
        ),
        FORBIDDEN,
    ),
    "waf": ProviderRefusal(
        "Cloudflare",
        403,
        b"<html><title>Attention Required!</title></html>",
        FORBIDDEN,
        headers={"content-type": "text/html"},
    ),
    "openai: model": ProviderRefusal(
        "OpenAI",
        404,
        openai("The model `x` does not exist or you do not have access to it.", "model_not_found"),
        UNKNOWN_MODEL,
    ),
    "vllm: model": ProviderRefusal(
        "vLLM", 404, vllm("The model `x` does not exist.", "NotFoundError"), UNKNOWN_MODEL
    ),
    "deepseek: model": ProviderRefusal("DeepSeek", 400, openai("Model Not Exist"), UNKNOWN_MODEL),
    "wrong address": ProviderRefusal(
        "any server",
        404,
        b"404 page not found",
        UNKNOWN_MODEL,
        headers={"content-type": "text/plain"},
    ),
}

OPERATOR_CORNERS: dict[str, ProviderRefusal] = {
    "xai: key": ProviderRefusal(
        "xAI",
        400,
        {
            "code": "Client specified an invalid argument",
            "error": (
                "Incorrect API key provided: xa***. You can obtain an API key from"
                " https://console.x.ai."
            ),
        },
        KEY,
    ),
    "bedrock: key": ProviderRefusal(
        "Bedrock", 403, {"message": "The security token included in the request is invalid."}, KEY
    ),
    "gemini: expired": ProviderRefusal(
        "Gemini",
        400,
        [
            gemini(
                400,
                "API key expired. Please renew the API key.",
                "INVALID_ARGUMENT",
                {"reason": "API_KEY_INVALID"},
            )
        ],
        KEY,
    ),
    "gemini: unregistered": ProviderRefusal(
        "Gemini",
        403,
        gemini(
            403,
            "Method doesn't allow unregistered callers (callers without established "
            "identity). Please use API Key or other form of API consumer identity to call "
            "this API.",
            "PERMISSION_DENIED",
        ),
        KEY,
    ),
    "gemini: region": ProviderRefusal(
        "Gemini",
        400,
        [gemini(400, "User location is not supported for the API use.", "FAILED_PRECONDITION")],
        FORBIDDEN,
    ),
    "groq: retired": ProviderRefusal(
        "Groq",
        400,
        openai(
            "The model `x` has been decommissioned and is no longer supported.",
            "model_decommissioned",
        ),
        UNKNOWN_MODEL,
    ),
    "bedrock: model": ProviderRefusal(
        "Bedrock", 400, {"message": "The provided model identifier is invalid."}, UNKNOWN_MODEL
    ),
    "lm studio: model": ProviderRefusal(
        "LM Studio",
        400,
        openai(
            "No models loaded. Please load a model in the developer page or use the `lms load`"
            " command.",
            "model_not_found",
        ),
        UNKNOWN_MODEL,
    ),
    "litellm: model": ProviderRefusal(
        "LiteLLM",
        400,
        openai(
            "Invalid model name passed in model=x. Call `/v1/models` to view available models for"
            " your key.",
            "400",
            "invalid_request_error",
        ),
        UNKNOWN_MODEL,
    ),
    "new-api: model": ProviderRefusal(
        "new-api",
        503,
        {
            "error": {
                "code": "model_not_found",
                "message": "分组 default 下模型 x 无可用渠道（distributor）",
                "type": "new_api_error",
            }
        },
        UNKNOWN_MODEL,
    ),
    "wrong method": ProviderRefusal(
        "nginx",
        405,
        b"<html><title>405 Not Allowed</title></html>",
        UNKNOWN_MODEL,
        headers={"content-type": "text/html"},
    ),
    "ollama: model": ProviderRefusal(
        "Ollama",
        404,
        openai('model "x" not found, try pulling it first', None, "api_error"),
        UNKNOWN_MODEL,
    ),
    "perplexity: model": ProviderRefusal(
        "Perplexity",
        400,
        openai(
            "Invalid model 'x'. Permitted models can be found in the documentation.",
            400,
            "invalid_model",
        ),
        UNKNOWN_MODEL,
    ),
    "anthropic: retired": ProviderRefusal(
        "Anthropic", 404, anthropic("not_found_error", "model: claude-2.0"), UNKNOWN_MODEL
    ),
}
