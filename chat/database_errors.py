"""What an error of the database means: it is away, it refuses a request, or the fault is ours.

The one place that decides it. Imports nothing of the project. Django's classes are too wide: SQLite
raises OperationalError both for a locked file and for a pattern that is too long. Sources:
https://sqlite.org/rescode.html, PostgreSQL's manual, appendix A (error codes).
"""

from django.db import DataError, Error, InterfaceError, InternalError, OperationalError

# Codes of SQLite for a statement, not for the file: ERROR, INTERNAL, TOOBIG, CONSTRAINT, MISMATCH,
# MISUSE, AUTH, RANGE.
_SQLITE_OF_STATEMENT = frozenset({1, 2, 18, 19, 20, 21, 23, 25})
_SQLITE_ERROR = 1
_SQLITE_REFUSED = frozenset({18, 20, 25})
# ERROR may be anything; these texts are no fault of a value.
_SQLITE_OURS = ("no such ", "has no column", "already exists", "syntax error", "transaction")
# Connection; authorization and catalog (when connecting); deadlock or rollback; resources, such as
# too many clients; lock not available; shutting down, cancelled, starting up; system error;
# internal error.
_POSTGRESQL_AWAY = ("08", "28", "3D", "40", "53", "55", "57", "58", "XX")
# A read-only server, such as a standby after a failover or one whose disk is full; a connection
# that was idle for too long.
_POSTGRESQL_AWAY_STATES = ("25006", "25P03")
# Data, syntax and access, program limits.
_POSTGRESQL_REFUSED = ("22", "42", "54")
# No such table, column or function; no permission: a migration is missing, or a right.
_POSTGRESQL_OURS = ("42P01", "42703", "42883", "42501")
# libpq's text for too many values, which has no code.
_TOO_MANY_VALUES = "number of parameters must be"


def is_away(error: BaseException) -> bool:
    """Tells whether the database cannot be reached or used at present.

    The same request may succeed later.
    """
    if not isinstance(error, Error):
        return False
    if (code := _sqlite_code(error)) is not None:
        return code not in _SQLITE_OF_STATEMENT
    if (state := _sqlstate(error)) is not None:
        return state.startswith(_POSTGRESQL_AWAY) or state in _POSTGRESQL_AWAY_STATES
    return isinstance(error, OperationalError | InterfaceError | InternalError) and not is_refused(
        error
    )


def is_refused(error: BaseException) -> bool:
    """Tells whether the database answers and refuses a value, such as one that is too long."""
    if not isinstance(error, Error):
        return False
    if (code := _sqlite_code(error)) is not None:
        is_ours = any(words in str(error) for words in _SQLITE_OURS)
        return code in _SQLITE_REFUSED or (code == _SQLITE_ERROR and not is_ours)
    if (state := _sqlstate(error)) is not None:
        return state.startswith(_POSTGRESQL_REFUSED) and state not in _POSTGRESQL_OURS
    return isinstance(error, DataError) or _TOO_MANY_VALUES in str(error)


def words(error: Error) -> str:
    """Returns what may be logged of the error.

    Other classes than OperationalError quote values, and so prompts; so do some refusals.
    """
    lines = str(error).splitlines()
    name, state = type(error).__name__, _sqlstate(error)
    if isinstance(error, OperationalError) and lines and not is_refused(error):
        return f"{name}: {lines[0]}"
    return f"{name} {state}" if state else name


def _sqlite_code(error: Error) -> int | None:
    """Returns SQLite's primary result code.

    None for another database, and for errors that the driver makes itself.
    """
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def _sqlstate(error: Error) -> str | None:
    state = getattr(error.__cause__, "sqlstate", None)
    return state if isinstance(state, str) else None
