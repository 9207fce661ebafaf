"""Defines the commands that one worker sends to another's inbox in Redis.

Imports nothing of the project.
"""

from uuid import UUID

import msgspec


class StopAnswer(msgspec.Struct, frozen=True, tag="stop"):
    """Asks the worker that generates the answer to end it."""

    answer: UUID


class WatchAnswer(msgspec.Struct, frozen=True, tag="watch"):
    """Tells the worker that generates the answer that it is read elsewhere.

    That holds for some seconds.
    """

    answer: UUID


Command = StopAnswer | WatchAnswer

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)


def encode(command: Command) -> bytes:
    """Returns the command as the bytes that stand in the inbox."""
    return _encoder.encode(command)


def decode(data: bytes) -> Command | None:
    """Returns the command in bytes of the inbox; None for one of another version of the site."""
    try:
        return _decoder.decode(data)
    except msgspec.MsgspecError:
        return None
