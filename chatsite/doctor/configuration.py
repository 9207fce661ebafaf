"""Checks the settings, by Django's system checks and ours."""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks

from chatsite.doctor.findings import Finding, Level, ok, warn

PART = "settings"

# Not shown here. The upstream has its own part. Redirects to https are the task of the proxy. Other
# hosts of the domain, and the https lists of browsers, are not ours to decide on.
_NOT_HERE = {"chatsite.W001", "security.W004", "security.W005", "security.W008", "security.W021"}
# Not possible without https, which is one finding in itself.
_NEED_HTTPS = {"security.W010", "security.W011", "security.W012", "security.W016"}


def check() -> Iterator[Finding]:
    found = [_finding(message) for message in _messages()]
    if not settings.SITE_IS_HTTPS and not is_loopback(settings.SITE_URL):
        found.append(
            warn(
                PART,
                f"SITE_URL={settings.SITE_URL} is not https: passwords travel readable",
                "Put a proxy with https in front (docs/deploy.md).",
            )
        )
    yield from found or [ok(PART, "nothing to complain about")]


def _messages() -> list[checks.CheckMessage]:
    ignored = _NOT_HERE if settings.SITE_IS_HTTPS else _NOT_HERE | _NEED_HTTPS
    messages: list[checks.CheckMessage] = checks.run_checks(include_deployment_checks=True)
    return [
        message for message in messages if message.id not in ignored and not message.is_silenced()
    ]


def _finding(message: checks.CheckMessage) -> Finding:
    level = Level.FAIL if message.level >= checks.ERROR else Level.WARN
    return Finding(level, PART, str(message.msg).rstrip("."), str(message.hint or ""))


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
