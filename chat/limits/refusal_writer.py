"""Writes the counts of this process's refused turns every few seconds."""

import asyncio
import logging

from django.db import Error

from chat.limits import refusal_counts
from chat.threads import in_thread

logger = logging.getLogger("chat.limits.refusal_writer")

WRITE_SECONDS = 2.0


async def write() -> None:
    """Writes once. While the database is away, the counts wait for the next time."""
    try:
        await in_thread(refusal_counts.write)
    except Error as error:
        logger.warning("What was refused waits to be written: %s", type(error).__name__)


async def run() -> None:
    """Writes until it is cancelled."""
    while True:
        await asyncio.sleep(WRITE_SECONDS)
        try:
            await write()
        except Exception as error:
            logger.error("What was refused cannot be written: %s", type(error).__name__)
