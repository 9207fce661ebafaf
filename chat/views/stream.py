"""The response that streams events."""

from collections.abc import AsyncGenerator

from django.http import StreamingHttpResponse


class EventStream(StreamingHttpResponse):
    """Server-sent events from an async generator of frames. `frames` is what the ASGI handler sends, past Django's layers of iterators."""

    def __init__(self, frames: AsyncGenerator[bytes, None], headers: dict[str, str] | None = None) -> None:
        super().__init__(frames, content_type="text/event-stream; charset=utf-8", headers=headers)
        self.frames = frames
        self["Cache-Control"] = "no-cache, no-transform"
        self["X-Accel-Buffering"] = "no"
