"""What every template may use."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest

from chat import configuration, guests
from chat.models import SitePolicy


def site(request: HttpRequest) -> dict[str, Any]:
    """`site_url`; and, asked only where a template does, `signup_is_open` and `guests_may_chat`."""
    return {
        "site_url": settings.SITE_URL,
        "signup_is_open": lambda: _answered(_signup_is_open),
        "guests_may_chat": lambda: _answered(guests.may_chat),
    }


def _signup_is_open() -> bool:
    return configuration.current().policy().signup == SitePolicy.Signup.OPEN


def _answered(question: Callable[[], bool]) -> bool:
    """No, when the database is away: the page that says so must still come."""
    try:
        return question()
    except (DatabaseError, InterfaceError):
        return False
