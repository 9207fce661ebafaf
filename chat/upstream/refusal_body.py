"""Takes a refusal's body, of any shape, apart into codes, parameters and texts. Pure."""

import codecs
import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chat.upstream import refusal_codes as codes
from chat.upstream import refusal_phrases as phrases

_MAX_DEPTH = 8
_MAX_VALUES = 400
_MAX_TEXT = 8_000
_MAX_ALL_TEXT = 16_000
_MAX_LIMIT = 100_000_000
_CODE_KEYS = frozenset(
    {
        "code",
        "type",
        "status",
        "reason",
        "error_code",
        "errorcode",
        "status_code",
        "__type",
        "blockreason",
        "block_reason",
        "codename",
    }
)
_CODES_PROPER = frozenset({"code", "error_code", "errorcode", "status_code", "codename"})
_PARAMETER_KEYS = frozenset({"param", "loc", "field", "parameter", "path"})
# These quote the request: a prompt that speaks of limits is no refusal.
_QUOTED_KEYS = frozenset(
    {
        "input",
        "ctx",
        "body",
        "request",
        "messages",
        "value",
        "failed_generation",
        "content_filter_result",
    }
)
_FALSE_LIKE = frozenset({"", "error", "null", "none", "0"})
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,60}")


@dataclass
class Said:
    """Holds a body taken apart: codes and types, names of parameters, and texts, in lower case.

    `named` holds the first value under each of `code`, `type` and so on, as it was written.
    """

    codes: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    request_id: str = ""
    retry_delay: str = ""

    @property
    def text(self) -> str:
        """Returns all texts together, cut to a length that is quick to search."""
        return " \n ".join(self.texts)[:_MAX_ALL_TEXT]

    @property
    def code(self) -> str:
        """Returns the provider's own code, for the log.

        That is its code if it is more than an HTTP status, else its type.
        """
        by_rank = sorted(
            self.named.items(),
            key=lambda item: (
                item[1].isdecimal() and len(item[1]) == 3,
                item[0] not in _CODES_PROPER,
            ),
        )
        return by_rank[0][1] if by_rank else ""

    @property
    def status(self) -> int | None:
        """Returns the HTTP status that stands in the body, as of gateways that answer with 200."""
        return next(
            (
                int(code)
                for code in self.codes
                if code.isdecimal() and len(code) == 3 and 400 <= int(code) < 600
            ),
            None,
        )

    @property
    def retry_after(self) -> float | None:
        """Returns the seconds to wait that the body names.

        They are in Gemini's retryDelay, or in words such as "try again in 1m2.5s".
        """
        if self.retry_delay and (delay := seconds(self.retry_delay.lower())) is not None:
            return delay
        found = phrases.RETRY_IN.search(self.text)
        return seconds(found.group(1)) if found else None


def parsed(content: bytes, charset: str | None) -> Any:
    """Returns the JSON that a body is, else its text.

    UTF-8, 16 and 32 are told by the bytes; any other text is read in `charset`, from the header.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        text = _text(content, charset)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _text(content: bytes, charset: str | None) -> str:
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for name in ("utf-16",) if is_utf16 else ("utf-8-sig", charset or "utf-8"):
        with contextlib.suppress(UnicodeDecodeError, LookupError):
            return content.decode(name)
    return content.decode("utf-8", "replace")


def read(body: Any) -> Said:
    """Takes a body apart: parsed JSON of any shape, or text that may itself be JSON."""
    said = Said()
    budget = [_MAX_VALUES]
    for key, value in _values(body, "", 0, budget):
        _note(said, key.lower(), value)
    return said


def _values(value: Any, key: str, depth: int, budget: list[int]) -> Iterator[tuple[str, Any]]:
    """Yields all that is neither list nor object, with the key it stands under.

    JSON inside of text is parsed too.
    """
    if depth > _MAX_DEPTH or budget[0] <= 0 or key.lower() in _QUOTED_KEYS:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _values(inner, str(name), depth + 1, budget)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _values(inner, key, depth + 1, budget)
    else:
        budget[0] -= 1
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str) and (inner := _json_in(value)) is not None:
            yield from _values(inner, key, depth + 1, budget)
        else:
            yield key, value


def _json_in(text: str) -> Any:
    """Returns the JSON that a text is or ends in (`Error code: 400 - {…}`), else None."""
    if text[:1] == '"':
        return _quoted(text)
    start = min((place for mark in ("{", "[{") if (place := text.find(mark)) >= 0), default=-1)
    if start < 0:
        return None
    try:
        inner, _ = json.JSONDecoder().raw_decode(text[start:])
    except (ValueError, RecursionError):
        return None
    return [text[:start], inner] if inner and start else inner or None


def _quoted(text: str) -> Any:
    try:
        return json.loads(text) or None
    except (ValueError, RecursionError):
        return None


def _note(said: Said, key: str, value: Any) -> None:
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        if key in ("n_ctx", "n_prompt_tokens") and 0 < value <= _MAX_LIMIT:
            said.figures[key] = int(value)
        if key not in _CODE_KEYS:
            return
        value = str(value)
    if key in ("request_id", "requestid"):
        said.request_id = said.request_id or value
    elif key == "retrydelay":
        said.retry_delay = value
    elif key in _PARAMETER_KEYS:
        said.parameters.append(value.lower()[:200])
    elif key in _CODE_KEYS and _CODE.fullmatch(value):
        said.codes.append(value.lower())
        if value.lower() not in _FALSE_LIKE:
            said.named.setdefault(key, value)
    else:
        said.texts.append(_normal(value[:_MAX_TEXT]))
        said.codes += _codes_in(said.texts[-1])


_CODES_IN_TEXT = (codes.TOO_LONG_CODES | codes.FILTER_CODES | codes.NO_CREDIT_CODES) - {
    "safety",
    "sensitive",
    "blocklist",
}


def _codes_in(text: str) -> list[str]:
    """Returns the codes that a gateway has written into its message."""
    words = set(re.findall(r"[a-z][a-z_.]{11,60}", text))
    return [word.rstrip(".") for word in words if word.rstrip(".") in _CODES_IN_TEXT]


def _normal(text: str) -> str:
    """Returns the text in lower case, on one line, without quotes.

    Numbers lose their thousands separators, ranges become `[1 .. 8192]`.
    """
    text = re.sub(
        r"<[^<>]{1,200}>",
        lambda tag: tag.group() if re.match(r"<\s*[\d=]", tag.group()) else " ",
        text,
    )
    text = re.sub(r"[`'\"‘’“”*\\]", "", text.lower())
    text = re.sub(r"[\[(（]\s*(\d+)\s*[,，~]\s*(\d+)", r"[\1 .. \2", text)
    text = re.sub(r"(?<=\d)[,_\u00a0\u202f\u2009](?=\d{3}(?!\d))", "", text)
    text = re.sub(r"(?<=\d)\.0+(?!\d)", "", text)
    return " ".join(text.split())


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "milli": 0.001}


def seconds(text: str) -> float | None:
    """Returns the seconds of a duration such as `1h2m3.5s`, `350ms` or `20`, else None."""
    parts = phrases.DURATION.findall(text)
    if not parts:
        return float(text) if re.fullmatch(r"\d+(?:\.\d+)?", text) else None
    return sum(float(figure) * _UNITS[unit] for figure, unit in parts)
