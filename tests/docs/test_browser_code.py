"""Holds the browser's code to its form: sizes, hooks, addresses, and what happens at import."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings
from django.urls import reverse

MAX_LINE_CHARS = 100
MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 30
MAX_METHODS = 15
STATIC = Path(settings.STATICFILES_DIRS[0])
TEMPLATES = settings.BASE_DIR / "templates"
URLS = "js/chat/urls.js"
ID = UUID(int=1)
# What Django's own scripts make, and the code in an answer, for which the sanitiser lets no data
# attributes through: there are no hooks of ours in either.
WITHOUT_HOOKS = {"js/admin/names.js", "js/chat/thread/code-block.js"}

STATEMENT = r"(?:if|for|while|switch|catch|else|do|try|return)\b"
FUNCTION = re.compile(rf"^(?!\s*(?:\}}\s*)?{STATEMENT})(.*\) \{{|.*=> \{{)$")
METHOD = re.compile(rf"^  (?!{STATEMENT})(?:static |async |get |set |\*)*#?\w+\(.*\{{$")
ADDRESS = re.compile(r"""["'`]/(?:[a-z]|["'`])""")
QUERY = re.compile(r"""(?:querySelector(?:All)?|closest|matches)\((["'`])(.*?)\1""")
CLASS_HOOK = re.compile(r"(?:^|[\s>+~,\w\])(])\.[a-z]")


def modules() -> list[str]:
    return sorted(path.relative_to(STATIC).as_posix() for path in (STATIC / "js").rglob("*.js"))


def styles() -> list[str]:
    return sorted(path.relative_to(STATIC).as_posix() for path in (STATIC / "css").glob("*.css"))


def templates() -> list[str]:
    found = [path for path in TEMPLATES.rglob("*") if path.is_file()]
    return sorted(path.relative_to(TEMPLATES).as_posix() for path in found)


def lines_of(name: str) -> list[str]:
    return (STATIC / name).read_text(encoding="utf-8").splitlines()


@dataclass(frozen=True)
class Block:
    """A function, a method or a class: its first line and all of its lines."""

    head: str
    lines: list[str]


def blocks(name: str, opening: re.Pattern[str]) -> Iterator[Block]:
    """Yields what such a line opens, up to the first line that is indented no deeper."""
    lines = lines_of(name)
    for start, line in enumerate(lines):
        if opening.search(line):
            behind = enumerate(lines[start + 1 :], start=2)
            length = next(count for count, each in behind if each and depth(each) <= depth(line))
            yield Block(line, lines[start : start + length])


def depth(line: str) -> int:
    return len(line) - len(line.lstrip())


@pytest.mark.parametrize("name", [*modules(), *styles()])
def test_files_and_lines_are_short(name: str) -> None:
    lines = lines_of(name)
    assert len(lines) <= MAX_MODULE_LINES
    assert [line for line in lines if len(line) > MAX_LINE_CHARS] == []


@pytest.mark.parametrize("name", templates())
def test_lines_of_templates_are_short(name: str) -> None:
    lines = (TEMPLATES / name).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > MAX_LINE_CHARS] == []


@pytest.mark.parametrize("name", modules())
def test_functions_are_short(name: str) -> None:
    long = [each.head for each in blocks(name, FUNCTION) if len(each.lines) > MAX_FUNCTION_LINES]
    # What a script that is no module wraps around itself is no function to be read as one.
    assert [head for head in long if head != "(() => {"] == []


@pytest.mark.parametrize("name", modules())
def test_classes_have_few_methods(name: str) -> None:
    for each in blocks(name, re.compile(r"^(export )?class ")):
        methods = [line for line in each.lines if METHOD.search(line)]
        assert len(methods) <= MAX_METHODS, each.head


@pytest.mark.parametrize("name", modules())
def test_nothing_touches_the_page_or_keeps_state_at_import(name: str) -> None:
    outside = [
        line for line in lines_of(name) if re.match(r"(const|let|var|document|window)\b", line)
    ]
    assert [line for line in outside if re.match(r"(let|var)\b", line)] == []
    assert [line for line in outside if re.search(r"\b(document|window)\b", line)] == []


@pytest.mark.parametrize("name", sorted(set(modules()) - {URLS}))
def test_addresses_are_written_in_one_module(name: str) -> None:
    assert [line for line in lines_of(name) if ADDRESS.search(line)] == []


def test_the_addresses_are_those_of_django() -> None:
    text = (STATIC / URLS).read_text(encoding="utf-8")
    paths = dict(re.findall(r'^  (\w+): "([^"]+)",$', text, re.MULTILINE))
    assert len(paths) >= 13
    for name, path in paths.items():
        values = [ID] if "{id}" in path else []
        assert reverse(name, args=values) == path.replace("{id}", str(ID))


def test_the_addresses_that_templates_and_modules_name_exist() -> None:
    text = (STATIC / URLS).read_text(encoding="utf-8")
    known = set(re.findall(r'^  (\w+): "', text, re.MULTILINE))
    code = "\n".join("\n".join(lines_of(name)) for name in modules())
    header = Path("templates/chat/header.html").read_text(encoding="utf-8")
    named = set(re.findall(r'urlFor\("(\w+)"', code)) | set(re.findall(r'data-url="(\w+)"', header))
    assert named == known


@pytest.mark.parametrize("name", sorted(set(modules()) - WITHOUT_HOOKS))
def test_scripts_find_elements_by_data_attributes_not_by_classes(name: str) -> None:
    text = (STATIC / name).read_text(encoding="utf-8")
    assert [found for _, found in QUERY.findall(text) if CLASS_HOOK.search(found)] == []


@pytest.mark.parametrize("name", styles())
def test_styles_use_classes_and_no_hooks_of_scripts(name: str) -> None:
    states = {"data-theme", "data-status"}
    hooks = re.findall(r"\[(data-[a-z-]+)", (STATIC / name).read_text(encoding="utf-8"))
    assert set(hooks) <= states


@pytest.mark.parametrize("name", styles())
def test_media_queries_end_a_style_sheet(name: str) -> None:
    text = (STATIC / name).read_text(encoding="utf-8")
    rules = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    heads = re.findall(r"^[^\s}].*(?=[{,]$)", rules, re.MULTILINE)
    is_media = [head.startswith("@media") for head in heads if not head.startswith("(")]
    assert is_media == sorted(is_media)
