"""Says what one worker may tell another through its inbox in Redis.

Pure; imports nothing of the project.
"""

from uuid import UUID

import msgspec


class StopAnswer(msgspec.Struct, frozen=True, tag="stop"):
    """Asks the worker that generates the answer to end it."""

    answer: UUID


class WatchAnswer(msgspec.Struct, frozen=True, tag="watch"):
    """Tells the worker that generates the answer that it is read elsewhere, now and for some
    seconds.
    """

    answer: UUID


Command = StopAnswer | WatchAnswer

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)


def encode(command: Command) -> bytes:
    """Returns the command as it stands in the inbox."""
    return _encoder.encode(command)


def decode(data: bytes) -> Command | None:
    """Reads a command from the inbox; None for one of another version of the site."""
    try:
        return _decoder.decode(data)
    except msgspec.MsgspecError:
        return None
