"""The words by which a request is refused for its length, and where they name the limit.

Each pattern names its source. Patterns are searched in text that chat.upstream.refusal_body has put
into lower case, without quotes and thousands separators. Imports nothing of the project.
"""

import re

_LIMIT = r"max_(?:completion_|output_|new_)?tokens|maxoutputtokens|maxtokens|max tokens"


def any_of(*patterns: str) -> re.Pattern[str]:
    """Returns a pattern that matches where one of `patterns` does."""
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))


# --- Too long -----------------------------------------------------------------

# These name the context. Whether the prompt or the limit of the answer does not fit is told by the
# numbers.
CONTEXT = any_of(
    # OpenAI, Azure, vLLM, OpenRouter, Together: "This model's maximum context length is 8192
    # tokens. However, you requested …"
    r"(?:maximum|max|model) context (?:length|window|size)",
    # SGLang: "The input (5000 tokens) is longer than the model's context length (4096 tokens)."
    r"(?:longer|larger|greater|more) than (?:the |this )?(?:models? )?(?:maximum |available"
    r" )?(?:context|input|prompt|sequence)",
    # Anthropic: "input length and `max_tokens` exceed context limit: 190000 + 16384 > 200000"
    r"exceeds? (?:the |its |your |this |our )?(?:models? |maximum |max |available |allowed"
    r" |configured |total ){0,3}"
    r"(?:context|prompt|input|sequence)[ _-]?(?:limit|length|window|size|tokens)",
    # OpenAI: "Your input exceeds the context window of this model."
    r"context (?:window|length|size|limit) (?:limit )?(?:is |was |has been"
    r" )?(?:exceed|exhausted|overflow|full|reached)",
    # TGI, Together: "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 50 `inputs` tokens
    # and …"
    r"inputs tokens \+ max_new_tokens",
    # MiniMax (2013): "invalid params, context window exceeds limit"
    r"context (?:window|length|size) (?:of .{0,30}?)?exceed",
    # Cloudflare Workers AI: "… exceeded this model context window limit (8192)"
    r"exceed\w* .{0,40}?context (?:window|length|size|limit)",
    # vLLM: "The decoder prompt (length 9000) is longer than the maximum model length of 8192."
    r"decoder prompt",
    r"maximum model length",
    r"max_model_len|max_seq_len|max_input_len|n_ctx\b",
    # vLLM, old: the room that a long prompt leaves for the answer is negative.
    r"max_tokens must be at least 1\W+got -?\d",
    # llama.cpp: "the request exceeds the available context size, try increasing it"
    r"available context size",
    # llama.cpp: "Input prompt is too big compared to KV size", "context shift is disabled"
    r"context shift is disabled|context shift.{0,30}disabled|compared to kv size",
    # LM Studio: "Trying to keep the first 9000 tokens when context the overflows", "The number of
    # tokens to keep from the …"
    r"context (?:the )?overflow|tokens to keep from the initial prompt",
    # TensorRT-LLM: "The sum of prompt length (3.0), query length (0) and max_tokens (16384) should
    # not exceed max_num_tokens (8192)"
    r"should not exceed max_(?:num_tokens|input_len|seq_len)",
    # Moonshot: "Invalid request: Your request exceeded model token limit: 8192"
    r"model token limit",
    # Watsonx: "the number of input tokens 5000 cannot exceed the total tokens limit 4096 for this
    # model"
    r"total tokens limit",
    # Chinese gateways
    r"上下文.{0,20}(?:超|过长|限制)|超(?:出|过).{0,20}上下文",
)
# These name the prompt.
PROMPT_TOO_LONG = any_of(
    # Anthropic: "prompt is too long: 212345 tokens > 200000 maximum"; Fireworks; Bedrock: "Input is
    # too long for requested model."
    r"(?:prompts?|inputs?|messages?|requests?|conversation|query|text|question|content|body|payload"
    r"|entity)\b.{0,30}?\b(?:is |are |was )?"
    r"too (?:long|large|big|many tokens)",
    # Bedrock: "too many input tokens"; Cohere: "too many tokens: total number of tokens in the
    # prompt cannot exceed 4081"
    r"too many (?:\w+ ){0,2}tokens",
    # Gemini: "The input token count (1200000) exceeds the maximum number of tokens allowed
    # (1048576)."
    r"(?:input|prompt|total|requested) token count",
    # xAI: "This model's maximum prompt length is 131072 but the request contains 537812 tokens."
    r"maximum (?:prompt|input|request|sequence) (?:length|size|tokens)",
    r"maximum number of (?:input |prompt )?tokens allowed",
    # OpenAI (gpt-5): "Input tokens exceed the configured limit of 272000 tokens."
    r"(?:input|prompt)(?: tokens?| length)? ?(?:\(?\d+\)? ?)?(?:tokens )?(?:has |have )?exceed",
    # Mistral: "Prompt contains 40000 tokens … too large for model with 32768 maximum context
    # length"
    r"too large for model with",
    # Groq, Cerebras: "Please reduce the length of the messages or completion."
    r"(?:reduce|shorten|decrease|truncate) (?:the |your )?(?:length of )?(?:the |your"
    r" )?(?:input|prompt|messages?|conversation|context)",
    # Qwen: "Range of input length should be [1, 30720]"
    r"range of input length",
    # SGLang: "Input length (9000 tokens) exceeds the maximum allowed length (8192 tokens)."
    r"exceed\w* the maximum allowed length",
    # Qwen: "Total message token length exceed model limit (8192 tokens)."
    r"message token length exceed",
    # TGI: "`inputs` must have less than 4095 tokens."
    r"inputs must have less than",
    # Ollama: "the input length exceeds the context length"
    r"input length exceeds",
    # TabbyAPI, exllama, MLC: "Prompt length 9000 is greater than …"
    r"(?:prompt|input|request)(?: \w+){0,3} (?:length )?\(?\d* ?(?:tokens)?\)? ?is"
    r" (?:greater|larger|longer) than",
    # OpenAI: "Invalid 'messages[1].content': string too long."
    r"string too long",
    # Several: "token count exceeds the limit of 8192", "total length exceeds 200000 tokens"
    r"(?:token count|total length|number of tokens|total tokens) (?:has )?exceed|exceed\w* the"
    r" maximum number of tokens",
    # Volcengine Ark: "Total tokens of image and text exceed max message tokens."
    r"exceed max message tokens",
    # Anthropic (413): "Request exceeds the maximum size"; nginx: "413 Request Entity Too Large"
    r"request (?:exceeds the maximum|body too large|entity too large)|payload too large|content too"
    r" large",
    # Zhipu (1261): "Prompt 超长"; Baidu, Tencent
    r"(?:prompt|输入|文本|请求|消息|token\w*).{0,12}(?:超长|过长|超过|超出)",
)
# Larger than the allowance of a whole minute: no wait helps. OpenAI (429), Groq (413)
TOO_LARGE_FOR_A_MINUTE = any_of(r"request too large for")
# The same said of prompt and answer together: a shorter answer may be what is wanted.
OF_BOTH = any_of(
    _LIMIT,
    r"completion",
    r"output",
    r"requested token",
    r"total tokens",
    r"you requested",
    r"context",
)

