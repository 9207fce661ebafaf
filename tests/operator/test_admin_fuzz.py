"""Whatever is sent to the admin: a page, a form's error or a refusal, and never a fault of the
site.
"""

import logging
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import unescape
from time import monotonic
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models import Model
from django.test import Client

from chat.models import Grant, Pause, Quota, SitePolicy
from tests.harness.admin_pages import AdminPage, Rows, make_rows, pages
from tests.harness.html_forms import forms_of

pytestmark = [
    pytest.mark.usefixtures("static_files", "own_database"),
    pytest.mark.filterwarnings("ignore:DateTimeField"),
]

# The same in every run, as far as a slow machine comes with them.
SEED, MAX_REQUESTS = 7, 1_200

IDS = [
    "½", "²", "١", "on", "x", "", "-1", "0", "1_0", " 1", "+1", "1.5", "0x1", "1e3", str(2**31),
    str(2**63), str(10**30), "9" * 400, "\0", "1\0", "_5F", "_", "__", "_00", "None", "true", "[]",
    "{}", "1,2", "00000000-0000-0000-0000-000000000000", "0" * 32,
    "00000000-0000-0000-0000-00000000000g", "😀", "../..", "%00", "%", "'", "\\",
]  # fmt: skip
TEXTS = [
    "a\0b", "x" * 70_000, "é" * 300, "a b " * 3_000, "'\";--", "(", "[", "*", "\r\nX: y", "\u202e",
    "\ufffe", "NaN", "Infinity", "1e400", "sNaN", "1" * 5_000, "yes", "no", "maybe",
    "javascript:alert(1)", "//evil.example", "{{ 7 }}", "%s",
]  # fmt: skip
DATES = [
    "0000-00-00", "0001-01-01", "9999-12-31", "10000-01-01", "-1-01-01", "2026-02-30", "2026-13-01",
    "9" * 20, "9999-12-31 23:59:59", "0001-01-01 00:00:00", "24:00", "10000", "12", "9999",
]  # fmt: skip
VALUES = [*IDS, *TEXTS, *DATES]
LIST_NAMES = [
    "q",
    "p",
    "o",
    "all",
    "e",
    "_popup",
    "_to_field",
    "_changelist_filters",
    "_facets",
    "nope",
]
LOOKUPS = [
    "",
    "__exact",
    "__in",
    "__isnull",
    "__gte",
    "__lt",
    "__year",
    "__month",
    "__date",
    "__regex",
    "__contains",
    "__id__exact",
    "__nope",
]
FORM_NAMES = [
    "_popup", "_to_field", "_changelist_filters", "_save", "_saveasnew", "action", "index",
    "select_across", "_selected_action", "form-TOTAL_FORMS", "form-INITIAL_FORMS", "form-0-id",
    "groups-TOTAL_FORMS", "sure", "back", "paused", "answer",
]  # fmt: skip
ACTION_NAMES = [
    "_selected_action",
    "index",
    "select_across",
    "action",
    "sure",
    "tokens",
    "note",
    "back",
    "post",
]


@dataclass(frozen=True)
class Case:
    """A GET of `path`, or with `fields` a POST."""

    path: str
    fields: tuple[tuple[str, str], ...] | None = None


_dice = random.Random(SEED)


def some(values: list[str]) -> list[str]:
    """A few of them, others for each field: all of them for each would be two hundred thousand
    requests.
    """
    return _dice.sample(values, 4)


# --- What is sent ---------------------------------------------------------------


def queries(page: AdminPage, html: str) -> Iterator[Case]:
    """Yields each parameter of the page's own links, and each that a list takes, with values."""
    own = {
        name
        for query in re.findall(r'href="\?([^"]*)"', html)
        for name, _ in parse_qsl(unescape(query), keep_blank_values=True)
    }
    names = sorted(own | {"period", "table", "next"})
    if page.kind == "changelist" and page.model:
        names += [
            *LIST_NAMES,
            *(field.name + lookup for field in page.model._meta.get_fields() for lookup in LOOKUPS),
        ]
    fixed = {}
    if page.kind == "autocomplete":
        fixed = {"app_label": "chat", "model_name": "grant", "field_name": "user", "term": "a"}
        names = [*fixed, "page"]
    yield from (
        Case(f"{page.path}?{urlencode(fixed | {name: value})}")
        for name in names
        for value in some(VALUES)
    )


def submits(page: AdminPage, html: str) -> Iterator[Case]:
    """Each form of the page as it is filled in, but for one field."""
    for form in forms_of(html):
        path = form.action if form.action.startswith("/") else page.path
        if form.method != "post" or "logout" in path:
            continue
        for name in [*sorted(form.names), *FORM_NAMES]:
            rest = [(each, value) for each, value in form.fields if each != name]
            yield from (Case(path, (*rest, (name, value))) for value in some(VALUES))


def actions(page: AdminPage, html: str, key: str) -> Iterator[Case]:
    """Each action of the list for its row, but for one field."""
    chosen = {"_selected_action": key, "sure": "yes", "tokens": "5", "post": "yes"}
    for action in [*re.findall(r'<option value="(\w+)"', html), "nope"]:
        for name in ACTION_NAMES:
            yield from (
                Case(page.path, tuple({**chosen, "action": action, name: value}.items()))
                for value in some(VALUES)
            )


def others(page: AdminPage, key: str) -> Iterator[Case]:
    """The page of a row that is none."""
    for value in some(IDS):
        path = page.path.replace(f"/{key}/", f"/{quote(value, safe='')}/")
        yield from (Case(path), Case(path, (("post", "yes"),)))


