"""The operator's pages name every setting, default, file and command as the code has it."""

import ast
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.harness.certificates import self_signed

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [ROOT / "chatsite" / "settings.py", ROOT / "chatsite" / "serve" / "first_admin.py"]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


class Setting(NamedTuple):
    """Holds one read of the environment: its default in the code, None where it is computed."""

    secret: bool
    default: object


def settings_in_code() -> dict[str, Setting]:
    found: dict[str, Setting] = {}
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and ast.unparse(node.func.value) == "env"
            ):
                name, *defaults = node.args
                assert isinstance(name, ast.Constant), (
                    f"{source}: the name of a setting is computed"
                )
                default = (
                    defaults[0].value
                    if defaults and isinstance(defaults[0], ast.Constant)
                    else None
                )
                found[str(name.value)] = Setting(node.func.attr == "secret", default)
    return found


def settings_in_docs() -> dict[str, tuple[str, str]]:
    """Name to its default and its meaning, as the tables have them."""
    rows = re.findall(
        r"^\| `([A-Z_]+)` \| (.+?) \| (.+) \|$",
        (ROOT / "docs" / "settings.md").read_text(),
        re.MULTILINE,
    )
    return {name: (default, meaning) for name, default, meaning in rows}


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    assert sorted(settings_in_docs()) == sorted(settings_in_code())


@pytest.mark.parametrize("name", settings_in_code())
def test_documented_default_is_the_one_in_the_code(name: str) -> None:
    setting, (default, meaning) = settings_in_code()[name], settings_in_docs()[name]
    if setting.default is not None:
        assert default == f"`{setting.default}`"
    assert meaning.startswith("*Secret.*") is setting.secret


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_commands_that_the_readme_names_exist() -> None:
    text = "".join(page.read_text() for page in PAGES)
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"\bmake ([a-z]+)\b`", text)) <= set(targets)
    commands = {path.stem for path in ROOT.glob("chat*/management/commands/[a-z]*.py")}
    djangos = {"check", "migrate", "createsuperuser", "changepassword", "collectstatic", "shell"}
    assert set(re.findall(r"manage\.py ([a-z_]+)", text)) <= commands | djangos


def test_environment_example_names_only_settings_that_exist() -> None:
    names = re.findall(
        r"^#?\s?([A-Z_]+)=", (ROOT / "deploy" / "chatsite.env").read_text(), re.MULTILINE
    )
    assert names
    assert set(names) <= {
        variant for name in settings_in_code() for variant in (name, f"{name}_FILE")
    }


def test_service_waits_longer_than_a_drain_may_take() -> None:
    unit = (ROOT / "deploy" / "chatsite.service").read_text()
    drain = settings_in_code()["DRAIN_SECONDS"].default
    assert isinstance(drain, int)
    assert int(re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[0]) > drain + 30
    assert "KillMode=mixed" in unit


def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    config = (ROOT / "deploy" / "nginx.conf").read_text()
    certificate, key = self_signed(tmp_path)
    config = re.sub(r"ssl_certificate\s+\S+;", f"ssl_certificate {certificate};", config)
    config = re.sub(r"ssl_certificate_key\s+\S+;", f"ssl_certificate_key {key};", config)
    config = re.sub(r"access_log\s+/\S+", f"access_log {tmp_path}/access.log", config)
    whole = tmp_path / "nginx.conf"
    whole.write_text(
        f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n{config}\n}}\n"
    )
    checked = subprocess.run(
        ["/usr/sbin/nginx", "-t", "-c", whole, "-p", tmp_path], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr
