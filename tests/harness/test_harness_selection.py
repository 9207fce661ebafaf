"""What a run of the tests takes, and in what order, by the fixtures of each."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.harness.people import Person
from tests.harness.postgres import Postgres
from tests.harness.selection import longest_first, needs_server


def item(file: str, name: str, *fixtures: str, **names_of_module: Any) -> Any:
    """Make what a collected test shows; `names_of_module` is what its file has imported."""
    module = SimpleNamespace(obj=SimpleNamespace(**names_of_module))
    made = SimpleNamespace(path=Path(file), name=name, fixturenames=fixtures)
    made.getparent = lambda kind: module
    return made


@pytest.mark.parametrize("fixture", ["environment", "browser_host", "nginx", "make_user"])
def test_what_asks_for_a_server_is_no_test_without_servers(fixture: str) -> None:
    assert needs_server(item("a.py", "test", "db_ready", fixture))


def test_what_starts_processes_is_no_test_without_servers() -> None:
    assert needs_server(item("a.py", "test", "tmp_path", subprocess=object()))


def test_what_asks_for_neither_is_a_test_without_servers() -> None:
    assert not needs_server(item("a.py", "test", "db_ready", "tmp_path", os=object()))


def test_what_a_harness_starts_for_it_counts_as_well() -> None:
    assert needs_server(item("a.py", "test", Postgres=Postgres))


def test_fixtures_of_fixtures_count_as_well(request: pytest.FixtureRequest, alice: Person) -> None:
    assert needs_server(request.node)


def test_the_longest_file_comes_first_and_each_keeps_its_order() -> None:
    pure = [item("pure.py", f"test_{n}") for n in range(5)]
    long = [item("long.py", "test_site", "environment", "start_site"), item("long.py", "test_none")]
    page = [item("page.py", "test_page", "browser_host", "environment")]
    given = [*pure, page[0], *long]
    assert longest_first(given) == [*long, *page, *pure]
