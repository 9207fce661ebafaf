"""Makes one call of the upstream: messages in, pieces of text out, then usage.

The only module that imports openai. Retries are decided in chat.upstream.retry; the SDK's own are
off.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp
import httpx2
import openai
from django.conf import settings

from chat.errors import UNTRUSTED, AnswerError
from chat.upstream import bodies, failures, parameters, refusal_body, stream
from chat.upstream.attempt import Attempt, CompletionSink
from chat.upstream.event_stream import BrokenStream
from chat.upstream.failure_report import FailureReport
from chat.upstream.failures import Retriable

logger = logging.getLogger("chat.upstream.client")

_CONNECT_SECONDS = 5.0
_BROKEN = (openai.APIConnectionError, *stream.CONNECTION_ERRORS)
# The last one: a proxy refused to connect us.
_NO_CONNECTION = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
)
# The SDK reads OPENAI_LOG when it is imported; with "debug" it would log prompts.
logging.getLogger("openai").setLevel(logging.WARNING)
# An operator quotes it to the provider. In the order of preference: OpenAI and most, Anthropic,
# Bedrock, Azure, Cloudflare.
_REQUEST_ID_HEADERS = (
    "x-request-id",
    "request-id",
    "x-amzn-requestid",
    "apim-request-id",
    "x-ms-request-id",
    "x-trace-id",
    "cf-ray",
)

Client = openai.AsyncOpenAI


def make_client() -> Client:
    """Makes a client for the running event loop; the caller closes it.

    The aiohttp transport takes a quarter of the time per delta that the default one takes.
    """
    timeout = openai.Timeout(None, connect=_CONNECT_SECONDS)
    limits = httpx2.Limits(
        max_connections=100_000, max_keepalive_connections=None, keepalive_expiry=30
    )
    client = Client(
        api_key=settings.OPENAI_API_KEY or "none",
        base_url=settings.OPENAI_BASE_URL or settings.OPENAI_URL,
        default_headers=settings.OPENAI_CUSTOM_HEADERS,
        max_retries=0,
        timeout=timeout,
        http_client=openai.DefaultAioHttpClient(
            timeout=timeout,
            limits=limits,
            # A redirect would send prompts, or the key, to another server than the operator chose.
            follow_redirects=False,
            # The environment may not choose the proxy either: the transport would speak plain HTTP
            # to a SOCKS port. The settings have chosen it.
            trust_env=False,
            proxy=settings.OPENAI_PROXY or None,
            verify=httpx2.create_ssl_context(),
            event_hooks={"response": [bodies.bound]},
        ),
    )
    # Where the settings are empty, the SDK has read these from the environment, unchecked.
    client.organization, client.project = (
        settings.OPENAI_ORG_ID or None,
        settings.OPENAI_PROJECT_ID or None,
    )
    return client


class ModelListUnavailable(Exception):
    """Signals that the upstream gave no list of models.

    `status` is the HTTP status of its refusal; None when it did not answer as an upstream does.
    `fault` then says why, if that is known.
    """

    def __init__(self, status: int | None, fault: str = "") -> None:
        super().__init__(status)
        self.status = status
        self.fault = fault


async def offered_models(client: Client) -> list[str]:
    """Returns the slugs that the upstream offers to our key, in no order.

    Raises ModelListUnavailable. Costs no tokens.
    """
    try:
        return [model.id async for model in client.models.list()]
    except openai.APIStatusError as error:
        raise ModelListUnavailable(error.status_code) from None
    except (
        openai.OpenAIError,
        httpx2.HTTPError,
        httpx2.StreamError,
        ValueError,
        TypeError,
        AttributeError,
    ) as error:
        # The last three are raised inside the SDK for a page of HTML, or JSON that is no list.
        raise ModelListUnavailable(None, _fault(error)) from None


async def run(client: Client, attempt: Attempt, sink: CompletionSink) -> None:
    """Runs one attempt and sends its text to `sink`; `attempt` is filled as it goes.

    Raises AnswerError with a code of the contract, or Retriable. Cancelling it closes the upstream
    connection.
    """
    try:
        await _run(client, attempt, sink)
    except (AnswerError, Retriable) as failure:
        _log(attempt, failures.error_of(failure))
        raise


async def _run(client: Client, attempt: Attempt, sink: CompletionSink) -> None:
    opened = False
    # From here on it may cost something, unless it is refused or no connection is made.
    attempt.reached = True
    try:
        async with (
            asyncio.timeout(settings.UPSTREAM_FIRST_TOKEN_SECONDS) as timer,
            _open(client, attempt) as response,
        ):
            opened = True
            attempt.status, attempt.request_id = response.status_code, _request_id(response.headers)
            await stream.read(response, attempt, sink, timer)
    except openai.APIStatusError as error:
        attempt.reached = False
        attempt.status, attempt.request_id = error.status_code, _request_id(error.response.headers)
        body = refusal_body.parsed(error.response.content, error.response.charset_encoding)
        raise failures.of_status(error.status_code, body, error.response.headers) from None
    except _BROKEN as error:
        attempt.reached = opened or not _never_sent(error)
        attempt.fault = _fault(error)
        raise _connection_failure(opened, attempt) from None
    except TimeoutError:
        raise AnswerError("upstream_timeout") from None
    except BrokenStream:
        raise AnswerError("upstream_cut") from None


def _open(client: Client, attempt: Attempt) -> Any:
    # The SDK's types want one class a role; ours are plain dictionaries that the request's parser
    # has checked.
    create: Any = client.chat.completions.with_streaming_response.create
    return create(
        model=attempt.target.slug,
        messages=parameters.messages_for(attempt.target, attempt.messages),
        extra_headers={"Accept-Encoding": "identity"},
        **parameters.of(attempt.target),
    )


# --- Connections that failed ----------------------------------------------


def _causes(error: BaseException | None) -> list[BaseException]:
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = getattr(error, "os_error", None) or error.__cause__ or error.__context__
    return chain


def _never_sent(error: BaseException) -> bool:
    """Returns whether no connection was made at all.

    The exception's own type does not tell: the layers in between also raise ConnectTimeout for a
    server that hangs up on a request.
    """
    return any(isinstance(cause, _NO_CONNECTION) for cause in _causes(error))


_FAULTS: tuple[tuple[type[BaseException], str], ...] = (
    (ssl.SSLCertVerificationError, UNTRUSTED),
    (aiohttp.ClientConnectorCertificateError, UNTRUSTED),
    (ssl.SSLError, "tls_failed"),
    (aiohttp.ClientConnectorSSLError, "tls_failed"),
    (socket.gaierror, "name_not_found"),
    (aiohttp.ClientConnectorDNSError, "name_not_found"),
    (ConnectionRefusedError, "connection_refused"),
    (aiohttp.ConnectionTimeoutError, "connect_timeout"),
    (aiohttp.ClientProxyConnectionError, "proxy_failed"),
    (aiohttp.ClientHttpProxyError, "proxy_failed"),
    (aiohttp.ClientConnectorError, "not_reached"),
)


def _fault(error: BaseException) -> str:
    """Returns in a word why there is no connection, or no longer one.

    Returns "" where there was a connection but the response made no sense.
    """
    causes = _causes(error)
    for kind, word in _FAULTS:
        if any(isinstance(cause, kind) for cause in causes):
            return word
    return "connection_lost" if isinstance(error, _BROKEN) else ""


def _connection_failure(opened: bool, attempt: Attempt) -> Exception:
    if attempt.fault == UNTRUSTED:
        # Trying again would not help; another model may be on another server.
        return AnswerError("upstream_unavailable", reason=UNTRUSTED)
    error = AnswerError("upstream_cut" if opened else "upstream_unavailable")
    return error if attempt.deltas else Retriable(error)


# --- The log --------------------------------------------------------------


def _request_id(headers: Mapping[str, str]) -> str:
    return next(
        (value for name in _REQUEST_ID_HEADERS if (value := headers.get(name, "").strip())), ""
    )


def _log(attempt: Attempt, error: AnswerError) -> None:
    """Logs why an attempt failed."""
    report = FailureReport.of(attempt, error)
    logger.warning(
        "Model %s failed: %s%s",
        report.model,
        report.error,
        f" ({report.details})" if report.details else "",
    )
