"""The requests that a fake upstream got."""

import threading
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class Request:
    """One request as it arrived. Times are of the monotonic clock, in seconds."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    received_at: float
    closed_at: float | None = None
    bytes_sent: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def prompt(self) -> str:
        """The text of the last user message; empty when there is none."""
        messages = self.body.get("messages", []) if isinstance(self.body, dict) else []
        return next(
            (
                str(message.get("content", ""))
                for message in reversed(messages)
                if message.get("role") == "user"
            ),
            "",
        )


class Requests:
    """Holds the chat requests in the order in which they arrived; any thread may ask."""

    def __init__(self) -> None:
        super().__init__()
        self._arrival = threading.Condition()
        self._requests: list[Request] = []

    def requests(self, key: str = "") -> list[Request]:
        """The chat requests so far whose prompt contains the key, oldest first."""
        with self._arrival:
            return [request for request in self._requests if key in request.prompt]

    def wait_for_request(self, key: str = "", count: int = 1, timeout: float = 10) -> Request:
        """Returns the request number `count` with that key as soon as it has arrived.

        AssertionError after `timeout` seconds.
        """
        with self._arrival:
            arrived = self._arrival.wait_for(lambda: len(self.requests(key)) >= count, timeout)
        assert arrived, (
            f"{len(self.requests(key))} of {count} requests reached the upstream within {timeout} s"
        )
        return self.requests(key)[count - 1]

    def wait_for_close(self, request: Request, timeout: float = 10) -> float:
        """When the client closed the connection in the middle of this answer (monotonic seconds).

        AssertionError when it has not within `timeout` seconds, or when the answer was sent to its
        end.
        """
        assert request.over.wait(timeout), (
            f"the client has not closed the connection within {timeout} s"
        )
        assert request.closed_at is not None, (
            "the answer was sent to its end: the client closed nothing"
        )
        return request.closed_at

    def running(self, key: str = "") -> int:
        """Answers being sent now."""
        return sum(not request.over.is_set() for request in self.requests(key))

    def arrived(self, request: Request) -> None:
        with self._arrival:
            self._requests.append(request)
            self._arrival.notify_all()
