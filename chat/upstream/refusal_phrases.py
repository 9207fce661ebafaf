"""The words by which a request is refused for other reasons than its length; each names its source.

Patterns of length are in chat.upstream.limit_phrases, which says what they are searched in; codes
are in chat.upstream.refusal_codes.
"""

import re

from chat.upstream.limit_phrases import any_of

# --- What we send for our own sake --------------------------------------------

UNSUPPORTED = any_of(
    # OpenAI: "Unsupported parameter: 'max_tokens' is not supported with this model."
    r"unsupported",
    r"not (?:currently |yet )?(?:be )?"
    r"(?:supported|permitted|allowed|accepted|recogni[sz]ed|implemented|available|valid|known"
    r"|expected)",
    r"(?:does|do) ?(?:not|nt) (?:support|accept|allow|know|recogni[sz]e|exist|have)",
    # Gemini: 'Unknown name "stream_options": Cannot find field.'
    r"cannot (?:be used|be set|find field)",
    r"unrecogni[sz]ed",  # OpenAI, old: "Unrecognized request argument supplied: stream_options"
    r"unknown (?:name|field|parameter|argument|key|property|option)",  # serde, Go, protobuf
    r"unexpected (?:keyword|field|parameter|argument|key|property|option)",
    r"extra (?:inputs?|fields?|keys?|arguments?|propert)",  # pydantic
    r"additional propert",  # JSON Schema
    r"invalid (?:field|parameter|argument|key|property|option)s?\b",
    r"no such (?:field|parameter|argument)",
    r"has no field|is not a (?:valid|known|permitted)|is deprecated|is not defined|must not"
    r" be|should not be",
    r"不支持|未知参数|无效参数",
)
# The parameters that we send, as messages name them, the longer names first.
PARAMETERS = {
    "stream_options": re.compile(r"\bstream_?options\b|\binclude_?usage\b"),
    "max_completion_tokens": re.compile(r"\bmax_?completion_?tokens\b"),
    "max_tokens": re.compile(r"\bmax_?tokens\b"),
    "stream": re.compile(
        r"\bstream(?:ing)?\b(?!_).{0,40}?(?:not |un)support|(?:un|not"
        r" )support\w*.{0,40}?\bstream(?:ing)?\b(?!_)"
        r"|unknown.{0,20}\bstream\b|unrecogni[sz]ed.{0,40}\bstream\b(?!_)"
    ),
}
SYSTEM_ROLE = any_of(
    # Gemma's template, on all servers: "System role not supported"
    r"system (?:role|message|prompt|instruction)s?\b.{0,40}?"
    r"(?:not|un)[ -]?(?:supported|allowed|enabled|accepted|permitted|available|valid)",
    r"(?:does ?(?:not|nt) (?:support|allow|accept)|unsupported|unexpected|unknown|invalid|not"
    r" support\w*).{0,30}?"
    r"\b(?:system|developer)\b(?: (?:role|message|prompt|instruction)s?)?",
    # Gemini with Gemma: "Developer instruction is not enabled for models/gemma-3-27b-it"
    r"developer (?:role|message|instruction)s?\b.{0,30}?not",
    # Templates of Mistral and others: "Only user and assistant roles are supported!"
    r"only user(?:,)? (?:and|or) (?:assistant|model)",
    # A template that knows no system role finds that it begins with no user. (Ours alternate.)
    r"roles must alternate|must alternate between user|first message must"
    r" (?:be|have|come).{0,20}user|must start with a user",
    r"role.{0,30}must be (?:one of |either )?(?:user|assistant)",
    # JSON Schema: "'system' is not one of ['user', 'assistant']"
    r"\bsystem is not one of",
    # Baidu Qianfan: "the role of message with even index in the messages must be user"
    r"(?:even|odd) index.{0,30}must be user",
    # pydantic: "Input should be 'user' or 'assistant'"
    r"should be (?:user|assistant),? (?:or )?(?:user|assistant)",
)

# --- Credit, content, time ----------------------------------------------------

