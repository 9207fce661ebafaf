"""Refusals in further wordings, shapes and statuses: more entries of REFUSALS."""

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
)  # fmt: skip

LONG = {
    "openai: minute's size": ProviderRefusal(
        "OpenAI",
        429,
        openai(
            "Request too large for gpt-4o in organization org-x on tokens per min (TPM): "
            "Limit 30000, Requested 40000. The input or output tokens must be reduced in "
            "order to run successfully.",
            "rate_limit_exceeded",
            "tokens",
        ),
        TOO_LONG,
    ),
    "vllm: input length": ProviderRefusal(
        "vLLM", 400, vllm("Input length (9000) exceeds model's maximum context length (8192)."), TOO_LONG, 8192
    ),
    "vllm: fit": ProviderRefusal(
        "vLLM",
        400,
        vllm(
            "The prompt (total length 9000) is too long to fit into the model (context "
            "length 8192). Make sure that `max_model_len` is no smaller than the number of "
            "text tokens"
        ),
        TOO_LONG,
        8192,
    ),
    "sglang: allowed": ProviderRefusal(
        "SGLang",
        400,
        vllm(
            "Input length (9000 tokens) exceeds the maximum allowed length (8192 tokens). "
            "Use a shorter input or enable --allow-auto-truncate."
        ),
        TOO_LONG,
        8192,
    ),
    "llama-cpp-python": ProviderRefusal(
        "llama-cpp-python", 400, openai("Requested tokens (9000) exceed context window of 8192"), TOO_LONG, 8192
    ),
    "llama-cpp-python: 500": ProviderRefusal(
        "llama-cpp-python",
        500,
        openai("Requested tokens (9000) exceed context window of 8192", None, "internal_server_error"),
        TOO_LONG,
        8192,
    ),
    "mlc": ProviderRefusal(
        "MLC", 400, {"message": "Request prompt has 9000 tokens in total, larger than the model input length limit 8192."}, TOO_LONG, 8192
    ),
    "ollama: cloud": ProviderRefusal("Ollama", 400, {"error": "prompt too long; exceeded max context length by 500 tokens"}, TOO_LONG),
    "bedrock: converse": ProviderRefusal(
        "Bedrock",
        400,
        {"message": "The model returned the following errors: prompt is too long: 250000 tokens > 20000 maximum"},
        TOO_LONG,
        20_000,
    ),
    "ai21": ProviderRefusal("AI21", 422, {"detail": "Prompt is too long: number of tokens 300000 exceeds maximum 25600"}, TOO_LONG, 25_600),
    "baidu": ProviderRefusal("Baidu Qianfan", 400, openai("the max input length is 20000 characters", "tokens_too_long"), TOO_LONG),
    "baidu: old": ProviderRefusal("Baidu Qianfan", 400, {"error_code": 336103, "error_msg": "Prompt tokens too long"}, TOO_LONG),
    "copilot": ProviderRefusal(
        "GitHub Copilot",
        400,
        openai("prompt token count of 70000 exceeds the limit of 8192", "model_max_prompt_tokens_exceeded"),
        TOO_LONG,
        8192,
    ),
    "qwen: total": ProviderRefusal(
        "Qwen",
        400,
        openai("<400> InternalError.Algo.InvalidParameter: Total message token length exceed model limit (8192 tokens)."),
        TOO_LONG,
        8192,
    ),
    "hyperbolic": ProviderRefusal(
        "Hyperbolic", 400, {"object": "error", "message": "the prompt length 9000 exceeds the max length 8192"}, TOO_LONG, 8192
    ),
    "hunyuan": ProviderRefusal(
        "Tencent Hunyuan", 400, {"error": {"message": "输入内容过长，超过模型最大长度限制", "code": "2003"}}, TOO_LONG
    ),
    "vertex: anthropic": ProviderRefusal("Vertex AI", 413, anthropic("invalid_request_error", "Prompt is too long"), TOO_LONG),
    "utf-16": ProviderRefusal(
        "several", 400, '{"error": "This model\'s maximum context length is 8192 tokens."}'.encode("utf-16"), TOO_LONG, 8192
    ),
    "byte order mark": ProviderRefusal(
        "several", 400, b'\xef\xbb\xbf{"error": "This model\'s maximum context length is 8192 tokens."}', TOO_LONG, 8192
    ),
    "gbk": ProviderRefusal(
        "one-api", 400, '{"error": "输入过长"}'.encode("gbk"), TOO_LONG, headers={"content-type": "application/json; charset=GBK"}
    ),
    "lm studio: loaded": ProviderRefusal(
        "LM Studio",
        400,
        {
            "error": "The number of tokens to keep from the initial prompt is greater than the "
            "context length. Try to load the model with a larger context length, or provide "
            "a shorter input"
        },
        TOO_LONG,
    ),
    "python's repr": ProviderRefusal(
        "LiteLLM",
        400,
        openai(
            "Error code: 400 - {'object': 'error', 'message': \"This model's maximum context "
            'length is 8192 tokens. However, you requested 9000 tokens in the messages", '
            "'code': 400}"
        ),
        TOO_LONG,
        8192,
    ),
}
LIMITS = {
    "openai: integer": ProviderRefusal(
        "OpenAI",
        400,
        openai(
            "Invalid 'max_completion_tokens': integer above maximum value. Expected a value <= 4096, but got 16384 instead.",
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
        {"message": "Malformed input request: #/max_tokens: 16384 is not less or equal to 8192, please reformat your input and try again."},
        OUTPUT,
        8192,
    ),
    "baidu: output": ProviderRefusal(
        "Baidu Qianfan", 400, openai("max_output_tokens must be in [2, 2048]", "invalid_argument"), OUTPUT, 2048
    ),
    "spark": ProviderRefusal("Spark", 400, openai("max_tokens 取值范围为 [1, 8192]", "10163"), OUTPUT, 8192),
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
PARAMETERS = {
    "databricks: stream_options": ProviderRefusal(
        "Databricks", 400, {"error_code": "BAD_REQUEST", "message": 'Bad request: json: unknown field "stream_options"\n'}, PARAMETER
    ),
    "bedrock: stream_options": ProviderRefusal(
        "Bedrock",
        400,
        {
            "message": "Malformed input request: #: extraneous key [stream_options] is not permitted, "
            "please reformat your input and try again."
        },
        PARAMETER,
    ),
    "groq: stream_options": ProviderRefusal("Groq", 400, openai("property 'stream_options' is unsupported"), PARAMETER),
    "fireworks: max_completion_tokens": ProviderRefusal(
        "Fireworks", 400, openai("Extra inputs are not permitted, field: 'max_completion_tokens', value: 16384"), PARAMETER
    ),
    "hugging face: max_completion_tokens": ProviderRefusal(
        "Hugging Face",
        422,
        b"Failed to deserialize the JSON body into the target type: unknown field "
        b"`max_completion_tokens`, expected one of `model`, `messages`, `max_tokens` at "
        b"line 1 column 90",
        PARAMETER,
    ),
    "python: stream_options": ProviderRefusal(
        "home-made servers", 500, {"detail": "generate() got an unexpected keyword argument 'stream_options'"}, PARAMETER
    ),
    "nim: stream_options": ProviderRefusal(
        "NVIDIA NIM",
        400,
        {
            "object": "error",
            "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options'), 'msg': 'Extra "
            "inputs are not permitted', 'input': {'include_usage': True}}]",
        },
        PARAMETER,
    ),
    "anthropic: stream_options": ProviderRefusal(
        "Anthropic", 400, anthropic("invalid_request_error", "stream_options: Extra inputs are not permitted"), PARAMETER
    ),
    "schema: max_completion_tokens": ProviderRefusal(
        "watsonx.ai",
        400,
        {
            "errors": [
                {"code": "json_validation_error", "message": "Json document validation error: field 'max_completion_tokens' is not allowed"}
            ]
        },
        PARAMETER,
    ),
}
ROLES = {
    "schema: role": ProviderRefusal(
        "servers in Go", 400, openai("'system' is not one of ['user', 'assistant'] - 'messages.0.role'"), SYSTEM
    ),
    "anthropic: role": ProviderRefusal(
        "Anthropic",
        400,
        anthropic(
            "invalid_request_error",
            'messages: Unexpected role "system". The Messages API accepts a top-level '
            '`system` parameter, not "system" as an input message role.',
        ),
        SYSTEM,
    ),
    "baidu: role": ProviderRefusal(
        "Baidu Qianfan", 400, openai("the role of message with even index in the messages must be user"), SYSTEM
    ),
    "minimax: role": ProviderRefusal(
        "MiniMax",
        400,
        {"base_resp": {"status_code": 2013, "status_msg": "invalid params, invalid chat setting: invalid role: system"}},
        SYSTEM,
    ),
}
CREDIT = {
    "deepinfra": ProviderRefusal(
        "DeepInfra",
        402,
        {"detail": {"error": "inference prohibited, please enter a payment method at https://deepinfra.com/payment"}},
        NO_CREDIT,
    ),
    "fireworks: suspended": ProviderRefusal(
        "Fireworks",
        412,
        openai("Account x is suspended, possibly due to reaching the monthly spending limit or failure to pay past invoices."),
        NO_CREDIT,
    ),
    "together: credit": ProviderRefusal(
        "Together",
        402,
        openai(
            "Credit limit exceeded, please navigate to https://api.together.xyz/settings/billing to upgrade your plan", None, "credit_limit"
        ),
        NO_CREDIT,
    ),
    "cohere: trial": ProviderRefusal(
        "Cohere",
        429,
        {
            "message": "You are using a Trial key, which is limited to 1000 API calls / month. You can "
            "continue to use the Trial key for free or upgrade to a Production key."
        },
        NO_CREDIT,
    ),
    "openrouter: day": ProviderRefusal(
        "OpenRouter",
        429,
        {
            "error": {
                "message": "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day",
                "code": 429,
            }
        },
        NO_CREDIT,
    ),
    "new-api: quota": ProviderRefusal(
        "new-api",
        403,
        {"error": {"message": "用户额度不足, 剩余额度: ＄0.000000", "type": "new_api_error", "code": "insufficient_user_quota"}},
        NO_CREDIT,
    ),
    "one-api: token": ProviderRefusal("one-api", 401, {"error": {"message": "该令牌额度已用尽", "type": "one_api_error"}}, NO_CREDIT),
    "hunyuan: credit": ProviderRefusal(
        "Tencent Hunyuan",
        400,
        {"error": {"message": "资源包余量已用尽，请购买资源包或开通后付费", "type": "runtime_error", "code": "20031"}},
        NO_CREDIT,
    ),
    "vercel": ProviderRefusal(
        "Vercel",
        403,
        openai("AI Gateway requires a valid credit card on file to service requests.", "customer_verification_required"),
        NO_CREDIT,
    ),
    "bedrock: payment": ProviderRefusal(
        "Bedrock",
        403,
        {"message": "Model access is denied due to INVALID_PAYMENT_INSTRUMENT: A valid payment instrument must be provided."},
        NO_CREDIT,
    ),
    "stepfun: credit": ProviderRefusal(
        "StepFun", 402, openai("You exceeded your current quota, please check your plan and billing details", "quota_exceeded"), NO_CREDIT
    ),
    "deepseek: 429": ProviderRefusal("DeepSeek behind a proxy", 429, openai("Insufficient Balance"), NO_CREDIT),
    "litellm: budget": ProviderRefusal(
        "LiteLLM", 400, openai("Budget has been exceeded! Current cost: 10.2, Max budget: 10.0", "400", "budget_exceeded"), NO_CREDIT
    ),
}
CONTENT = {
    "anthropic: filter": ProviderRefusal(
        "Anthropic", 400, anthropic("invalid_request_error", "Output blocked by content filtering policy"), FILTER
    ),
    "stepfun: filter": ProviderRefusal(
        "StepFun", 451, openai("The content you provided or machine outputted is blocked.", None, "censorship_blocked"), FILTER
    ),
    "cloudflare: guardrail": ProviderRefusal(
        "Cloudflare", 424, {"success": False, "error": [{"code": 2016, "message": "Prompt blocked due to security configurations"}]}, FILTER
    ),
    "volcengine: filter": ProviderRefusal(
        "Volcengine Ark",
        400,
        openai("The request failed because the input text may contain sensitive information.", "InputTextSensitiveContentDetected"),
        FILTER,
    ),
    "bedrock: filter": ProviderRefusal("Bedrock", 400, {"message": "The generated text has been blocked by our content filters."}, FILTER),
    "spark: filter": ProviderRefusal("Spark", 400, openai("用户输入内容涉及敏感信息", "10013"), FILTER),
}
TRAFFIC = {
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
                    "raw": "x/y:free is temporarily rate-limited upstream. Please retry shortly, or add "
                    "your own key to accumulate your rate limits: "
                    "https://openrouter.ai/settings/integrations"
                },
            }
        },
        BUSY,
    ),
    "openrouter: free minute": ProviderRefusal(
        "OpenRouter", 429, {"error": {"message": "Rate limit exceeded: free-models-per-min. ", "code": 429}}, BUSY
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
        "Cloudflare", 429, b"error code: 1015", BUSY, headers={"content-type": "text/plain", "retry-after": "2"}, wait=2
    ),
    "bedrock: busy": ProviderRefusal(
        "Bedrock", 429, {"message": "Too many requests, please wait before trying again.", "__type": "ThrottlingException"}, BUSY
    ),
    "groq: flex": ProviderRefusal("Groq", 498, openai("Flex tier capacity exceeded. Please retry.", "capacity_exceeded"), BUSY),
    "one-api: busy": ProviderRefusal(
        "one-api", 429, {"error": {"message": "当前分组上游负载已饱和，请稍后再试", "type": "upstream_error"}}, BUSY
    ),
    "moonshot: busy": ProviderRefusal(
        "Moonshot",
        429,
        openai(
            "Your account org-x request reached organization max RPM: 3, please try again after 1 seconds", None, "rate_limit_reached_error"
        ),
        BUSY,
        wait=1,
    ),
    "a date": ProviderRefusal(
        "several", 429, openai("Slow down", "rate_limit_exceeded"), BUSY, headers={"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}
    ),
    "a fraction": ProviderRefusal(
        "several", 429, openai("Slow down", "rate_limit_exceeded"), BUSY, headers={"retry-after": "1.5"}, wait=1.5
    ),
    "a unit": ProviderRefusal("Groq", 429, openai("Slow down", "rate_limit_exceeded"), BUSY, headers={"retry-after": "2s"}, wait=2),
    "below zero": ProviderRefusal("several", 429, openai("Slow down", "rate_limit_exceeded"), BUSY, headers={"retry-after": "-5"}),
    "twice": ProviderRefusal("any proxy", 429, openai("Slow down", "rate_limit_exceeded"), BUSY, headers={"retry-after": "2, 2"}, wait=2),
}
OPERATOR = {
    "xai: key": ProviderRefusal(
        "xAI",
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "Incorrect API key provided: xa***. You can obtain an API key from https://console.x.ai.",
        },
        KEY,
    ),
    "bedrock: key": ProviderRefusal("Bedrock", 403, {"message": "The security token included in the request is invalid."}, KEY),
    "gemini: expired": ProviderRefusal(
        "Gemini", 400, [gemini(400, "API key expired. Please renew the API key.", "INVALID_ARGUMENT", {"reason": "API_KEY_INVALID"})], KEY
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
        "Gemini", 400, [gemini(400, "User location is not supported for the API use.", "FAILED_PRECONDITION")], FORBIDDEN
    ),
    "groq: retired": ProviderRefusal(
        "Groq", 400, openai("The model `x` has been decommissioned and is no longer supported.", "model_decommissioned"), UNKNOWN_MODEL
    ),
    "bedrock: model": ProviderRefusal("Bedrock", 400, {"message": "The provided model identifier is invalid."}, UNKNOWN_MODEL),
    "lm studio: model": ProviderRefusal(
        "LM Studio",
        400,
        openai("No models loaded. Please load a model in the developer page or use the `lms load` command.", "model_not_found"),
        UNKNOWN_MODEL,
    ),
    "litellm: model": ProviderRefusal(
        "LiteLLM",
        400,
        openai(
            "Invalid model name passed in model=x. Call `/v1/models` to view available models for your key.", "400", "invalid_request_error"
        ),
        UNKNOWN_MODEL,
    ),
    "new-api: model": ProviderRefusal(
        "new-api",
        503,
        {"error": {"code": "model_not_found", "message": "分组 default 下模型 x 无可用渠道（distributor）", "type": "new_api_error"}},
        UNKNOWN_MODEL,
    ),
    "wrong method": ProviderRefusal(
        "nginx", 405, b"<html><title>405 Not Allowed</title></html>", UNKNOWN_MODEL, headers={"content-type": "text/html"}
    ),
    "ollama: model": ProviderRefusal("Ollama", 404, openai('model "x" not found, try pulling it first', None, "api_error"), UNKNOWN_MODEL),
    "perplexity: model": ProviderRefusal(
        "Perplexity",
        400,
        openai("Invalid model 'x'. Permitted models can be found in the documentation.", 400, "invalid_model"),
        UNKNOWN_MODEL,
    ),
    "anthropic: retired": ProviderRefusal("Anthropic", 404, anthropic("not_found_error", "model: claude-2.0"), UNKNOWN_MODEL),
}

REFUSAL_CORNERS = {**LONG, **LIMITS, **PARAMETERS, **ROLES, **CREDIT, **CONTENT, **TRAFFIC, **OPERATOR}
