"""The stores that DATABASE_URL and REDIS_URL name.

A path in DATA_DIR is quoted before it becomes a part of a URL.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from redis.connection import ConnectionPool

_SQLITE = "django.db.backends.sqlite3"
# The URLs may hold passwords, so no message repeats them, or what their parsers say of them.
_DATABASE_WRONG = (
    "DATABASE_URL is not valid: it takes postgres://user:password@host/name or sqlite:////path; "
    "in a name, password or path write # as %23, ? as %3F, / (in a password) as %2F, @ as %40."
)
_REDIS_WRONG = (
    "REDIS_URL is not valid: it takes redis://:password@host:6379/0, unix:///path or memory://; "
    "in a password write / as %2F, # as %23, ? as %3F, @ as %40."
)


def database(url: str, data_dir: Path, base_dir: Path) -> dict[str, Any]:
    """Returns Django's settings of the database: SQLite in `data_dir` where `url` is empty.

    Raises ImproperlyConfigured.
    """
    config: dict[str, Any] = (
        _parsed(url, base_dir) if url else {"ENGINE": _SQLITE, "NAME": str(data_dir / "db.sqlite3")}
    )
    options = config.setdefault("OPTIONS", {})
    if config["ENGINE"] == _SQLITE:
        # The few threads of chat.threads keep their connections: closing the last one to a database
        # in WAL mode copies the whole log back, which cost more than the rest of a turn together.
        config["CONN_MAX_AGE"] = None
        # IMMEDIATE: a transaction that reads and then writes would otherwise fail at once with
        # "database is locked", without waiting for the timeout.
        options |= {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
    else:
        # Persistent connections are off under ASGI: the pool keeps them instead.
        options.setdefault("connect_timeout", 3)
        # The pool would wait twice as long before each attempt to connect, for up to 5 minutes:
        # after an outage it could stay away for as long again. It gives up after 2 s, and the next
        # request tries anew.
        options.setdefault(
            "pool", {"min_size": 0, "max_size": 10, "timeout": 3, "reconnect_timeout": 2}
        )
        # This finds connections that a restart of PostgreSQL has closed, before a request fails.
        config["CONN_HEALTH_CHECKS"] = True
    return config


def _parsed(url: str, base_dir: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = dict(dj_database_url.parse(url))
        usable = _is_whole(url) and _is_usable(config)
    except (KeyError, ValueError, dj_database_url.ParseError, dj_database_url.UnknownSchemeError):
        usable = False
    if not usable:
        raise ImproperlyConfigured(_DATABASE_WRONG)
    if config["ENGINE"] == _SQLITE:
        # So that the folder in which a command is started does not matter.
        config["NAME"] = str(base_dir / config["NAME"])
    return config


def _is_whole(url: str) -> bool:
    """Returns whether each part of the URL was taken for what it is.

    A # or ? or / in a password or path that is not written as %23, %3F, %2F begins another part.
    """
    parts = urlsplit(url)
    words = parts.query.split("&") if parts.query else []
    return (
        "#" not in url
        and "@" not in parts.path + parts.query
        and all("=" in word for word in words)
    )


def _is_usable(config: dict[str, Any]) -> bool:
    options = config.get("OPTIONS", {})
    if config["ENGINE"] == _SQLITE:
        # A database in memory would be another one for each thread. Options are not taken: we set
        # them.
        return not options and not config.get("HOST") and config["NAME"] not in ("", ":memory:")
    return config["ENGINE"].endswith(".postgresql") and (
        config["NAME"] != "" or "service" in options
    )


def socket_url(path: Path) -> str:
    """Returns the URL of a Redis at a Unix socket; its path may hold any characters."""
    return f"unix://{quote(str(path))}"


def check_redis_url(url: str) -> None:
    """Raises ImproperlyConfigured for a URL that redis-py would not take.

    Raises it also where redis-py would take the URL for another server.
    """
    try:
        right = _is_redis(url)
        if right:
            # This makes no connection, but fails for options with which there can be none.
            ConnectionPool.from_url(url).make_connection()
    except (ValueError, TypeError, AttributeError):
        right = False
    if not right:
        raise ImproperlyConfigured(_REDIS_WRONG)


def _is_redis(url: str) -> bool:
    """Returns whether redis-py would use each part of the URL."""
    parts = urlsplit(url)
    if not _is_whole(url):
        return False
    if parts.scheme == "unix":
        return not parts.hostname and len(parts.path) > 1
    path = unquote(parts.path).strip("/")
    return parts.scheme in ("redis", "rediss") and parts.port != 0 and (not path or path.isdigit())
