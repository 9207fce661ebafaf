"""The operator's pages on a big site: ten thousand people, a hundred thousand answers.

Each page takes a fixed number of queries, however many rows there are, and
less than 300 ms of the server's time.
"""

from collections.abc import Iterator
from math import inf
from time import process_time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from chat.models import Quota
from tests.harness.crowd import Crowd, crowd
from tests.harness.visitor import visitor

pytestmark = pytest.mark.usefixtures("static_files")
# 0.3 on a machine of its own; beside other tests the same work takes more of the processor's time.
MAX_SECONDS = 0.6

# Name to path and query; {person}, {group_quota} and {default_quota} stand for rows of the crowd.
PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "index": ("/admin/", {}),
    "quotas": ("/admin/chat/quota/", {}),
    "default quota": ("/admin/chat/quota/{default_quota}/change/", {}),
    "quota of a group": ("/admin/chat/quota/{group_quota}/change/", {}),
    "quota that names people": ("/admin/chat/quota/{naming_quota}/change/", {}),
    "site policy": ("/admin/chat/sitepolicy/1/change/", {}),
    "people": ("/admin/auth/user/", {}),
    "people by quota": ("/admin/auth/user/", {"quota": "{group_quota}"}),
    "people of the default": ("/admin/auth/user/", {"quota": "{default_quota}", "o": "3"}),
    "people found": ("/admin/auth/user/", {"q": "crowd-0123"}),
    "one person": ("/admin/auth/user/{person}/change/", {}),
    "history": ("/admin/admin/logentry/", {}),
    "grants": ("/admin/chat/grant/", {}),
    "pauses": ("/admin/chat/pause/", {}),
    "conversations": ("/admin/chat/conversation/", {}),
    "ledger": ("/admin/chat/usage/", {}),
    "ledger of a model": ("/admin/chat/usage/", {"model": "gpt-4o"}),
    "usage of 7 days": ("/admin/chat/usage/report/", {"period": "7"}),
    "usage of 90 days": ("/admin/chat/usage/report/", {"period": "90"}),
    "usage as CSV": ("/admin/chat/usage/export/", {"period": "90", "table": "people"}),
    "running answers": ("/admin/chat/usage/running/", {}),
    "accesses to content": ("/admin/chat/contentaccess/", {}),
}


@pytest.fixture(scope="module")
def operator(db_ready: None) -> Iterator[Client]:
    user = User.objects.create(username="operator-of-many", is_staff=True, is_superuser=True)
    yield visitor(user)
    user.delete()


@pytest.fixture(scope="module")
def few(operator: Client, static_files: None) -> dict[str, int]:
    """Returns the number of queries of each page before the crowd is there."""
    default = Quota.objects.get(is_default=True).pk
    person = User.objects.get(username="operator-of-many").pk
    rows = {
        "default_quota": default,
        "group_quota": default,
        "naming_quota": default,
        "person": person,
    }
    return {name: len(queries(operator, *page(name, rows))) for name in PAGES}


@pytest.fixture(scope="module")
def many(few: dict[str, int]) -> Iterator[Crowd]:
    """Makes the crowd, after the queries without it were counted."""
    with crowd() as made:
        yield made


def page(name: str, rows: dict[str, int]) -> tuple[str, dict[str, Any]]:
    path, query = PAGES[name]
    return path.format(**rows), {key: value.format(**rows) for key, value in query.items()}


def rows_of(many: Crowd) -> dict[str, int]:
    return {
        "default_quota": Quota.objects.get(is_default=True).pk,
        "group_quota": many.quotas[0].pk,
        "naming_quota": many.quotas[-1].pk,
        "person": many.people[0].pk,
    }


def open_page(client: Client, path: str, query: dict[str, Any]) -> float:
    """Seconds of the processor's time."""
    began = process_time()
    answer = client.get(path, query)
    seconds = process_time() - began
    assert answer.status_code == 200
    return seconds


def queries(client: Client, path: str, query: dict[str, Any]) -> list[str]:
    open_page(client, path, query)
    with CaptureQueriesContext(connection) as captured:
        open_page(client, path, query)
    return [each["sql"] for each in captured.captured_queries]


@pytest.mark.parametrize("name", PAGES)
def test_page_takes_few_queries_and_little_time_with_many_rows(
    operator: Client, few: dict[str, int], many: Crowd, name: str
) -> None:
    path, query = page(name, rows_of(many))
    found = queries(operator, path, query)
    # Lists show rows that are new: the few queries that come with the first of them do not grow
    # with more.
    assert len(found) <= few[name] + 6, found
    # The best of three: one that is fast enough needs no other.
    seconds = [inf]
    while min(seconds) >= MAX_SECONDS and len(seconds) <= 3:
        seconds.append(open_page(operator, path, query))
    print(f"{name}: {min(seconds) * 1000:.0f} ms, {len(found)} queries (few: {few[name]})")
    assert min(seconds) < MAX_SECONDS
