"""Says by what right a client reads an answer that is being written.

Imports nothing of the project, and uses no database.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.contrib.sessions.backends.base import SessionBase


@dataclass(frozen=True, slots=True)
class ReaderAccess:
    """Holds what gave a reader the right to read when it came.

    That right may end while an answer streams, and the reader with it. `person` is the account's
    id, None for a guest; `password` is the account's password hash, which Django binds each session
    to; `session` is the request's.
    """

    person: int | None
    password: str
    session: "SessionBase"

    @property
    def session_key(self) -> str | None:
        """Returns the key of the session's row; None until a guest's first turn has made one."""
        return self.session.session_key
