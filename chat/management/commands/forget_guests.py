from typing import Any

from django.contrib.sessions.backends.db import SessionStore
from django.core.management.base import BaseCommand

from chat.accounts import guests


class Command(BaseCommand):
    help = (
        "Deletes sessions that are over, and the conversations of guests that no one can come back"
        " to. For a daily timer."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        SessionStore.clear_expired()
        self.stdout.write(f"{guests.forget_unreachable()} conversations of guests were deleted.")