NO_CREDIT = any_of(
    # DeepSeek: "Insufficient Balance"
    r"insufficient[ _-](?:account )?(?:quota|balance|credits?|funds?)",
    r"(?:balance|credits?|funds?) (?:is |are |was |has been )?(?:too low|insufficient|not"
    r" enough|depleted|exhausted|used up|negative)",
    # xAI: "doesn't have any credits yet"
    r"(?:not enough|no more|out of|nt have any|not have any) (?:\w+ )?credits?\b",
    r"not (?:have |has )?enough (?:balance|credits?|funds)|billing (?:is |has )?not (?:been"
    r" )?enabled",
    r"no credits? (?:left|remain|available)",
    r"(?:more|purchase|buy|add|top up|upgrade).{0,20}\bcredits?\b",  # OpenRouter (402), xAI
    r"prepayment credits",  # Gemini: "Your prepayment credits are depleted."
    r"exceeded (?:your|the|its) (?:current )?(?:quota|budget|credits?|monthly included"
    r" credits)\b(?!.{0,60}per[ _](?:minute|day|second))",
    r"check your plan and billing|billing (?:hard )?limit|billing.{0,20}(?:not"
    r" active|inactive|disabled|to be enabled|details)",
    r"in arrears|arrearage|overdue|good standing|欠费|余额不足|充值",  # Qwen, Volcengine, Zhipu
    r"payment (?:is )?required|unpaid|recharge",  # Moonshot, Together
    # OpenRouter, Groq, Together
    r"(?:spending|spend|usage|credit|key|budget|monthly) limits? (?:\w+ )?(?:reached|exceeded|hit)",
    r"(?:reached|exceeded|hit) (?:its|your|the) (?:specified )?(?:\w+"
    r" )?(?:spending|spend|usage|credit|budget) limits?\b",
    r"specified api usage limits",  # Anthropic
    r"free (?:tier|quota).{0,30}(?:exhausted|used up)|budget has been exceeded",  # Qwen; LiteLLM
    # Moonshot, Fireworks
    r"account.{0,60}(?:suspended|deactivated)"
    r".{0,60}(?:billing|balance|payment|recharge|spending|invoice)",
    r"payment[_ ](?:method|instrument)|credit card",  # DeepInfra, Bedrock; Vercel
    r"(?:calls|requests) ?(?:/|per) ?month",  # Cohere's trial key
    # one-api, new-api; Tencent Hunyuan
    r"额度(?:不足|已?(?:用尽|用完|耗尽))|(?:余量|资源包).{0,6}(?:用尽|用完|耗尽)",
)
# A limit that is over in a while; Gemini speaks of plan and billing there, too.
PASSES = any_of(
    r"retry in [\d.]+",
    r"try again in [\d.]+",
    r"quota exceeded for (?:metric|quota)",
    r"per[ _](?:minute|second|hour)",
    r"\b[rt]p[md]\b",
    r"perminute|perday",
)
FILTER = any_of(
    r"content[ _](?:filter|management policy|policy|moderation)",  # Azure, OpenAI
    r"content (?:is |was |has been )?(?:blocked|prohibited|flagged|filtered)",
    r"content exists risk",  # DeepSeek
    r"inappropriate content|data inspection|data_inspection",  # Qwen
    r"considered high risk|high risk",  # Moonshot
    # MiniMax, Volcengine, Zhipu (English)
    r"sensitive (?:content|information|words?)|unsafe (?:or sensitive )?content",
    r"responsible ?ai",  # Azure
    r"censor|content.{0,40} (?:is|was|been) blocked",  # StepFun
    r"(?:prompt|response) (?:was |is |has been )?blocked",  # Cloudflare's gateway, Gemini
    # OpenRouter (403), OpenAI
    r"(?:input|prompt|request|content|text|message)s?\b.{0,40}\b(?:was |were |is |been"
    r" )?flagged|flagged as",
    r"violat\w+.{0,40}(?:polic|guideline|terms|usage)",  # xAI, OpenAI
    r"(?:rejected|blocked|refused).{0,40}(?:safety|moderation|guardrail)"
    r"|safety_check|guardrail.{0,30}(?:block|interven)",
    r"prohibited_content|blockreason|block_reason",  # Gemini
    r"不安全|敏感|违规|不合规",  # Zhipu, MiniMax, Baidu
)
# Where the status does not say it.
UNKNOWN_MODEL = any_of(
    # DeepSeek: "Model Not Exist"; Qwen
    r"\bmodel\b.{0,80}?\b(?:not exist|not found|is unknown|not available)",
    r"(?:no such|unknown|invalid) model\b|not a valid model",  # Mistral: "Invalid model: …"
    r"\bmodel\b.{0,80}?\b(?:decommissioned|retired|no longer (?:supported|available))",  # Groq
    r"model identifier is invalid",  # Bedrock
)
# Gemini: "User location is not supported for the API use."
REGION = any_of(r"(?:location|region|country|territory).{0,30}not supported")
KEY = any_of(
    r"security token\b.{0,40}\binvalid",  # Bedrock
    r"unregistered callers",  # Gemini
    r"authentication failed",
    r"api[ _-]?key\b.{0,30}?(?:not valid|invalid|incorrect|expired)",
    r"(?:invalid|incorrect|expired) (?:\w+ )?api[ _-]?key",
)
BUSY = any_of(
    r"rate[ _-]?limit",
    r"too many requests",
    r"too many concurrent",
    r"请求过多|频率|并发|饱和|稍后再试",
)
RETRY_IN = re.compile(
    r"(?:try again|retry|available|wait|reset)\w*(?: \w+)?? (?:in|after|for|about) (?:about )?"
    r"((?:\d+(?:\.\d+)? ?(?:ms|milliseconds?|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)\b ?)+"
    r"|(?:\d+h)?(?:\d+m)?(?:\d+(?:\.\d+)?s))"
)
DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(ms|milli|h|m|s)")
