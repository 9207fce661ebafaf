"""At most 20 readers per person: each holds a seat, a lease like a slot's, on whichever worker it reads."""

from uuid import uuid4

from chat import redis
from chat.errors import TooManyReaders
from chat.limits import slots
from chat.limits.admission import SLOT_HINT_SECONDS
from chat.models import Requester
from chat.threads import in_thread

MOST_READERS = 20
# Seats are kept like slots, under names of their own.
HOLDER = "readers:"


async def take_seat(requester: Requester) -> slots.Hold:
    """A seat for one more reader. Raises TooManyReaders. Without Redis everyone may read: reading costs nothing."""
    hold = slots.Hold(uuid4().hex, (HOLDER + requester.owner_key,), 0, 0)
    if await in_thread(_take, hold) == "slots":
        raise TooManyReaders("Too many tabs follow answers of yours at once. Close some.", retry_after=SLOT_HINT_SECONDS)
    return hold


def _take(hold: slots.Hold) -> str:
    try:
        return slots.take(redis.client(), hold.holders[0], hold, slots.Room(slots=MOST_READERS))
    except redis.Unavailable:
        return "ok"
