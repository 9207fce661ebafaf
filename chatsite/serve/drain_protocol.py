"""A connection of the web server that delays a shutdown only as long as that is of use."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chat.asgi_scope import MUST_FINISH

LAST_REQUEST_SECONDS = 10
LOOK_SECONDS = 1


class Protocol(HttpToolsProtocol):
    """Closes the connection some seconds after the server was told to stop.

    A client that never sends the rest of its request, or that has stopped reading, would otherwise
    delay the end for the whole drain. An answer that can be read nowhere else is not cut, as long
    as it is read.
    """

    def shutdown(self) -> None:
        super().shutdown()
        self.loop.call_later(LAST_REQUEST_SECONDS, self._hang_up)

    def _hang_up(self) -> None:
        if self._is_read_to_its_end():
            self.loop.call_later(LOOK_SECONDS, self._hang_up)
        else:
            self.transport.abort()

    def _is_read_to_its_end(self) -> bool:
        cycle = self.cycle
        if cycle is None or cycle.response_complete or self.flow.write_paused:
            return False
        return bool(cycle.scope.get(MUST_FINISH))
