"""Runs uvicorn for `manage.py serve`: `python -m chatsite.serve.web_server OPTIONS`.

OPTIONS are those of `uvicorn.Config`, as JSON. With one worker the exit code is that of uvicorn;
with several it is 0 even when they could not start.
"""

import contextlib
import json
import sys

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

APPLICATION = "chatsite.serve.supervised_asgi:application"


class Workers(Multiprocess):
    """Runs several workers on one socket, which is closed as soon as they are told to stop."""

    def terminate_all(self) -> None:
        # Through an open socket the kernel would take connections that no one answers until the
        # drain is over. A proxy must be refused, so that it asks the next instance.
        for socket in self.sockets:
            socket.close()
        super().terminate_all()


def main() -> None:
    config = uvicorn.Config(APPLICATION, **json.loads(sys.argv[1]))
    if config.workers > 1:
        Workers(config, sockets=[config.bind_socket()]).run()
        return
    server = uvicorn.Server(config)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


if __name__ == "__main__":
    main()
