"""System checks: what is missing or contradictory in the settings, said before the first request."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register


@register()
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.REDIS_IN_PROCESS and settings.WORKERS > 1:
        found.append(
            Error(
                f"REDIS_URL=memory:// counts inside one process, but WORKERS={settings.WORKERS}.",
                hint="Set WORKERS=1, or point REDIS_URL at a Redis or Valkey server.",
                id="chatsite.E001",
            )
        )
    return found
