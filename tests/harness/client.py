"""A client of the site's API: cookies, CSRF, event streams.

Blocking; several streams may run at once in threads.
"""

import secrets
import string
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import httpx2

from tests.harness.sse import Decoder, Event, text_of

_CSRF_ALPHABET = string.ascii_letters + string.digits


class Received:
    """Holds the events of a stream that were read so far, and its comments apart."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.comments: list[Event] = []

    def named(self, name: str) -> list[Any]:
        """Returns the payloads of the events of that name."""
        return [event.data for event in self.events if event.name == name]

    @property
    def text(self) -> str:
        """Returns the answer as far as it was read."""
        return text_of(self.events)

    @property
    def cursor(self) -> str | None:
        """Returns the id of the last event that had one: what Last-Event-ID takes."""
        return next((event.id for event in reversed(self.events) if event.id is not None), None)

    @property
    def ended(self) -> bool:
        """Returns whether `[DONE]` was read."""
        return bool(self.events) and self.events[-1].is_end


class Stream(Received):
    """Reads an open response: `status`, `headers`, and the events as they come."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__()
        self.response = response
        self._decoder = Decoder()
        self._pending = self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def headers(self) -> httpx2.Headers:
        return self.response.headers

    def json(self) -> Any:
        """The whole body as JSON: of a refusal."""
        self.response.read()
        return self.response.json()

    def __iter__(self) -> Iterator[Event]:
        """The events not read yet, without the comments, until the server closes the stream."""
        return (event for event in self._pending if event.name != "comment")

    def frames(self) -> Iterator[Event]:
        """The same with the comments among them."""
        return self._pending

    def until(self, name: str) -> Event:
        """Reads on to the next event of that name ("comment" for a comment).

        AssertionError when the stream ends before it.
        """
        for event in self._pending:
            if event.name == name:
                return event
        sent = [event.name for event in self.events]
        raise AssertionError(
            f"the stream ({self.status}) ended without {name!r}; it sent {sent} and {self.rest!r}"
        )

    def until_text(self, text: str) -> None:
        """Reads on until the answer so far contains `text`."""
        while text not in self.text:
            self.until("delta")

    def read(self) -> list[Event]:
        """Reads to the end; all events of the stream, those read before included."""
        for _ in self._pending:
            pass
        return self.events

    @property
    def answer(self) -> str:
        """The id of the answer; reads up to the start event where that was not read yet."""
        if not self.events:
            self.until("start")
        return str(self.events[0].data["answer"])

    @property
    def rest(self) -> bytes:
        """Bytes after the last whole frame; empty when the stream was closed between frames."""
        return self._decoder.rest

    def close(self) -> None:
        """Leaves, as a closed tab does."""
        self.response.close()

    def _read(self) -> Iterator[Event]:
        for data in self.response.iter_bytes():
            for event in self._decoder.feed(data):
                (self.comments if event.name == "comment" else self.events).append(event)
                yield event


class Client:
    """One browser: its cookies and connections.

    `base_url` is the site's; `timeout` bounds each read, in seconds.
    """

    def __init__(self, base_url: str, timeout: float = 20) -> None:
        # The site is on loopback without TLS: no certificates are loaded, and no proxy of the
        # environment is asked.
        self.http = httpx2.Client(
            base_url=base_url,
            timeout=timeout,
            verify=False,
            trust_env=False,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
        )
        # A CSRF cookie is any random word that comes back in the header.
        self.http.cookies.set(
            "csrftoken", "".join(secrets.choice(_CSRF_ALPHABET) for _ in range(32))
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.http.close()

    @property
    def csrf(self) -> str:
        return next(
            cookie.value or "" for cookie in self.http.cookies.jar if cookie.name == "csrftoken"
        )

    def sign_in(self, username: str, password: str) -> httpx2.Response:
        """Submits the site's own form.

        The response is a redirect on success, the form again or 429 otherwise.
        """
        self.get("/accounts/login/")
        return self.post("/accounts/login/", data={"username": username, "password": password})

    def get(self, path: str, **options: Any) -> httpx2.Response:
        return self.http.get(path, **options)

    def post(self, path: str, **options: Any) -> httpx2.Response:
        """Sends a POST with the CSRF header.

        Options are as httpx2 takes them (`json`, `data`, `content`, `headers`).
        """
        headers = {"X-CSRFToken": self.csrf, **options.pop("headers", {})}
        return self.http.post(path, headers=headers, **options)

    def chat(
        self,
        body: dict[str, Any] | None = None,
        *,
        headers: dict[str, str] | None = None,
        **fields: Any,
    ) -> Stream:
        """Sends POST /api/chat with this JSON; returns when the headers have come."""
        return self._stream(
            "POST",
            "/api/chat",
            headers={"X-CSRFToken": self.csrf, **(headers or {})},
            json={**(body or {}), **fields},
        )

    def resume(
        self, answer: str, after: str | None = None, *, headers: dict[str, str] | None = None
    ) -> Stream:
        """Gets the answer's stream from its beginning, or from the cursor `after`.

        The cursor is sent as Last-Event-ID.
        """
        cursor = {} if after is None else {"Last-Event-ID": after}
        return self._stream(
            "GET", f"/api/answers/{answer}/stream", headers={**cursor, **(headers or {})}
        )

    def follow(self, *items: str) -> Stream:
        """Gets the stream of several answers, each given as `id:cursor`."""
        return self._stream(
            "GET", "/api/answers/streams", params=[("follow", item) for item in items]
        )

    def stop(self, answer: str) -> httpx2.Response:
        """POST …/stop; returns when the end is saved."""
        return self.post(f"/api/answers/{answer}/stop")

    def _stream(self, method: str, path: str, **options: Any) -> Stream:
        return Stream(self.http.send(self.http.build_request(method, path, **options), stream=True))
