"""Checks before the site starts; each fault is one sentence that says what to do."""

import os
import socket
import tempfile
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import urlsplit

import redis

from chat import redis_client

_REDIS_SECONDS = 2.0


class StartupError(Exception):
    """Says in one line why the site does not start."""


def check_data_dir(folder: Path) -> None:
    """Makes the folder if it is missing.

    Raises StartupError when this user cannot write into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StartupError(
            f"DATA_DIR={folder} cannot be used: {error.strerror}. Set DATA_DIR to a folder this"
            " user can write."
        ) from None


def check_port(host: str, port: int) -> None:
    """Raises StartupError when the address cannot be listened on.

    The port is taken or needs more rights, or the host is not this machine's.
    """
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise StartupError(
            f"HOST={host} PORT={port} cannot be listened on: {reason}. Set PORT (or HOST) to a free"
            " one."
        ) from None


def check_redis(url: str) -> None:
    """Raises StartupError when the Redis of REDIS_URL does not answer within two seconds."""
    deadline = monotonic() + _REDIS_SECONDS
    while True:
        try:
            redis_client.client().ping()
            return
        except redis_client.REDIS_ERRORS as error:
            # Waiting does not help where a password is refused.
            if isinstance(error, redis.AuthenticationError) or monotonic() > deadline:
                raise StartupError(
                    f"REDIS_URL={_without_password(url)} does not answer: {error}"
                ) from None
        # Within this time the client itself would answer, without the reason.
        sleep(redis_client.ASK_AGAIN_SECONDS)


def _without_password(url: str) -> str:
    """Returns the URL without its user information and its query.

    redis-py takes a password in either.
    """
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