def elsewhere() -> Iterator[Case]:
    for value in VALUES:
        quoted = quote(value[:3_000], safe="")
        yield from (
            Case(f"/admin/login/?next={quoted}"),
            Case(f"/admin/{quoted}/"),
            Case(f"/admin/chat/quota/{quoted}/nope/"),
        )
        yield from (
            Case(f"/admin/r/{quoted}/1/"),
            Case(f"/admin/r/4/{quoted}/"),
            Case("/admin/login/", (("next", value),)),
        )


def cases_of(page: AdminPage, html: str, rows: Rows) -> Iterator[Case]:
    yield from queries(page, html)
    yield from submits(page, html)
    if page.model:
        key = str(rows[page.model].pk)
        if page.kind == "changelist":
            yield from actions(page, html, key)
        if f"/{key}/" in page.path:
            yield from others(page, key)


# --- Who sends it ---------------------------------------------------------------


class Faults(logging.Handler):
    """What stands in the log that no client may bring about: an error, but not that a lookup was
    refused.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith("django.security"):
            kind = record.exc_info[1] if record.exc_info else ""
            self.lines.append(f"{record.getMessage()[:150]} {kind!r:.200}")


class Attacker:
    """An operator with every right, who is made anew where a form took it away."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._client = Client(raise_request_exception=False)
        self.enter()

    def enter(self) -> None:
        self.user = User.objects.create(
            username=f"operator-{User.objects.count()}-{monotonic()}",
            is_staff=True,
            is_superuser=True,
        )
        self._client.force_login(self.user)

    def is_in(self) -> bool:
        return User.objects.filter(
            pk=self.user.pk, is_staff=True, is_superuser=True, is_active=True
        ).exists()

    def page(self, path: str) -> str:
        response = self._client.get(path, headers={"host": "localhost"})
        return (
            "" if response.streaming or response.status_code != 200 else response.content.decode()
        )

    def fault(self, case: Case) -> str:
        """What went wrong, or an empty string."""
        self._faults.lines.clear()
        if not self.is_in():
            self.enter()
        if case.fields is None:
            response = self._client.get(case.path, headers={"host": "localhost"})
        else:
            form = {
                "content_type": "application/x-www-form-urlencoded",
                "headers": {"host": "localhost"},
            }
            response = self._client.post(case.path, urlencode(case.fields), **form)  # type: ignore[arg-type]
        bad = (
            response.status_code >= 500
            or self._faults.lines
            or is_away(response.get("Location", "/"))
        )
        return (
            f"{response.status_code} {case.path[:150]} {str(case.fields)[-150:]}"
            f" {self._faults.lines}"
            if bad
            else ""
        )


def is_away(location: str) -> bool:
    return not location.startswith(("/", "?")) or location.startswith(("//", "/\\"))


def close() -> None:
    connection.close()
    if connection.vendor == "postgresql":
        connection.close_pool()  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def own_database(db_ready: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A database that only this process has: whatever the forms write or delete, no other test's
    rows are among it.
    """
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


def put_back(rows: Iterable[Model]) -> None:
    """What a form of the list has deleted is there again for the next."""
    for row in rows:
        if not type(row)._default_manager.filter(pk=row.pk).exists():
            row.save(force_insert=True)


# --- The tests --------------------------------------------------------------------


def test_no_mutated_request_is_a_fault(attacker: Attacker, rows: Rows) -> None:
    cases = [
        case for page in pages(rows) for case in cases_of(page, attacker.page(page.path), rows)
    ] + list(elsewhere())
    _dice.shuffle(cases)
    found = []
    for case in cases[:MAX_REQUESTS]:
        found.append(attacker.fault(case))
        put_back([*rows.by_model.values()] if case.fields else [])
    assert [fault for fault in found if fault] == []
    assert len(found) > 100


NUMBERS_THAT_ARE_NONE = ["½", "²", "١", "on", "", "1_0", "+1", str(2**63), str(10**30), "1\0"]


@pytest.mark.parametrize("key", NUMBERS_THAT_ARE_NONE)
def test_row_that_is_none_is_told_and_nothing_is_done(
    attacker: Attacker, person: User, key: str
) -> None:
    before = (User.objects.count(), Group.objects.count(), Quota.objects.count())
    for path, action in (
        ("auth/user", "delete_selected"),
        ("auth/user", "pause"),
        ("auth/group", "delete_selected"),
    ):
        chosen = (
            ("_selected_action", str(person.pk)),
            ("_selected_action", key),
            ("post", "yes"),
            ("sure", "yes"),
        )
        assert attacker.fault(Case(f"/admin/{path}/", (("action", action), *chosen))) == ""
    for fields in (
        (("user", key), ("note", "")),
        (("user", key), ("day", "2026-01-01"), ("tokens", "1"), ("usd", "0")),
    ):
        for path in ("pause", "grant"):
            assert attacker.fault(Case(f"/admin/chat/{path}/add/", fields)) == ""
    quota = (
        ("name", "none of it"),
        ("mode", "enforce"),
        ("priority", "0"),
        ("users", key),
        ("groups", key),
    )
    assert attacker.fault(Case("/admin/chat/quota/add/", quota)) == ""
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
    """A clean() of our own had taken the place of Django's, and with it the question whether a name
    is taken.
    """
    quota = Quota.objects.create(name=f"Taken {monotonic()}")
    assert (
        attacker.fault(
            Case(
                "/admin/chat/quota/add/",
                (("name", quota.name), ("mode", "enforce"), ("priority", "0")),
            )
        )
        == ""
    )
    assert Quota.objects.filter(name=quota.name).count() == 1
