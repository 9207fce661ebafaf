"""Refusals of what the site sends for its own sake: parameters, and the system role."""

from tests.harness.upstream_quirks.refusal import (
    PARAMETER,
    SYSTEM,
    ProviderRefusal,
    anthropic,
    gemini,
    openai,
    vllm,
)

PARAMETERS: dict[str, ProviderRefusal] = {
    "openai: max_completion_tokens": ProviderRefusal(
        "OpenAI, older",
        400,
        openai("Unrecognized request argument supplied: max_completion_tokens"),
        PARAMETER,
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
        "several",
        400,
        {"error": "got an unexpected keyword argument 'max_completion_tokens'"},
        PARAMETER,
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
        "OpenAI, older",
        400,
        openai("Unrecognized request argument supplied: stream_options"),
        PARAMETER,
    ),
    "gemini: stream_options": ProviderRefusal(
        "Gemini",
        400,
        [
            gemini(
                400,
                'Invalid JSON payload received. Unknown name "stream_options": Cannot find field.',
                "INVALID_ARGUMENT",
            )
        ],
        PARAMETER,
    ),
    "go: stream_options": ProviderRefusal(
        "servers in Go", 400, {"error": 'json: unknown field "stream_options"'}, PARAMETER
    ),
    "serde: stream_options": ProviderRefusal(
        "servers in Rust", 422, b"Failed to deserialize: unknown field `stream_options`", PARAMETER
    ),
    "azure: stream_options": ProviderRefusal(
        "Azure",
        400,
        openai(
            "This model does not support the parameter 'stream_options'.", "unsupported_parameter"
        ),
        PARAMETER,
    ),
    "openai: stream": ProviderRefusal(
        "OpenAI",
        400,
        openai(
            "Unsupported value: 'stream' does not support true with this model.",
            "unsupported_value",
            param="stream",
        ),
        PARAMETER,
    ),
}

PARAMETER_CORNERS: dict[str, ProviderRefusal] = {
    "databricks: stream_options": ProviderRefusal(
        "Databricks",
        400,
        {
            "error_code": "BAD_REQUEST",
            "message": 'Bad request: json: unknown field "stream_options"\n',
        },
        PARAMETER,
    ),
    "bedrock: stream_options": ProviderRefusal(
        "Bedrock",
        400,
        {
            "message": (
                "Malformed input request: #: extraneous key [stream_options] is not permitted, "
                "please reformat your input and try again."
            )
        },
        PARAMETER,
    ),
    "groq: stream_options": ProviderRefusal(
        "Groq", 400, openai("property 'stream_options' is unsupported"), PARAMETER
    ),
    "fireworks: max_completion_tokens": ProviderRefusal(
        "Fireworks",
        400,
        openai("Extra inputs are not permitted, field: 'max_completion_tokens', value: 16384"),
        PARAMETER,
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
        "home-made servers",
        500,
        {"detail": "generate() got an unexpected keyword argument 'stream_options'"},
        PARAMETER,
    ),
    "nim: stream_options": ProviderRefusal(
        "NVIDIA NIM",
        400,
        {
            "object": "error",
            "message": (
                "[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options'), 'msg': 'Extra "
                "inputs are not permitted', 'input': {'include_usage': True}}]"
            ),
        },
        PARAMETER,
    ),
    "anthropic: stream_options": ProviderRefusal(
        "Anthropic",
        400,
        anthropic("invalid_request_error", "stream_options: Extra inputs are not permitted"),
        PARAMETER,
    ),
    "schema: max_completion_tokens": ProviderRefusal(
        "watsonx.ai",
        400,
        {
            "errors": [
                {
                    "code": "json_validation_error",
                    "message": (
                        "Json document validation error: field 'max_completion_tokens' is not"
                        " allowed"
                    ),
                }
            ]
        },
        PARAMETER,
    ),
}

SYSTEM_ROLE: dict[str, ProviderRefusal] = {
    "gemma": ProviderRefusal("vLLM with Gemma", 400, vllm("System role not supported"), SYSTEM),
    "gemma: llama.cpp": ProviderRefusal(
        "llama.cpp with Gemma",
        500,
        openai(
            "Jinja Exception: System role not supported at row 1, column 60", 500, "server_error"
        ),
        SYSTEM,
    ),
    "gemma: gemini": ProviderRefusal(
        "Gemini with Gemma",
        400,
        [
            gemini(
                400,
                "Developer instruction is not enabled for models/gemma-3-27b-it",
                "INVALID_ARGUMENT",
            )
        ],
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
        "vLLM with Mistral",
        400,
        vllm("Conversation roles must alternate user/assistant/user/assistant/..."),
        SYSTEM,
    ),
    "template": ProviderRefusal(
        "LM Studio", 400, {"error": "Only user and assistant roles are supported!"}, SYSTEM
    ),
}

ROLE_CORNERS: dict[str, ProviderRefusal] = {
    "schema: role": ProviderRefusal(
        "servers in Go",
        400,
        openai("'system' is not one of ['user', 'assistant'] - 'messages.0.role'"),
        SYSTEM,
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
        "Baidu Qianfan",
        400,
        openai("the role of message with even index in the messages must be user"),
        SYSTEM,
    ),
    "minimax: role": ProviderRefusal(
        "MiniMax",
        400,
        {
            "base_resp": {
                "status_code": 2013,
                "status_msg": "invalid params, invalid chat setting: invalid role: system",
            }
        },
        SYSTEM,
    ),
}