CONTEXT_LIMIT = (
    re.compile(r"tokens? > (\d+)(?: tokens?)? maximum"),  # Anthropic
    re.compile(r"\d+ \+ \d+ > (\d+)"),  # Anthropic
    re.compile(r"with (\d+) maximum context"),  # Mistral
    re.compile(r"max_new_tokens must be <= (\d+)"),  # TGI
    re.compile(r"must have less than (\d+)"),  # TGI
    re.compile(r"range of input length should be \[\d+ \.\. (\d+)"),  # Qwen
    re.compile(
        r"(?:max_model_len|max_seq_len|max_input_len|max_num_tokens|n_ctx)[^\d.;]{0,12}(\d+)"
    ),
    re.compile(
        r"(?:context|model|(?:max|maximum) (?:prompt|input|sequence|request))["
        r" _](?:length|window|size|limit)[^\d.;]{0,30}?(\d+)(?! ?\+)"
    ),
    re.compile(
        r"(?:(?:input|prompt) length limit|maximum allowed length|model limit)[^\d.;]{0,12}(\d+)"
    ),  # MLC, SGLang, Qwen
    re.compile(r"token limit[^\d.;]{0,12}(\d+)"),  # Moonshot
    re.compile(r"tokens? allowed[^\d.;]{0,12}(\d+)"),  # Gemini
    re.compile(
        r"(?:cannot exceed|should not exceed|limit of|limit is|supports? (?:up to|at"
        r" most))[^\d.;]{0,40}?(\d+)"
    ),  # Cohere, OpenAI
    re.compile(r"exceeds? (?:the )?(?:(?:limit|maximum|max)(?: of| length)? )?(\d+)(?: tokens)?"),
    re.compile(r"tokens limit[^\d.;]{0,12}(\d+)"),  # Watsonx
    re.compile(r"(?:max(?:imum)? size|maximum of)[^\d.;]{0,12}(\d+) tokens"),  # GitHub Models
)
PROMPT_TOKENS = (
    re.compile(
        r"(\d+) (?:tokens )?(?:in|from|of) (?:the |your )?(?:input |text"
        r" )?(?:messages|prompt|input)"
    ),  # OpenAI, SGLang
    re.compile(r"(\d+) of text input"),  # OpenRouter
    re.compile(r"(?:request|prompt) (?:has|contains) (?:at least )?(\d+)"),  # vLLM, xAI, Mistral
    re.compile(r"passed (\d+) input tokens"),  # vLLM
    re.compile(r"resulted in (\d+) tokens"),  # OpenAI
    re.compile(r"given: (\d+) inputs"),  # TGI
    re.compile(r"context limit: (\d+) \+"),  # Anthropic
    re.compile(r"too long: (\d+)"),  # Anthropic, Fireworks
    re.compile(r"token count (?:\(|is )(\d+)"),  # Gemini
    re.compile(
        r"(?:input|prompt|request)(?: length)? \(?(?:length )?(\d+)"
    ),  # SGLang, vLLM, llama.cpp, TabbyAPI
    re.compile(r"prompt length \(?(\d+)"),  # TensorRT-LLM
    re.compile(r"current length is (\d+)"),  # Cerebras
    re.compile(r"keep the first (\d+) tokens"),  # LM Studio
    re.compile(r"number of input tokens (\d+)"),  # Watsonx
)

