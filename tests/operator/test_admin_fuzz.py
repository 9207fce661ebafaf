"""What a mutated request to the administration leads to: no fault of the site."""

import logging
from collections.abc import Iterable, Iterator
from time import monotonic
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models import Model
from django.test import Client

from chat.models import Grant, Pause, Quota, SitePolicy
from tests.harness.admin_attacker import Attacker, Faults, is_away
from tests.harness.admin_cases import Case, all_cases
from tests.harness.admin_pages import Rows, make_rows

pytestmark = [
    pytest.mark.usefixtures("static_files", "own_database"),
    pytest.mark.filterwarnings("ignore:DateTimeField"),
]


def close() -> None:
    connection.close()
    if connection.vendor == "postgresql":
        connection.close_pool()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def own_database(db_ready: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Yields with a database of this process alone: the forms delete no other test's rows."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        # A file: Django never closes one in memory, and the tests after this would go on with it.
        connection.settings_dict["TEST"]["NAME"] = str(
            tmp_path_factory.mktemp("own") / "db.sqlite3"
        )
    close()
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    yield
    close()
    connection.creation.destroy_test_db(name, verbosity=0)
    connection.settings_dict["TEST"]["NAME"] = None


@pytest.fixture
def attacker() -> Iterator[Attacker]:
    faults = Faults()
    logging.getLogger().addHandler(faults)
    yield Attacker(faults)
    logging.getLogger().removeHandler(faults)


@pytest.fixture
def person() -> User:
    return User.objects.create(username=f"person-{monotonic()}")


@pytest.fixture
def rows(attacker: Attacker, person: User) -> Rows:
    return make_rows(person, attacker.user)


# No more: a slow machine sends as many as a quick one.
MAX_REQUESTS = 1_200


def put_back(rows: Iterable[Model]) -> None:
    """Saves again what a form has deleted, so that it is there for the next."""
    for row in rows:
        if not type(row)._default_manager.filter(pk=row.pk).exists():
            row.save(force_insert=True)


def test_no_mutated_request_is_a_fault(attacker: Attacker, rows: Rows) -> None:
    found = []
    for case in all_cases(rows, attacker.page)[:MAX_REQUESTS]:
        found.append(attacker.fault(case))
        put_back([*rows.by_model.values()] if case.fields else [])
    assert [fault for fault in found if fault] == []
    assert len(found) > 100


NUMBERS_THAT_ARE_NONE = ["½", "²", "١", "on", "", "1_0", "+1", str(2**63), str(10**30), "1\0"]


def with_row(person: User, key: str) -> Iterator[Case]:
    """Yields requests that name a row `key` which does not exist, some beside the person's."""
    chosen = (
        ("_selected_action", str(person.pk)),
        ("_selected_action", key),
        ("post", "yes"),
        ("sure", "yes"),
    )
    yield Case("/admin/auth/user/", (("action", "delete_selected"), *chosen))
    yield Case("/admin/auth/user/", (("action", "pause"), *chosen))
    yield Case("/admin/auth/group/", (("action", "delete_selected"), *chosen))
    pause = (("user", key), ("note", ""))
    grant = (("user", key), ("day", "2026-01-01"), ("tokens", "1"), ("usd", "0"))
    for path in ("pause", "grant"):
        yield Case(f"/admin/chat/{path}/add/", pause)
        yield Case(f"/admin/chat/{path}/add/", grant)
    quota = (("name", "none of it"), ("mode", "enforce"), ("priority", "0"))
    yield Case("/admin/chat/quota/add/", (*quota, ("users", key), ("groups", key)))


@pytest.mark.parametrize("key", NUMBERS_THAT_ARE_NONE)
def test_row_that_is_none_is_told_and_nothing_is_done(
    attacker: Attacker, person: User, key: str
) -> None:
    before = (User.objects.count(), Group.objects.count(), Quota.objects.count())
    for case in with_row(person, key):
        assert attacker.fault(case) == ""
    assert (User.objects.count(), Group.objects.count(), Quota.objects.count()) == before
    assert not Pause.objects.filter(user=person).exists()
    assert not Grant.objects.filter(user=person).exists()


@pytest.mark.parametrize(
    "query",
    [
        "q=" + "x" * 70_000,
        "q=" + "a+" * 3_000,
        "q=%00",
        "quota=99",
        "quota=%C2%BD",
        "paused=maybe",
        "is_staff__exact=maybe",
        "id=%C2%BD",
    ],
)
def test_list_that_shows_nobody_acts_on_nobody(
    attacker: Attacker, person: User, query: str
) -> None:
    chosen = (
        ("action", "pause"),
        ("_selected_action", str(person.pk)),
        ("select_across", "1"),
        ("sure", "yes"),
    )
    before = Pause.objects.count()
    assert attacker.fault(Case(f"/admin/auth/user/?{query}", chosen)) == ""
    assert Pause.objects.count() == before


def test_only_1_means_all_rows(attacker: Attacker, person: User) -> None:
    other = User.objects.create(username=f"other-{monotonic()}")
    for across in ("maybe", "on", "true", "2", "-1"):
        chosen = (
            ("action", "pause"),
            ("_selected_action", str(person.pk)),
            ("select_across", across),
            ("sure", "yes"),
        )
        assert attacker.fault(Case("/admin/auth/user/", chosen)) == ""
        assert not Pause.objects.filter(user=other).exists()


def test_site_is_paused_and_unpaused_by_yes_and_no_only(attacker: Attacker) -> None:
    SitePolicy.objects.update_or_create(pk=1, defaults={"paused": True})
    for word in ("maybe", "", "\0", "NO"):
        assert attacker.fault(Case("/admin/chat/sitepolicy/pause/", (("paused", word),))) == ""
        assert SitePolicy.objects.get(pk=1).paused


@pytest.mark.parametrize(
    "table",
    [
        "admin/logentry/?action_time",
        "chat/contentaccess/?created",
        "chat/grant/?day",
        "auth/user/?date_joined",
    ],
)
def test_date_that_is_none_leads_to_the_whole_list(attacker: Attacker, table: str) -> None:
    for lookup in ("__year", "__month", "__day", "__gte", "__date", ""):
        for value in ["-1", "0", "10000", "9999", "9" * 20, "%00", "½", "2026-02-30"]:
            assert attacker.fault(Case(f"/admin/{table}{lookup}={quote(value)}")) == ""


NEXTS = [
    "word",
    "//evil.example",
    "https://evil.example",
    "/\\evil.example",
    "javascript:alert(1)",
    "\0",
    "/a\0b",
    "/é",
    "/" + "x" * 10_000,
]
NEXTS += ["/" + "x" * 10_000, "/" + "é" * 10_000, "admin:index", "/admin/login/"]


@pytest.mark.parametrize("target", NEXTS)
def test_next_of_the_sign_in_page_stays_on_this_site(attacker: Attacker, target: str) -> None:
    path = f"/admin/login/?next={quote(target, safe='')}"
    assert attacker.fault(Case(path)) == ""
    stranger = Client(raise_request_exception=False).get(path, headers={"host": "localhost"})
    assert stranger.status_code == 302
    assert not is_away(stranger["Location"])


def test_name_that_is_taken_is_an_error_of_the_form(attacker: Attacker) -> None:
    """Guards against a clean() of our own that leaves out Django's check for a taken name."""
    quota = Quota.objects.create(name=f"Taken {monotonic()}")
    fields = (("name", quota.name), ("mode", "enforce"), ("priority", "0"))
    assert attacker.fault(Case("/admin/chat/quota/add/", fields)) == ""
    assert Quota.objects.filter(name=quota.name).count() == 1
