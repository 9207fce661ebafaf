"""docs/operate.md names each field, rate, button and permission of the site, and no others."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.db.models import Model

import chat.abuse
from chat.abuse import action_limits, proof_of_work, signin
from chat.admin import person_actions
from chat.formatting import per, span
from chat.limits import reader_leases, refusal_counts
from chat.models import ChatModel, Quota, SitePolicy
from chat.operator import periods
from chat.rates import Rate
from chat.upstream import waits

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "operate.md").read_text()
RATES = {
    "failed sign-ins": signin.FAILED_SIGN_INS,
    "sign-ups": signin.SIGN_UPS,
    "password resets": signin.PASSWORD_RESETS,
    "challenges of guests and sign-ups": action_limits.CHALLENGES,
    "searches": action_limits.SEARCHES,
    "exports": action_limits.EXPORTS,
}
ACTIONS = [
    person_actions.RESET,
    person_actions.GRANT,
    person_actions.PAUSE,
    person_actions.UNPAUSE,
    person_actions.STOP,
]
# Figures in running text, each in the words around it.
SENTENCES = [
    f"One solution opens {proof_of_work.MAX_TURNS} turns within an hour",
    f"At most {reader_leases.MAX_READERS} connections at once follow the answers of one person.",
    f"No request may be larger than {settings.MAX_BODY_BYTES // 1024**2} MiB.",
    f"(`UPSTREAM_RETRIES`, {waits.RETRY_BUDGET_SECONDS:.0f} s in all)",
    (
        f"adds the ledger up for {periods.DAYS[0]}, {periods.DAYS[1]} or {periods.DAYS[2]} days or"
        " a month"
    ),
    f"of the last {refusal_counts.KEPT_DAYS} days.",
]


def table(heading: str) -> list[list[str]]:
    """Returns the cells of the first table under a heading, without its head."""
    section = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
    assert section, f"the page has no {heading!r}"
    lines = re.findall(r"^\| (.*) \|$", section[1], re.MULTILINE)
    return [line.split(" | ") for line in lines[1:]]


def fields(model: type[Model]) -> set[str]:
    """Returns the labels that the form of a model has in the admin."""
    own = [*model._meta.fields, *model._meta.many_to_many]
    return {str(field.verbose_name) for field in own if field.editable and not field.primary_key}


def rates_in_code() -> list[Rate]:
    modules = [
        importlib.import_module(f"chat.abuse.{module.name}")
        for module in pkgutil.iter_modules(chat.abuse.__path__)
    ]
    return [
        value for module in modules for value in vars(module).values() if isinstance(value, Rate)
    ]


@pytest.mark.parametrize(
    ("heading", "model"), [("Quotas", Quota), ("Models", ChatModel), ("Site policy", SitePolicy)]
)
def test_tables_name_the_fields_of_the_admin_and_no_others(
    heading: str, model: type[Model]
) -> None:
    cells = [cells[0] for cells in table(heading)]
    # The labels of prices have a comma of their own.
    named = [name for cell in cells for name in re.split("; " if "USD per" in cell else ", ", cell)]
    assert len(named) == len(set(named))
    assert set(named) == fields(model)


def test_rates_are_those_of_the_code_and_none_is_missing() -> None:
    assert [(name, rate) for name, rate, _ in table("Fixed limits")] == [
        (name, f"{rate.limit} {per(rate.period)}") for name, rate in RATES.items()
    ]
    assert sorted(map(str, rates_in_code())) == sorted(map(str, RATES.values()))


def test_buttons_are_the_actions_on_people() -> None:
    assert [name for cells in table("Current use") for name in cells[0].split(", ")] == [
        action.title for action in ACTIONS
    ]


def test_permissions_that_the_page_names_exist() -> None:
    metas = [model._meta for model in apps.get_models()]
    names = {
        f"Can {action} {meta.verbose_name}" for meta in metas for action in meta.default_permissions
    }
    names |= {str(name) for meta in metas for _, name in meta.permissions}
    named = {name for cells in table("Current use") for name in cells[2].split(", ")}
    named |= set(re.findall(r"“(Can [^”]+)”", " ".join(PAGE.split())))
    assert named <= names, named - names


@pytest.mark.parametrize("sentence", SENTENCES)
def test_figures_in_the_text_are_those_of_the_code(sentence: str) -> None:
    assert sentence in " ".join(PAGE.split())


def test_lengths_of_time_in_the_text_are_those_of_the_code() -> None:
    assert span(proof_of_work.PASS_SECONDS) == "1 hour"
    assert span(settings.SESSION_COOKIE_AGE) == "14 days"  # two weeks, on the page
