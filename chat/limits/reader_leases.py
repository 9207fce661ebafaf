"""At most 20 readers per person, on all workers together; each has a lease like that of a slot."""

import contextlib
from uuid import uuid4

from redis import Redis

from chat import redis_client, redis_keys
from chat.errors import TooManyReaders
from chat.limits import leases
from chat.requester import Requester
from chat.threads import in_thread

MAX_READERS = 20
# Kept like the leases of answers, under names of their own.
SUBJECT_PREFIX = "readers:"
# No lease of a guest's reader lasts longer after the guest has signed in.
_LINKED_SECONDS = 3600


async def acquire(requester: Requester, headers: dict[str, str] | None = None) -> leases.Lease:
    """Returns the lease of one more reader, or raises TooManyReaders with the headers.

    Without Redis there is no limit: reading costs nothing.
    """
    lease = leases.Lease(uuid4().hex, (SUBJECT_PREFIX + requester.owner_key,), 0, 0)
    if await in_thread(_take, lease, requester) == "slots":
        raise TooManyReaders(
            "Too many tabs follow answers of yours at once. Close some.",
            retry_after=leases.RETRY_SECONDS,
            headers=headers,
        )
    return lease


def link_guest(guest: Requester, account: Requester) -> None:
    """Counts the reader leases of the guest for the account from now on.

    After the sign-in the guest takes no new ones. Blocks on Redis.
    """
    with contextlib.suppress(*redis_client.REDIS_ERRORS):
        key = redis_keys.linked_guests(account.owner_key)
        redis_client.client().sadd(key, guest.owner_key)
        redis_client.client().expire(key, _LINKED_SECONDS)


def _take(lease: leases.Lease, requester: Requester) -> str:
    client = redis_client.client()
    try:
        elsewhere = sum(
            leases.in_use(client, SUBJECT_PREFIX + guest) for guest in _guests(client, requester)
        )
        return leases.take(
            client, lease.subjects[0], lease, leases.Headroom(slots=MAX_READERS - elsewhere)
        )
    except redis_client.REDIS_ERRORS:
        return "ok"


def _guests(client: Redis, account: Requester) -> list[str]:
    """Returns the guests whose reader leases count for the account."""
    if account.user_id is None:
        return []
    linked = client.smembers(redis_keys.linked_guests(account.owner_key))
    return [guest.decode() for guest in linked if isinstance(guest, bytes)]
