"""One call of the upstream, and the only importer of openai: messages in, pieces of text out, then usage.

What is tried again, after how long and on which model, is decided in
chat.upstream.retry: the SDK's own retries are off.
"""

import asyncio
import logging
from typing import Any

import aiohttp
import httpx2
import openai
from django.conf import settings

from chat.errors import AnswerError
from chat.upstream import failures, stream
from chat.upstream.attempt import Attempt, Sink
from chat.upstream.event_stream import BrokenStream
from chat.upstream.failures import Retriable
from chatsite.values import OPENAI_URL

_CONNECT_SECONDS = 5.0
_BROKEN = (openai.APIConnectionError, *stream.CONNECTION_ERRORS)
# The last: a proxy that would not let us through.
_NO_CONNECTION = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)
# OPENAI_LOG=debug, which the SDK reads when it is imported, would log prompts.
logging.getLogger("openai").setLevel(logging.WARNING)

Client = openai.AsyncOpenAI


def make_client() -> Client:
    """A client for the running event loop; the caller closes it.

    The aiohttp transport takes a quarter of the default one's time per delta.
    """
    timeout = openai.Timeout(None, connect=_CONNECT_SECONDS)
    limits = httpx2.Limits(max_connections=100_000, max_keepalive_connections=None, keepalive_expiry=30)
    client = Client(
        api_key=settings.OPENAI_API_KEY or "none",
        base_url=settings.OPENAI_BASE_URL or OPENAI_URL,
        default_headers=settings.OPENAI_CUSTOM_HEADERS,
        max_retries=0,
        timeout=timeout,
        http_client=openai.DefaultAioHttpClient(
            timeout=timeout,
            limits=limits,
            # A redirect would take prompts, or the key, to where the operator has not sent them.
            follow_redirects=False,
            # Nor may the environment: the transport would speak plain HTTP to a SOCKS port. The settings have chosen the proxy.
            trust_env=False,
            proxy=settings.OPENAI_PROXY or None,
            verify=httpx2.create_ssl_context(),
        ),
    )
    # What the settings leave unset the SDK has read from the environment, unchecked.
    client.organization, client.project = settings.OPENAI_ORG_ID or None, settings.OPENAI_PROJECT_ID or None
    return client


class NotListed(Exception):
    """The upstream gave no list of models. `status` is the HTTP status of its refusal; None when it did not answer as an upstream does."""

    def __init__(self, status: int | None) -> None:
        super().__init__(status)
        self.status = status


async def offered_models(client: Client) -> list[str]:
    """The slugs that the upstream offers to our key, in no order. Raises NotListed; costs no token."""
    try:
        return [model.id async for model in client.models.list()]
    except openai.APIStatusError as error:
        raise NotListed(error.status_code) from None
    except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, ValueError, TypeError, AttributeError):
        # The last three: a page of HTML, or JSON that is no list, breaks in the client's own code.
        raise NotListed(None) from None


async def run(client: Client, attempt: Attempt, sink: Sink) -> None:
    """Runs one attempt into `sink`; it is filled as it goes.

    Raises AnswerError with a code of the contract, or Retriable. Cancelling it
    closes the upstream connection.
    """
    opened = False
    # From here on it may be paid for, unless it is refused or no connection is made.
    attempt.reached = True
    try:
        async with asyncio.timeout(settings.UPSTREAM_FIRST_TOKEN_SECONDS) as timer, _open(client, attempt) as response:
            opened = True
            await stream.read(response, attempt, sink, timer)
    except openai.APIStatusError as error:
        attempt.reached = False
        raise failures.of_status(error.status_code, error.body, error.response.headers) from None
    except _BROKEN as error:
        attempt.reached = opened or not _never_sent(error)
        raise _connection_failure(opened, attempt) from None
    except TimeoutError:
        raise AnswerError("upstream_timeout") from None
    except BrokenStream:
        raise AnswerError("upstream_cut") from None


def _never_sent(error: BaseException | None) -> bool:
    """Whether no connection was made at all. The layers between say ConnectTimeout for a server that hangs up on a request, too."""
    while error is not None:
        if isinstance(error, _NO_CONNECTION):
            return True
        error = error.__cause__
    return False


def _connection_failure(opened: bool, attempt: Attempt) -> Exception:
    error = AnswerError("upstream_cut" if opened else "upstream_unavailable")
    return error if attempt.deltas else Retriable(error)


def _open(client: Client, attempt: Attempt) -> Any:
    target = attempt.target
    limit: dict[str, Any] = {("max_tokens" if target.legacy_max_tokens else "max_completion_tokens"): target.max_output_tokens}
    # The SDK's types want one class a role; ours are plain dictionaries that the request's parser has checked.
    create: Any = client.chat.completions.with_streaming_response.create
    return create(
        model=target.slug,
        messages=attempt.messages,
        stream=True,
        stream_options={"include_usage": True},
        extra_headers={"Accept-Encoding": "identity"},
        **limit,
    )