# --- The answer's limit -------------------------------------------------------

OUTPUT_LIMIT = (
    # OpenAI, Azure: "This model supports at most 4096 completion tokens, whereas you provided
    # 16384."
    re.compile(r"at most (\d+) (?:completion|output) tokens"),
    # DeepSeek, Qwen: "the valid range of max_tokens is [1, 8192]", "Range of max_tokens should be
    # [1, 8192]"; Zhipu
    re.compile(rf"(?:{_LIMIT}).{{0,60}}?\[[01] \.\. (\d+)"),
    re.compile(rf"\[[01] \.\. (\d+)\].{{0,60}}?(?:{_LIMIT})"),
    # Anthropic: "max_tokens: 16384 > 8192, which is the maximum allowed number of output tokens"
    re.compile(rf"(?:{_LIMIT}): \d+ > (\d+)"),
    # Groq, Fireworks, Cohere, Bedrock: "must be less than or equal to 8192", "must be ≤ 4096",
    # "between 1 and 4096"
    re.compile(
        rf"(?:{_LIMIT})\b.{{0,90}}?(?:<=|≤|less (?:than )?or equal to|at most|not exceed|cannot"
        r" exceed|no more than|no greater than"
        r"|not be greater than|not be larger than|maximum (?:value )?(?:of|is)|up to|1 and|limit"
        r" (?:of|is)|maximum:|max:) ?(\d+)"
    ),
    # Baidu Qianfan: "max_output_tokens must be in [2, 2048]"
    re.compile(rf"(?:{_LIMIT})\b.{{0,40}}?\[\d+ \.\. (\d+)"),
    # Bedrock: "The maximum tokens you requested exceeds the model limit of 8192."
    re.compile(r"maximum tokens you requested exceeds the model limit of (\d+)"),
    # Several: "max output tokens is 8192", "maximum output tokens (8192)"
    re.compile(
        r"max(?:imum)? (?:completion|output|generated|new)(?: tokens| length)?[^\d.;]{0,20}?(\d+)"
    ),
)
# The same, where the number itself is one too many. Gemini: "from 1 (inclusive) to 65537
# (exclusive)".
OUTPUT_LIMIT_EXCLUSIVE = (
    re.compile(r"to (\d+) \(exclusive\)"),
    re.compile(
        rf"(?:{_LIMIT}|maximum tokens value)\b[^.]{{0,60}}?(?:less than|lower than|smaller"
        r" than|below|<) (\d+)"
    ),
)
OUTPUT_TOO_LARGE = any_of(
    rf"(?:{_LIMIT})\b.{{0,60}}?(?:too (?:large|big|high|many)|exceed|greater than|larger than|out"
    r" of range|range|over the|above)",
    rf"(?:exceed\w*|too (?:large|big|high)|out of range|greater than|range).{{0,40}}?(?:{_LIMIT})",
    r"maximum tokens you requested",
    r"too many (?:output|completion) tokens",
    r"max_tokens.{0,10}(?:非法|超|取值范围)",
)
