"""docs/architecture.md is the map of the code that is there, not of one that was planned."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "contracts"
]


def section(title: str) -> str:
    """Returns the text between that heading and the next."""
    return re.split(r"^## ", PAGE, flags=re.MULTILINE)[headings().index(title) + 1]


def headings() -> list[str]:
    return re.findall(r"^## (.+)$", PAGE, flags=re.MULTILINE)


def packages_of(folder: Path) -> set[str]:
    """Returns the folders in `folder` that hold Python modules, with the folder itself."""
    found = {path.parent for path in folder.glob("*/*.py")} | {folder}
    return {f"{path.relative_to(ROOT)}/" for path in found}


def contract_layers() -> list[set[str]]:
    layers = next(each["layers"] for each in CONTRACTS if each.get("containers") == ["chat"])
    return [set(re.split(r"[\s|]+", layer.strip())) for layer in layers]


def page_layers() -> list[set[str]]:
    [block] = re.findall(
        r"^```\nchatsite\n(.+?)^```", section("Layers"), flags=re.MULTILINE | re.DOTALL
    )
    return [
        set(re.split(r"[\s|]+", line.strip())) for line in block.replace("\n  ", " ").splitlines()
    ]


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(\w[\w./-]*/[\w.]*)`", PAGE))))
def test_every_path_on_the_page_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_package_has_one_line() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| ", section("Packages"), flags=re.MULTILINE)
    there = packages_of(ROOT / "chat") | packages_of(ROOT / "chatsite")
    assert sorted(rows) == sorted(there - {"chat/"})


def test_the_layers_are_those_that_are_enforced() -> None:
    assert page_layers() == contract_layers()


def test_the_contract_of_the_layers_is_exhaustive() -> None:
    layered = [each for each in CONTRACTS if each["type"] == "layers"]
    assert [each["containers"] for each in layered] == [["chat"], ["chatsite"]]
    assert all(each["exhaustive"] for each in layered)
    assert not any("ignore_imports" in each or "exhaustive_ignores" in each for each in layered)


def test_the_sole_importers_are_those_that_are_enforced() -> None:
    alone = dict(re.findall(r"^- Only `([\w/.]+)` imports `(\w+)`", PAGE, flags=re.MULTILINE))
    enforced = {
        importer.replace(".**", "").replace(".", "/"): each["forbidden_modules"][0]
        for each in CONTRACTS
        for importer, _ in (rule.split(" -> ") for rule in each.get("ignore_imports", []))
    }
    assert {path.removesuffix(".py").rstrip("/"): name for path, name in alone.items()} == enforced
    assert set(enforced.values()) == {"openai", "django_ratelimit"}
