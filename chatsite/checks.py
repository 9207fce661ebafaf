"""System checks: what is missing or contradictory in the settings, found before the start."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.http.request import validate_host
from django.utils.http import is_same_domain
from django.utils.module_loading import import_string

from chat.limits.counting_cache import CountingCache

# Tags. `manage.py serve` runs only SETTINGS: it starts a demo model where there is no upstream.
SETTINGS = "chatsite_settings"
UPSTREAM = "chatsite_upstream"

_MIN_SECRET_CHARS = 32


@register(UPSTREAM)
def check_upstream(**kwargs: Any) -> list[CheckMessage]:
    if settings.OPENAI_API_KEY or settings.OPENAI_BASE_URL or settings.DEBUG:
        return []
    return [
        Warning(
            "Neither OPENAI_API_KEY nor OPENAI_BASE_URL is set: there is no model to answer.",
            hint=(
                "Set one of them. Until then only `manage.py serve` works: it starts the demo"
                " model."
            ),
            id="chatsite.W001",
        )
    ]


@register(SETTINGS)
def check_redis(**kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.REDIS_IN_PROCESS and settings.WORKERS > 1:
        found.append(
            Error(
                f"REDIS_URL=memory:// counts inside one process, but WORKERS={settings.WORKERS}.",
                hint="Set WORKERS=1, or point REDIS_URL at a Redis or Valkey server.",
                id="chatsite.E001",
            )
        )
    name = settings.RATELIMIT_USE_CACHE
    backend = str(settings.CACHES.get(name, {}).get("BACKEND", ""))
    if not backend or not issubclass(import_string(backend), CountingCache):
        found.append(
            Error(
                f"The cache {name!r}, which the request limits use, cannot count without passing a"
                " limit.",
                hint="Set its BACKEND to chat.limits.counting_cache.CountingCache.",
                id="chatsite.E002",
            )
        )
    return found


@register(SETTINGS)
def check_secret_key(**kwargs: Any) -> list[CheckMessage]:
    if len(settings.SECRET_KEY) >= _MIN_SECRET_CHARS:
        return []
    return [
        Error(
            f"SECRET_KEY has {len(settings.SECRET_KEY)} characters: anyone who guesses it can sign"
            " in as any user.",
            hint=(
                f"Give it at least {_MIN_SECRET_CHARS} random ones, or leave it unset: one is made"
                " and kept in DATA_DIR."
            ),
            id="chatsite.E003",
        )
    ]


def _host(url: str) -> str:
    """Returns the host as ALLOWED_HOSTS writes it: an IPv6 address in brackets."""
    host = urlsplit(url).hostname or ""
    return f"[{host}]" if ":" in host else host


@register(SETTINGS)
def check_site_address(**kwargs: Any) -> list[CheckMessage]:
    """Compares SITE_URL with ALLOWED_HOSTS."""
    if validate_host(_host(settings.SITE_URL), settings.ALLOWED_HOSTS):
        return []
    return [
        Error(
            f"ALLOWED_HOSTS does not allow the host of SITE_URL={settings.SITE_URL}: every page"
            " there would answer 400.",
            hint="Add that host to ALLOWED_HOSTS, or leave ALLOWED_HOSTS unset.",
            id="chatsite.E004",
        )
    ]


@register(SETTINGS)
def check_https(**kwargs: Any) -> list[CheckMessage]:
    """Compares a SITE_URL with https to DEBUG, and to the proxy that it needs."""
    found: list[CheckMessage] = []
    if settings.SITE_IS_HTTPS and settings.DEBUG:
        found.append(
            Warning(
                "DEBUG is on for a site with https: its error pages show settings and data to"
                " everyone.",
                hint="Unset DEBUG.",
                id="chatsite.W002",
            )
        )
    if settings.SITE_IS_HTTPS and not settings.TRUSTED_PROXIES:
        found.append(
            Warning(
                "SITE_URL is https, so a proxy is in front, but TRUSTED_PROXIES is empty: all"
                " clients share one address.",
                hint=(
                    "Set TRUSTED_PROXIES to the proxy's address, such as 127.0.0.1, and have it"
                    " overwrite X-Forwarded-For."
                ),
                id="chatsite.W003",
            )
        )
    return found


@register(SETTINGS)
def check_cors(**kwargs: Any) -> list[CheckMessage]:
    """Finds origins whose scripts may call the API but whose every POST is refused.

    The CSRF protection refuses them.
    """
    return [
        Warning(
            f"CORS_ORIGINS has {origin}, but CSRF_TRUSTED_ORIGINS does not: its scripts may read,"
            " and every POST of theirs is refused.",
            hint=f"Add {origin} to CSRF_TRUSTED_ORIGINS.",
            id="chatsite.W004",
        )
        for origin in settings.CORS_ORIGINS
        if not any(_covers(trusted, origin) for trusted in settings.CSRF_TRUSTED_ORIGINS)
    ]


def _covers(trusted: str, origin: str) -> bool:
    """Returns whether the entry of CSRF_TRUSTED_ORIGINS holds for the origin.

    The entry may begin its host with a wildcard.
    """
    scheme, _, host = trusted.partition("://")
    return scheme == urlsplit(origin).scheme and is_same_domain(
        urlsplit(origin).netloc, host.removeprefix("*")
    )


@register(SETTINGS)
def check_trusted_proxies(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"TRUSTED_PROXIES={network} trusts everyone: any client could claim any address and so"
            " have any allowance.",
            hint="Name only the addresses of your own proxies.",
            id="chatsite.E005",
        )
        for network in settings.TRUSTED_PROXIES
        if network.prefixlen == 0
    ]


@register(SETTINGS)
def check_mail(**kwargs: Any) -> list[CheckMessage]:
    if not (settings.EMAIL_USE_TLS and settings.EMAIL_USE_SSL):
        return []
    return [
        Error(
            "EMAIL_USE_TLS and EMAIL_USE_SSL are both on: no mail would be sent.",
            hint="Keep EMAIL_USE_TLS for port 587, or EMAIL_USE_SSL for port 465.",
            id="chatsite.E006",
        )
    ]
