"""Tells from what a refusal says what was refused, and which limits it names. Pure."""

import re
from dataclasses import dataclass
from enum import StrEnum

from chat.upstream import limit_phrases
from chat.upstream import refusal_codes as codes
from chat.upstream import refusal_phrases as phrases
from chat.upstream.refusal_body import Said

# A smaller number is not a limit ("8k", "version 2").
_MIN_LIMIT = 128
_MAX_LIMIT = 100_000_000
# 498 is Groq's: its flexible tier is full.
_BUSY_STATUSES = (429, 498)
# The 4xx that can succeed later. 424 is an error of the model behind SageMaker and Bedrock, 499 is
# Google's CANCELLED.
_PASSING_STATUSES = (408, 409, 424, 425, 499)
# A base URL that is no API's answers 405 to a POST.
_UNKNOWN_ADDRESS_STATUSES = (404, 405)


class Kind(StrEnum):
    """Names the reasons for which an upstream refuses a request."""

    TOO_LONG = "too_long"
    OUTPUT_LIMIT = "output_limit"
    PARAMETER = "parameter"
    SYSTEM_ROLE = "system_role"
    NO_CREDIT = "no_credit"
    FILTER = "filter"
    BUSY = "busy"
    KEY = "key"
    FORBIDDEN = "forbidden"
    UNKNOWN_MODEL = "unknown_model"
    REJECTED = "rejected"


@dataclass(frozen=True)
class Refusal:
    """Holds what was refused.

    The figures are tokens, None where none is named; `parameter` is one that we send. `of_both`:
    the prompt and the answer's limit may be too long only together.
    """

    kind: Kind
    context_tokens: int | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    parameter: str = ""
    of_both: bool = False


def meaning(status: int | None, said: Said) -> Refusal | None:
    """Returns what was refused; None where nothing tells.

    `status` is None for an error inside a stream.
    """
    if status is None:
        status = said.status
    if limit_phrases.TOO_LARGE_FOR_A_MINUTE.search(said.text) and not _is_no_credit(said):
        return _too_long(said)
    if status in _BUSY_STATUSES:
        return Refusal(Kind.NO_CREDIT if _is_no_credit(said) else Kind.BUSY)
    return _named(status, said) or _of_status(status, said)


def _named(status: int | None, said: Said) -> Refusal | None:
    """Returns what the words and codes of the body say."""
    if status == 402 or _is_no_credit(said):
        return Refusal(Kind.NO_CREDIT)
    if _has(said, codes.FILTER_CODES):
        return Refusal(Kind.FILTER)
    if _has(said, codes.BUSY_CODES) and status not in (401, 403, 413):
        return Refusal(Kind.BUSY)
    request = _about_request(status, said)
    if request is not None:
        return request
    if phrases.FILTER.search(said.text):
        return Refusal(Kind.FILTER)
    return Refusal(Kind.BUSY) if status is None and phrases.BUSY.search(said.text) else None


def _about_request(status: int | None, said: Said) -> Refusal | None:
    """Returns a refusal of the request itself; None for any other.

    It is too long, asks for too much, or has a parameter or a system role that is not taken.
    """
    text = said.text
    # FastAPI names the parameter beside its sentence: "Input should be less than or equal to 8192".
    limits = [name for name in said.parameters if name in ("max_tokens", "max_completion_tokens")]
    output = _output_limit(" ".join([*limits[:1], text]))
    context = limit_phrases.CONTEXT.search(text)
    too_long = _has(said, codes.TOO_LONG_CODES)
    if (context or too_long) and not (output and not context):
        return _too_long(said)
    if parameter := _parameter(said, limit_named=output is not None):
        return Refusal(Kind.PARAMETER, parameter=parameter)
    if phrases.SYSTEM_ROLE.search(text):
        return Refusal(Kind.SYSTEM_ROLE)
    if output is not None or (
        limit_phrases.OUTPUT_TOO_LARGE.search(text)
        and not limit_phrases.PROMPT_TOO_LONG.search(text)
    ):
        return Refusal(Kind.OUTPUT_LIMIT, output_tokens=output)
    if status == 413 or (
        limit_phrases.PROMPT_TOO_LONG.search(text) and not phrases.BUSY.search(text)
    ):
        return _too_long(said)
    return None


