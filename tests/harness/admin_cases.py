"""Requests to the administration whose fields, addresses or queries are not what a form sends."""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape
from urllib.parse import parse_qsl, quote, urlencode

from tests.harness.admin_pages import AdminPage, Rows, pages
from tests.harness.html_forms import forms_of

# The same cases in every run.
SEED = 7


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
    """Holds a GET of `path`, or with `fields` a POST."""

    path: str
    fields: tuple[tuple[str, str], ...] | None = None


_dice = random.Random(SEED)


def all_cases(rows: Rows, html_of: Callable[[str], str]) -> list[Case]:
    """Returns the cases of every page, in the random order of SEED; `html_of` opens a path."""
    cases = [case for page in pages(rows) for case in cases_of(page, html_of(page.path), rows)]
    cases += elsewhere()
    _dice.shuffle(cases)
    return cases


def some(values: list[str]) -> list[str]:
    """Returns four of the values, others at each call: all would be 200,000 requests."""
    return _dice.sample(values, 4)


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
    """Yields each form of the page as it is filled in, but for one field."""
    for form in forms_of(html):
        path = form.action if form.action.startswith("/") else page.path
        if form.method != "post" or "logout" in path:
            continue
        for name in [*sorted(form.names), *FORM_NAMES]:
            rest = [(each, value) for each, value in form.fields if each != name]
            yield from (Case(path, (*rest, (name, value))) for value in some(VALUES))


def actions(page: AdminPage, html: str, key: str) -> Iterator[Case]:
    """Yields each action of the list for its row, but for one field."""
    chosen = {"_selected_action": key, "sure": "yes", "tokens": "5", "post": "yes"}
    for action in [*re.findall(r'<option value="(\w+)"', html), "nope"]:
        for name in ACTION_NAMES:
            yield from (
                Case(page.path, tuple({**chosen, "action": action, name: value}.items()))
                for value in some(VALUES)
            )


def others(page: AdminPage, key: str) -> Iterator[Case]:
    """Yields requests for the page of a row that does not exist."""
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
