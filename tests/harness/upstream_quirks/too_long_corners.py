"""Refusals of a prompt that is too long, in words and figures that mislead."""

from tests.harness.upstream_quirks.refusal import TOO_LONG, ProviderRefusal, anthropic, openai, vllm

TOO_LONG_CORNERS: dict[str, ProviderRefusal] = {
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
        "vLLM",
        400,
        vllm("Input length (9000) exceeds model's maximum context length (8192)."),
        TOO_LONG,
        8192,
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
        "llama-cpp-python",
        400,
        openai("Requested tokens (9000) exceed context window of 8192"),
        TOO_LONG,
        8192,
    ),
    "llama-cpp-python: 500": ProviderRefusal(
        "llama-cpp-python",
        500,
        openai(
            "Requested tokens (9000) exceed context window of 8192", None, "internal_server_error"
        ),
        TOO_LONG,
        8192,
    ),
    "mlc": ProviderRefusal(
        "MLC",
        400,
        {
            "message": (
                "Request prompt has 9000 tokens in total, larger than the model input length limit"
                " 8192."
            )
        },
        TOO_LONG,
        8192,
    ),
    "ollama: cloud": ProviderRefusal(
        "Ollama",
        400,
        {"error": "prompt too long; exceeded max context length by 500 tokens"},
        TOO_LONG,
    ),
    "bedrock: converse": ProviderRefusal(
        "Bedrock",
        400,
        {
            "message": (
                "The model returned the following errors: prompt is too long: 250000 tokens > 20000"
                " maximum"
            )
        },
        TOO_LONG,
        20_000,
    ),
    "ai21": ProviderRefusal(
        "AI21",
        422,
        {"detail": "Prompt is too long: number of tokens 300000 exceeds maximum 25600"},
        TOO_LONG,
        25_600,
    ),
    "baidu": ProviderRefusal(
        "Baidu Qianfan",
        400,
        openai("the max input length is 20000 characters", "tokens_too_long"),
        TOO_LONG,
    ),
    "baidu: old": ProviderRefusal(
        "Baidu Qianfan",
        400,
        {"error_code": 336103, "error_msg": "Prompt tokens too long"},
        TOO_LONG,
    ),
    "copilot": ProviderRefusal(
        "GitHub Copilot",
        400,
        openai(
            "prompt token count of 70000 exceeds the limit of 8192",
            "model_max_prompt_tokens_exceeded",
        ),
        TOO_LONG,
        8192,
    ),
    "qwen: total": ProviderRefusal(
        "Qwen",
        400,
        openai(
            "<400> InternalError.Algo.InvalidParameter: Total message token length exceed model"
            " limit (8192 tokens)."
        ),
        TOO_LONG,
        8192,
    ),
    "hyperbolic": ProviderRefusal(
        "Hyperbolic",
        400,
        {"object": "error", "message": "the prompt length 9000 exceeds the max length 8192"},
        TOO_LONG,
        8192,
    ),
    "hunyuan": ProviderRefusal(
        "Tencent Hunyuan",
        400,
        {"error": {"message": "输入内容过长，超过模型最大长度限制", "code": "2003"}},
        TOO_LONG,
    ),
    "vertex: anthropic": ProviderRefusal(
        "Vertex AI", 413, anthropic("invalid_request_error", "Prompt is too long"), TOO_LONG
    ),
    "utf-16": ProviderRefusal(
        "several",
        400,
        '{"error": "This model\'s maximum context length is 8192 tokens."}'.encode("utf-16"),
        TOO_LONG,
        8192,
    ),
    "byte order mark": ProviderRefusal(
        "several",
        400,
        b'\xef\xbb\xbf{"error": "This model\'s maximum context length is 8192 tokens."}',
        TOO_LONG,
        8192,
    ),
    "gbk": ProviderRefusal(
        "one-api",
        400,
        '{"error": "输入过长"}'.encode("gbk"),
        TOO_LONG,
        headers={"content-type": "application/json; charset=GBK"},
    ),
    "lm studio: loaded": ProviderRefusal(
        "LM Studio",
        400,
        {
            "error": (
                "The number of tokens to keep from the initial prompt is greater than the "
                "context length. Try to load the model with a larger context length, or provide "
                "a shorter input"
            )
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
