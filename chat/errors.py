"""What a person may be told: a turn is refused (an HTTP status) or goes wrong (an event).

Imports nothing of the project. The codes are the contract of docs/protocol.md: outside programs
rely on them.
"""

from typing import Any


class Refusal(Exception):
    """Refuses a request before it starts; it has cost nothing.

    `retry_after` is in whole seconds, `limit` names the limit that was reached, `headers` go out
    with the response. `quota` is the name of the quota that refused, if one did, for the operator's
    statistics.
    """

    status = 400
    code = "invalid_request"

    def __init__(
        self,
        message: str,
        *,
        retry_after: int | None = None,
        limit: str | None = None,
        headers: dict[str, str] | None = None,
        quota: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.limit = limit
        self.headers = headers or {}
        self.quota = quota

    def payload(self) -> dict[str, Any]:
        """Returns the body of the response, as docs/protocol.md has it.

        It is `{"error": {"code", "message", "retry_after"?, "limit"?}}`.
        """
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.retry_after is not None:
            error["retry_after"] = self.retry_after
        if self.limit is not None:
            error["limit"] = self.limit
        return {"error": error}


class InvalidRequest(Refusal):
    pass


class NotSignedIn(Refusal):
    status, code = 401, "not_signed_in"


class CsrfFailed(Refusal):
    status, code = 403, "csrf_failed"


class Forbidden(Refusal):
    status, code = 403, "forbidden"


class ChallengeRequired(Refusal):
    status, code = 403, "challenge_required"


class NotFound(Refusal):
    status, code = 404, "not_found"


class MethodNotAllowed(Refusal):
    status, code = 405, "method_not_allowed"


class UnsupportedMediaType(Refusal):
    status, code = 415, "unsupported_media_type"


class PromptTooLong(Refusal):
    status, code = 413, "prompt_too_long"


class TooManyMessages(Refusal):
    status, code = 413, "too_many_messages"


class BodyTooLarge(Refusal):
    status, code = 413, "body_too_large"


class ConversationBusy(Refusal):
    status, code = 409, "conversation_busy"


class TurnConflict(Refusal):
    status, code = 409, "turn_conflict"


class RateLimited(Refusal):
    status, code = 429, "rate_limited"


class TooManyStreams(Refusal):
    status, code = 429, "too_many_streams"


class TokensExhausted(Refusal):
    status, code = 429, "tokens_exhausted"


class SpendExhausted(Refusal):
    status, code = 429, "spend_exhausted"


class TooManyReaders(Refusal):
    status, code = 429, "too_many_readers"


class Paused(Refusal):
    status, code = 503, "paused"


class LimitsUnavailable(Refusal):
    status, code = 503, "limits_unavailable"


class Draining(Refusal):
    status, code = 503, "draining"


class DatabaseUnavailable(Refusal):
    status, code = 503, "database_unavailable"


class InternalFault(Refusal):
    """Says that the fault is the site's own, and that trying again soon will not help."""

    status, code = 500, "internal_error"


class AnswerError(Exception):
    """Says what went wrong while an answer was generated, for its `error` event.

    `code` is the contract's, `reason` (optional) tells rejections apart, `retry_after` is in
    seconds.
    """

    def __init__(self, code: str, *, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason
        self.retry_after = retry_after
        # The upstream's own code or type, for the operator; never its message, which may quote the
        # prompt.
        self.upstream_code = ""


CONTEXT_LENGTH = "context_length_exceeded"
CONTENT_FILTER = "content_filter"
NO_CREDIT = "insufficient_quota"
KEY_REFUSED = "invalid_api_key"
MODEL_FORBIDDEN = "model_forbidden"
MODEL_UNKNOWN = "model_not_found"
UNTRUSTED = "untrusted_certificate"

_SENTENCES = {
    "upstream_rate_limited": "The model was busy.",
    "upstream_unavailable": "The model's server could not be reached or had a problem.",
    "upstream_timeout": "The model was silent for too long.",
    "upstream_rejected": "The model's server refused the request.",
    "upstream_cut": "The connection to the model was lost.",
    "worker_lost": "The server that wrote this answer stopped in the middle of it.",
}
_REASONS = {
    CONTEXT_LENGTH: (
        "The prompt is too long for the model. Shorten it, or choose a model that can read more."
    ),
    CONTENT_FILTER: "The provider's content filter refused this prompt.",
    NO_CREDIT: (
        "The account with the model's provider has run out of credit. Tell whoever runs this site."
    ),
    KEY_REFUSED: (
        "The site's key for the model's provider is not accepted. Tell whoever runs this site."
    ),
    MODEL_FORBIDDEN: (
        "The model's provider does not let this site use the model. Tell whoever runs this site."
    ),
    MODEL_UNKNOWN: (
        "The model's provider does not know this model. Choose another, and tell whoever runs this"
        " site."
    ),
    UNTRUSTED: "The certificate of the model's server is not trusted. Tell whoever runs this site.",
}


def sentence(code: str, reason: str = "") -> str:
    """Returns what a person is told about an error, at once and after a reload."""
    return _REASONS.get(reason) or _SENTENCES.get(code, "Something broke on our side.")
