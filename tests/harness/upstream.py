"""A server that speaks OpenAI's chat completions over loopback and misbehaves as it is told.

It runs on a loop of its own in a thread of the test process. Each request is
matched to a script by a key that its last user message contains, so tests that
run at once do not disturb each other; without a script it answers DEFAULT_TEXT.
"""

import asyncio
import threading
from types import TracebackType
from typing import Self

from tests.harness import wire
from tests.harness.upstream_connection import Connection
from tests.harness.upstream_requests import Request, Requests
from tests.harness.upstream_scripts import DEFAULT_PIECES, DEFAULT_TEXT, Scripts

__all__ = ["DEFAULT_PIECES", "DEFAULT_TEXT", "Request", "Upstream"]


class Upstream(Scripts, Requests):
    """Runs from `with Upstream() as upstream`; any thread may call its methods."""

    def __init__(self) -> None:
        super().__init__()
        self.port = 0
        self.connections_made = 0
        self.models = wire.Http(
            200,
            {
                "object": "list",
                "data": [{"id": wire.MODEL, "object": "model", "created": 0, "owned_by": "fake"}],
            },
        )
        self._counting = threading.Lock()
        self._open: set[Connection] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="fake upstream", daemon=True)
        self._started = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(10), "the fake upstream did not start"

    def stop(self) -> None:
        """Closes every connection and ends the thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)
        assert not self._thread.is_alive(), "the fake upstream did not stop"

    @property
    def url(self) -> str:
        """What OPENAI_BASE_URL takes."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def open_connections(self) -> int:
        """Connections open now, idle ones of a client's pool included."""
        with self._counting:
            return len(self._open)

    # Called by the connections, on the loop's thread.

    def opened(self, connection: Connection) -> None:
        with self._counting:
            self.connections_made += 1
            self._open.add(connection)

    def closed(self, connection: Connection) -> None:
        with self._counting:
            self._open.discard(connection)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stopping.wait()
        server.close()
        tasks = [connection.task for connection in self._open]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Connection(self, reader, writer).run()
