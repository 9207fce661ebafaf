"""Everything imported is named, everything named is pinned, everything pinned has hashes."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What neither imports nor settings name: Django and the libraries load these by themselves.
LOADED = {"hiredis", "psycopg", "servestatic", "django-cors-headers", "openai"}


def named(file: str) -> dict[str, str]:
    """The packages that a short file names, by their normal names, with their versions."""
    lines = (ROOT / file).read_text().splitlines()
    found = (
        re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)", line)
        for line in lines
        if line and line[0] not in "#-"
    )
    return {normal(match[1]): match[2] for match in found if match}


def resolved(file: str) -> dict[str, str]:
    """Every requirement of a resolved file, by its normal name, with all that is written of it."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / file).read_text(), flags=re.MULTILINE).replace(
        "\\\n", " "
    )
    return {normal(line.partition("==")[0]): line for line in text.splitlines()}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(*folders: str) -> set[str]:
    """The packages, by their normal names, whose modules the folders' files import anywhere."""
    modules: set[str] = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    homes = packages_distributions()
    own = {"chat", "chatsite", "tests", "bench"}
    return {normal(homes[module][0]) for module in modules - set(sys.stdlib_module_names) - own}


def test_every_package_that_the_site_imports_is_named() -> None:
    assert imported("chat", "chatsite") <= set(named("requirements.in"))
    assert set(named("requirements.in")) - imported("chat", "chatsite") <= LOADED


def test_every_package_that_the_tests_import_is_named() -> None:
    # uvloop comes with uvicorn[standard], where there is one.
    assert imported("tests", "bench") - {"uvloop"} <= set(named("requirements.in")) | set(
        named("requirements-dev.in")
    )


@pytest.mark.parametrize("file", ["requirements", "requirements-dev"])
def test_every_package_is_pinned_and_has_its_hashes(file: str) -> None:
    found = resolved(f"{file}.txt")
    for name, line in found.items():
        assert re.fullmatch(
            r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[^ ;]+( ; [^-]+?)?( +--hash=sha256:[0-9a-f]{64})+ *",
            line,
        ), name
    for name, version in named(f"{file}.in").items():
        assert found[name].split("==")[1].split()[0] == version, "run make requirements"


def test_the_tests_run_on_what_the_site_runs_on() -> None:
    site, dev = resolved("requirements.txt"), resolved("requirements-dev.txt")
    assert {name: dev.get(name) for name in site} == site


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_no_package_index_and_no_folder_is_named(file: str) -> None:
    assert not re.search(
        r"://|^ *-[a-z-]*(index|find)|(^|[\s=])[./~]*/\w", (ROOT / file).read_text(), re.MULTILINE
    )
