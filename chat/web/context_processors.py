"""Gives every template the values that it may use."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.db import Error
from django.http import HttpRequest

from chat.accounts import guests
from chat.limits import configuration
from chat.models import SitePolicy

T = TypeVar("T")


def site(request: HttpRequest) -> dict[str, Any]:
    """Returns what every template may use: the address of the site, and some of its policy.

    `csrf_cookie` is the name of that cookie. `notice`, `site_paused`, `signup_is_open` and
    `guests_may_chat` are looked up only where a template uses them.
    """
    return {
        "site_url": settings.SITE_URL,
        "csrf_cookie": settings.CSRF_COOKIE_NAME,
        "notice": lambda: _or_default(lambda: configuration.current().policy().notice, ""),
        "site_paused": lambda: _or_default(lambda: configuration.current().policy().paused, False),
        "signup_is_open": lambda: _or_default(_signup_is_open, False),
        "guests_may_chat": lambda: _or_default(guests.may_chat, False),
    }


def _signup_is_open() -> bool:
    return configuration.current().policy().signup == SitePolicy.Signup.OPEN


def _or_default(ask: Callable[[], T], default: T) -> T:
    """Returns the answer, or `default` when the database is away.

    The page that says so must still come.
    """
    try:
        return ask()
    except Error:
        return default
