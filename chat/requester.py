"""Who asks. Imports nothing of the project."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Requester:
    """Who asks: a signed-in person, or a guest known by a random id in their session.

    `ip` keys a guest's limits only.
    """

    user_id: int | None
    guest: str
    ip: str

    @property
    def limit_key(self) -> str:
        """What limits are counted on: the user's id, else the client's address."""
        return f"u:{self.user_id}" if self.user_id is not None else f"ip:{self.ip}"

    @property
    def owner_key(self) -> str:
        """Whose a conversation is; unique among people and guests, and stable while an address
        changes.
        """
        return f"u:{self.user_id}" if self.user_id is not None else f"g:{self.guest}"
