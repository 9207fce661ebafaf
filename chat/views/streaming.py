"""Defines the responses that stream."""

from collections.abc import AsyncGenerator

from django.http import StreamingHttpResponse


class UnbufferedResponse(StreamingHttpResponse):
    """Sends a body as it comes, past the buffers of proxies.

    `frames` is what the ASGI handler sends, past Django's layers of iterators.
    """

    def __init__(
        self,
        frames: AsyncGenerator[bytes, None],
        content_type: str,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(frames, content_type=content_type, headers=headers)
        self.frames = frames
        self["Cache-Control"] = "no-cache, no-transform"
        self["X-Accel-Buffering"] = "no"


class EventStreamResponse(UnbufferedResponse):
    """Sends server-sent events."""

    def __init__(
        self, frames: AsyncGenerator[bytes, None], headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(frames, "text/event-stream; charset=utf-8", headers)
