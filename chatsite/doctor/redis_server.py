"""Checks Redis or Valkey: it answers, and never evicts counters."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings

from chat import redis_client
from chatsite.doctor.findings import Finding, fail, ok, warn

PART = "redis"
_NEVER_EVICT = "Set maxmemory-policy noeviction on it."


def check() -> Iterator[Finding]:
    if settings.REDIS_IN_PROCESS:
        yield warn(
            PART,
            "memory:// is inside the web server's process: what it counted ends with that",
            "Set REDIS_URL for more than a quick look.",
        )
        return
    try:
        redis_client.check()
    except redis_client.REDIS_ERRORS as error:
        yield fail(PART, f"it does not answer, or takes no writes: {error}", _remedy())
    else:
        yield _judged()


def _remedy() -> str:
    if settings.REDIS_IS_EMBEDDED:
        return (
            f"manage.py serve brings it, on {settings.VALKEY_SOCKET}: start the site, or set"
            " DATA_DIR or REDIS_URL to what it uses."
        )
    return (
        "See that it runs, has memory left, is no replica, and that REDIS_URL is right. Until then"
        " turns are refused or not counted."
    )


def _judged() -> Finding:
    try:
        info: Any = redis_client.client().info()
    except redis_client.REDIS_ERRORS:
        return warn(
            PART,
            "it answers, but does not tell its settings (INFO is refused)",
            f"{_NEVER_EVICT} Counters must not be lost.",
        )
    name = (
        f"Valkey {info['valkey_version']}"
        if "valkey_version" in info
        else f"Redis {info.get('redis_version', '')}"
    )
    policy = info.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return ok(PART, f"{name}, never evicts")
    text = (
        f"{name} has maxmemory-policy {policy}: when its memory is full it forgets what people have"
        " used"
    )
    # Without a limit of its memory it evicts nothing for now.
    return (
        fail(PART, text, _NEVER_EVICT) if info.get("maxmemory") else warn(PART, text, _NEVER_EVICT)
    )
