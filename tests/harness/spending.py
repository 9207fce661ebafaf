"""What a person has used, without a turn: rows of the ledger, and uses of the request windows."""

from decimal import Decimal
from uuid import uuid4

from chat.limits import windows
from chat.models import Usage
from tests.harness.people import Person


def spent(person: Person, tokens: int = 0, usd: str = "0", **fields: object) -> Usage:
    key = person.requester.limit_key
    defaults: dict[str, object] = {
        "outcome": "complete",
        "model": "m",
        "prompt_tokens": tokens,
        "cost_usd": Decimal(usd),
    }
    return Usage.objects.create(
        answer=uuid4(), user=person.user, owner_key=key, limit_key=key, **defaults | fields
    )


def take(person: Person) -> bool:
    """One use of the person's request windows; False where one is full."""
    return not windows.take(windows.TURNS, person.requester.limit_key, person.quota.rates).full
