"""A database that is away, one that refuses a query, and a wrong query are three faults."""

import json
import sqlite3
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
)
from django.db import connection as database
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from chat import database_errors
from chat.models import Message
from chat.views import own_conversations
from chat.views.api import api
from tests.harness.people import Person
from tests.harness.visitor import visitor

SECRET = "a-word-of-a-prompt"


def caused(error: Error, cause: BaseException) -> Error:
    """Returns the exception as Django raises it."""
    error.__cause__ = cause
    return error


def sqlite(kind: type[Error], code: int, words: str = "") -> Error:
    cause = sqlite3.OperationalError(words)
    cause.sqlite_errorcode = code
    return caused(kind(words), cause)


def postgresql(state: str) -> Error:
    cause = psycopg.errors.lookup(state)("words")
    kinds = (IntegrityError, DataError, InternalError, ProgrammingError, OperationalError)
    kind = next(
        (kind for kind in kinds if isinstance(cause, getattr(psycopg, kind.__name__))),
        DatabaseError,
    )
    return caused(kind("words"), cause)


AWAY = {
    "locked": sqlite(OperationalError, 5, "database is locked"),
    "busy with a snapshot": sqlite(OperationalError, 517, "database is locked"),
    "read-only": sqlite(OperationalError, 8, "attempt to write a readonly database"),
    "disk error": sqlite(OperationalError, 10 | 3 << 8, "disk I/O error"),
    "not there": sqlite(OperationalError, 14, "unable to open database file"),
    "disk full": sqlite(OperationalError, 13, "database or disk is full"),
    "damaged": sqlite(DatabaseError, 11, "database disk image is malformed"),
    "no database": sqlite(DatabaseError, 26, "file is not a database"),
    "no connection": caused(
        OperationalError("connection failed"), psycopg.OperationalError("connection failed")
    ),
    "pool used up": caused(
        OperationalError("couldn't get a connection"),
        psycopg.OperationalError("couldn't get a connection"),
    ),
    "closed": caused(
        InterfaceError("connection already closed"),
        psycopg.InterfaceError("connection already closed"),
    ),
    **{
        state: postgresql(state)
        for state in (
            "08006",
            "53300",
            "53100",
            "57P01",
            "57P03",
            "57014",
            "25006",
            "40P01",
            "55P03",
            "58030",
            "XX000",
        )
    },
}
REFUSED = {
    "pattern": sqlite(OperationalError, 1, "LIKE or GLOB pattern too complex"),
    "values": sqlite(OperationalError, 1, "too many SQL variables"),
    "depth": sqlite(OperationalError, 1, "Expression tree is too large (maximum depth 1000)"),
    "size": sqlite(DataError, 18, "string or blob too big"),
    "NUL": caused(
        DataError("text fields cannot contain NUL"),
        psycopg.DataError("text fields cannot contain NUL (0x00) bytes"),
    ),
    "number of values": caused(
        OperationalError("x"),
        psycopg.OperationalError("number of parameters must be between 0 and 65535"),
    ),
    **{
        state: postgresql(state)
        for state in ("22001", "22003", "22021", "22P02", "2201B", "54000", "54001", "42601")
    },
}
REFUSED["number of values"].args = ("number of parameters must be between 0 and 65535",)
NEITHER = {
    "no table": sqlite(OperationalError, 1, "no such table: chat_message"),
    "no column": sqlite(OperationalError, 1, "no such column: folded"),
    "constraint": sqlite(IntegrityError, 19, "UNIQUE constraint failed"),
    "misuse": ProgrammingError("Cannot operate on a closed database."),
    "no row": DatabaseError("Save with update_fields did not affect any rows."),
    "no error of a database": ValueError("x"),
    **{state: postgresql(state) for state in ("23505", "42P01", "42703", "42501", "25P02")},
}


@pytest.mark.parametrize("error", AWAY.values(), ids=AWAY)
def test_database_that_may_be_back_is_away(error: Exception) -> None:
    assert (database_errors.is_away(error), database_errors.is_refused(error)) == (True, False)


@pytest.mark.parametrize("error", REFUSED.values(), ids=REFUSED)
def test_value_that_no_database_takes_is_refused(error: Exception) -> None:
    assert (database_errors.is_away(error), database_errors.is_refused(error)) == (False, True)


@pytest.mark.parametrize("error", NEITHER.values(), ids=NEITHER)
def test_fault_of_ours_is_neither(error: Exception) -> None:
    assert (database_errors.is_away(error), database_errors.is_refused(error)) == (False, False)


# --- The real one --------------------------------------------------------------------------------


def run(sql: str, *values: Any) -> None:
    with database.cursor() as cursor:
        cursor.execute(sql, values)
        cursor.fetchall()


REAL = {
    "sqlite": {
        "a pattern": lambda: run("SELECT %s LIKE %s", SECRET, SECRET * 5000),
        "many values": lambda: list(
            Message.objects.filter(content__in=[str(number) for number in range(300_000)])
        ),
        "a deep expression": lambda: run("SELECT " + "+".join(["1"] * 2000)),
        "a large value": lambda: run("SELECT zeroblob(2000000000)"),
    },
    "postgresql": {
        "a NUL": lambda: list(Message.objects.filter(content__icontains="a\0")),
        "a large value": lambda: run("SELECT repeat('x', 2000000000)"),
        "a date that is none": lambda: run("SELECT %s::date", SECRET),
    },
}[database.vendor]


@pytest.mark.parametrize("ask", REAL.values(), ids=REAL)
def test_query_that_this_database_refuses_is_told_from_one_that_is_away(
    ask: Callable[[], Any],
) -> None:
    with pytest.raises(Error) as raised:
        ask()
    assert database_errors.is_refused(raised.value)
    assert not database_errors.is_away(raised.value)


async def answer_of(error: Exception) -> HttpResponse:
    @api("GET")
    async def view(request: HttpRequest) -> HttpResponse:
        raise error

    answer = await view(RequestFactory().get("/api/limits"))
    assert isinstance(answer, HttpResponse)
    return answer


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (REFUSED["pattern"], 400, "invalid_request"),
        (AWAY["locked"], 503, "database_unavailable"),
        (AWAY["pool used up"], 503, "database_unavailable"),
        (caused(IntegrityError(SECRET), sqlite3.IntegrityError(SECRET)), 500, "internal_error"),
    ],
)
async def test_api_says_which_it_is(
    error: Exception, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await answer_of(error)
    assert (answer.status_code, json.loads(answer.content)["error"]["code"]) == (status, code)
    assert len(caplog.records) == 1
    assert SECRET not in caplog.text


@pytest.mark.usefixtures("static_files")
def test_page_that_asks_too_much_is_no_database_that_is_away(
    alice: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        own_conversations, "search_conversations", lambda *_: next(iter(REAL.values()))()
    )
    answer = visitor(alice.user).get("/search/", {"q": "x"})
    assert answer.status_code == 400
    assert "That cannot be looked up" in answer.content.decode()
    assert "cannot be reached" not in answer.content.decode()
    assert "The database refused a query" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.usefixtures("static_files")
@pytest.mark.parametrize("letter", ["x", "ж", "%", "☃", "ﷺ"])
def test_search_of_seventy_thousand_characters_is_one_of_its_beginning(
    alice: Person, letter: str
) -> None:
    answer = visitor(alice.user).get("/search/", {"q": letter * 70_000})
    assert answer.status_code == 200
    assert "0 conversations" in answer.content.decode()
