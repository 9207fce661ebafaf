"""Why an attempt failed, for the operator: status, code, request id and a remedy.

It never holds a prompt, an answer or a key.
"""

import re
from dataclasses import asdict, dataclass
from time import time
from typing import Any

from django.conf import settings

from chat.errors import (
    KEY_REFUSED,
    MODEL_FORBIDDEN,
    MODEL_UNKNOWN,
    NO_CREDIT,
    UNTRUSTED,
    AnswerError,
)
from chat.upstream.attempt import Attempt

_WORD = re.compile(r"[\w.:/=+-]{1,100}", re.ASCII)
_SET_KEY = "Set OPENAI_API_KEY to one that the provider accepts, and start the site again."
_CHECK_ADDRESS = (
    "Correct the model's slug, or OPENAI_BASE_URL: it ends as the provider's manual says, usually"
    " in /v1."
)

_PASSING = frozenset(
    {"upstream_rate_limited", "upstream_unavailable", "upstream_timeout", "upstream_cut"}
)
_REMEDIES = {
    KEY_REFUSED: _SET_KEY,
    MODEL_FORBIDDEN: (
        "Let the key use this model at the provider's, set another key, or disable the model."
    ),
    MODEL_UNKNOWN: _CHECK_ADDRESS,
    NO_CREDIT: "Pay the provider, or raise the limit that is set there.",
    UNTRUSTED: (
        "Name the certificate authority of the server in SSL_CERT_FILE, or give the server a"
        " certificate that is trusted."
    ),
    "tls_failed": "See that OPENAI_BASE_URL has the right scheme (http or https) and port.",
    "name_not_found": "Correct the host in OPENAI_BASE_URL, or this machine's DNS.",
    "connection_refused": "Start the model's server, or correct the port in OPENAI_BASE_URL.",
    "connect_timeout": (
        "See that this machine reaches the model's server, through the firewall too."
    ),
    "not_reached": "See that this machine reaches the model's server, through the firewall too.",
    "proxy_failed": (
        "Correct the proxy in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, or name the host in NO_PROXY."
    ),
    "connection_lost": "The model's server hung up: its own log says why.",
    "upstream_rate_limited": (
        "The provider's limit is met: raise it there, or give the model a fallback."
    ),
    "upstream_timeout": (
        "The model's server was silent: see whether it is overloaded, or raise"
        " UPSTREAM_FIRST_TOKEN_SECONDS."
    ),
    "upstream_rejected": (
        "The provider does not take the request as the site makes it: its log has the request under"
        " its id."
    ),
    "upstream_unavailable": (
        "The model's server has trouble of its own: its log, or the provider's status page, says"
        " which."
    ),
    "upstream_cut": "The model's server, or a proxy before it, ended the answer too early.",
}


@dataclass(frozen=True)
class FailureReport:
    """Reports one failed attempt.

    `at` is in seconds since 1970; `error` is the contract's code, `upstream_code` the provider's.
    """

    model: str
    at: float
    error: str
    reason: str = ""
    status: int | None = None
    upstream_code: str = ""
    request_id: str = ""

    @classmethod
    def of(cls, attempt: Attempt, error: AnswerError) -> "FailureReport":
        """Describes an attempt that has just failed."""
        return cls(
            model=attempt.target.slug,
            at=time(),
            error=error.code,
            reason=error.reason or attempt.fault,
            status=attempt.status,
            upstream_code=_word(error.upstream_code),
            request_id=_word(attempt.request_id),
        )

    @property
    def details(self) -> str:
        """Returns such as `HTTP 401, code invalid_api_key, request req_123`, or ""."""
        said = {
            "HTTP": self.status,
            "code": self.upstream_code,
            "reason": self.reason,
            "request": self.request_id,
        }
        return ", ".join(f"{name} {value}" for name, value in said.items() if value)

    @property
    def remedy(self) -> str:
        """Returns what the operator can do, in a sentence."""
        return _REMEDIES.get(self.reason) or _REMEDIES.get(self.error, "")

    @property
    def passes(self) -> bool:
        """Returns whether it may pass without anything being done."""
        return self.error in _PASSING and self.reason in ("", "connection_lost")

    def fields(self) -> dict[str, Any]:
        return asdict(self)


def fault_remedy(fault: str) -> str:
    """Returns what can be done about a failed connection; "" for an unknown word."""
    return _REMEDIES.get(fault, "")


def _word(text: str) -> str:
    """Returns the text if it is a code or an id, else "".

    Some upstreams repeat in an error what they were sent, the key included.
    """
    key = settings.OPENAI_API_KEY
    return text if _WORD.fullmatch(text) and not (key and key in text) else ""
