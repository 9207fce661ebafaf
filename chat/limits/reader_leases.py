"""At most 20 readers per person: each holds a seat, a lease like a slot's, on whichever worker it reads."""

import contextlib
from uuid import uuid4

from redis import Redis

from chat import redis_client
from chat.errors import TooManyReaders
from chat.limits import leases
from chat.limits.admission import SLOT_HINT_SECONDS
from chat.requester import Requester
from chat.threads import in_thread

MOST_READERS = 20
# Seats are kept like slots, under names of their own.
HOLDER = "readers:"
# No reader of a guest who signed in holds a seat for longer.
_ADOPTED_SECONDS = 3600


async def take_seat(requester: Requester) -> leases.Hold:
    """A seat for one more reader. Raises TooManyReaders. Without Redis everyone may read: reading costs nothing."""
    hold = leases.Hold(uuid4().hex, (HOLDER + requester.owner_key,), 0, 0)
    if await in_thread(_take, hold, requester) == "slots":
        raise TooManyReaders("Too many tabs follow answers of yours at once. Close some.", retry_after=SLOT_HINT_SECONDS)
    return hold


def adopt(guest: Requester, account: Requester) -> None:
    """From now on the seats that the guest holds count for the account; nobody takes another one for the guest."""
    with contextlib.suppress(*redis_client.Unavailable):
        redis_client.client().sadd(_adopted(account), guest.owner_key)
        redis_client.client().expire(_adopted(account), _ADOPTED_SECONDS)


def _take(hold: leases.Hold, requester: Requester) -> str:
    client = redis_client.client()
    try:
        elsewhere = sum(leases.in_use(client, HOLDER + guest) for guest in _guests(client, requester))
        return leases.take(client, hold.holders[0], hold, leases.Room(slots=MOST_READERS - elsewhere))
    except redis_client.Unavailable:
        return "ok"


def _guests(client: Redis, account: Requester) -> list[str]:
    """Those whose seats count for the account."""
    if account.user_id is None:
        return []
    return [guest.decode() for guest in client.smembers(_adopted(account)) if isinstance(guest, bytes)]


def _adopted(account: Requester) -> str:
    return f"chatsite:{{{account.owner_key}}}:adopted"
