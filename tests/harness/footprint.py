"""What a person has used at every gate and written: a refused turn changes nothing of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chat import redis_client
from chat.limits import leases, windows
from chat.models import Conversation, Message, Usage
from chat.rates import parse_rates
from chat.requester import Requester

if TYPE_CHECKING:
    from tests.conftest import MakeUser
    from tests.harness.people import Person


@dataclass(frozen=True)
class Footprint:
    """Counts a requester's uses in windows, slots, reservations, and rows of three tables."""

    windows: list[int]
    slots: int
    reservations: int
    ledger: int
    conversations: int
    messages: int


def footprint(requester: Requester, rates: str = "10/d") -> Footprint:
    """Counts what the requester has left on the common Valkey and in the database.

    Windows are those of `rates`.
    """
    key = requester.limit_key
    return Footprint(
        windows=used(requester, rates),
        slots=leases.in_use(redis_client.client(), key),
        reservations=redis_client.client().hlen(f"chatsite:{{{key}}}:reserved"),
        ledger=Usage.objects.filter(owner_key=requester.owner_key).count(),
        conversations=Conversation.objects.owned_by(requester).count(),
        messages=Message.objects.owned_by(requester).count(),
    )


def used(requester: Requester, rates: str) -> list[int]:
    """The uses counted in each window of `rates`."""
    seen = windows.peek(windows.TURNS, requester.limit_key, parse_rates(rates))
    return [window.used for window in seen]


def seconds_left(requester: Requester, rates: str) -> int:
    """Seconds until the first of these windows is empty again."""
    seen = windows.peek(windows.TURNS, requester.limit_key, parse_rates(rates))
    return min(window.reset for window in seen)


def with_time_left(make_user: "MakeUser", seconds: int, **quota_fields: Any) -> "Person":
    """A person whose windows all last that long still: everybody's begin at another moment."""
    while True:
        person = make_user(**quota_fields)
        if seconds_left(person.requester, person.quota.requests) > seconds:
            return person


NOTHING = Footprint(windows=[0], slots=0, reservations=0, ledger=0, conversations=0, messages=0)
