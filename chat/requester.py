"""The person or guest who makes a request. Imports nothing of the project."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Requester:
    """Represents a signed-in person, or a guest known by a random id in their session.

    `ip` is used for a guest's limits only.
    """

    user_id: int | None
    guest: str
    ip: str

    @property
    def limit_key(self) -> str:
        """Returns the key on which limits are counted: the user's id, else the client's address."""
        return f"u:{self.user_id}" if self.user_id is not None else f"ip:{self.ip}"

    @property
    def owner_key(self) -> str:
        """Returns the key of the owner of conversations.

        It is unique among people and guests, and stays the same when the address changes.
        """
        return f"u:{self.user_id}" if self.user_id is not None else f"g:{self.guest}"