def _too_long(said: Said) -> Refusal:
    text = said.text
    # "Requested 8000, limit 6000" of a minute's allowance says nothing of the model.
    passes = phrases.PASSES.search(text)
    limit = (
        None if passes else said.figures.get("n_ctx") or _first(limit_phrases.CONTEXT_LIMIT, text)
    )
    prompt = said.figures.get("n_prompt_tokens") or _first(
        limit_phrases.PROMPT_TOKENS, text, minimum=1
    )
    return Refusal(
        Kind.TOO_LONG, limit, prompt, of_both=limit_phrases.OF_BOTH.search(text) is not None
    )


def _of_status(status: int | None, said: Said) -> Refusal | None:
    """Returns what the status or the code says of the key, its rights, or the model."""
    unsaid = status in (None, 400, 403, 422)
    if status == 401 or (unsaid and (_has(said, codes.KEY_CODES) or phrases.KEY.search(said.text))):
        return Refusal(Kind.KEY)
    # Gateways answer 503 with it for a model that none of their channels has.
    unknown = status in _UNKNOWN_ADDRESS_STATUSES or "model_not_found" in said.codes
    if unknown or (
        unsaid
        and (_has(said, codes.UNKNOWN_MODEL_CODES) or phrases.UNKNOWN_MODEL.search(said.text))
    ):
        return Refusal(Kind.UNKNOWN_MODEL)
    elsewhere = unsaid and phrases.REGION.search(said.text)
    if status == 403 or elsewhere or (status is None and _has(said, codes.FORBIDDEN_CODES)):
        return Refusal(Kind.FORBIDDEN)
    if status is None:
        return Refusal(Kind.REJECTED) if _has(said, codes.REJECTION_CODES) else None
    return (
        Refusal(Kind.REJECTED) if 400 <= status < 500 and status not in _PASSING_STATUSES else None
    )


def _is_no_credit(said: Said) -> bool:
    if _has(said, codes.NO_CREDIT_CODES):
        return True
    return bool(phrases.NO_CREDIT.search(said.text)) and not (
        said.retry_delay or phrases.PASSES.search(said.text)
    )


def _parameter(said: Said, *, limit_named: bool) -> str:
    """Returns which of our parameters the upstream does not know; "" for none."""
    text = said.text
    unsupported = _has(said, codes.UNSUPPORTED_CODES) or phrases.UNSUPPORTED.search(text)
    if not unsupported or limit_named:
        return ""
    for name, pattern in phrases.PARAMETERS.items():
        if name != "stream" and any(pattern.search(parameter) for parameter in said.parameters):
            return name
    if "stream" in said.parameters:
        return "stream"
    # "'max_tokens' is not supported. Use 'max_completion_tokens' instead": the first is refused,
    # the second is advice.
    places = {
        name: found.start()
        for name, pattern in phrases.PARAMETERS.items()
        if (found := pattern.search(text))
    }
    places.pop("stream" if len(places) > 1 else "", None)
    return min(places, key=lambda name: places[name], default="")


def _output_limit(text: str) -> int | None:
    limit = _first(limit_phrases.OUTPUT_LIMIT_EXCLUSIVE, text)
    return limit - 1 if limit is not None else _first(limit_phrases.OUTPUT_LIMIT, text)


def _has(said: Said, codes: frozenset[str]) -> bool:
    return any(code in codes for code in said.codes)


def _first(
    patterns: tuple[re.Pattern[str], ...], text: str, minimum: int = _MIN_LIMIT
) -> int | None:
    for pattern in patterns:
        for found in pattern.finditer(text):
            if len(found.group(1)) <= 9 and minimum <= int(found.group(1)) <= _MAX_LIMIT:
                return int(found.group(1))
    return None
