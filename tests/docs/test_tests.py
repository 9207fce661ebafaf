"""The tests themselves: no file of tests leans on another, nor on what the code keeps to itself."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FILES = {str(path.relative_to(TESTS)): path for path in sorted(TESTS.rglob("*.py"))}
PROJECT = ("chat", "chatsite")


def imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yields module and name of each import; the name is empty where a module alone is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", name.asname or name.name) for name in node.names)
        elif isinstance(node, ast.Import):
            yield from ((name.name, "") for name in node.names)


def is_private(name: str) -> bool:
    """Returns whether it is; Django documents `_meta`, and `_default_manager` with it."""
    return (
        name.startswith("_")
        and not name.startswith("__")
        and name not in ("_meta", "_default_manager")
    )


def private_uses(tree: ast.Module) -> Iterator[str]:
    """Yields private names of the project that are imported, patched by name or read.

    An object's own (`self`) and those of other packages are not meant.
    """
    foreign = {"self", "cls"}
    for module, name in imports(tree):
        if module.split(".")[0] not in PROJECT:
            foreign.add(name or module.split(".")[0])
        elif is_private(name):
            yield f"{module}.{name}"
    for node in ast.walk(tree):
        match node:
            case (
                ast.Attribute(value=ast.Name(id=owner), attr=name)
                | ast.Call(
                    func=ast.Attribute(attr="setattr"),
                    args=[ast.Name(id=owner), ast.Constant(value=str(name)), *_],
                )
            ) if owner not in foreign and is_private(name):
                yield f"{owner}.{name}"


@pytest.mark.parametrize("name", FILES)
def test_file_leans_on_no_other_and_on_nothing_private(name: str) -> None:
    tree = ast.parse(FILES[name].read_text())
    assert [module for module, part in imports(tree) if ".test_" in f"{module}.{part}"] == []
    assert list(private_uses(tree)) == []


def test_makefile_names_files_that_are_there_and_all_that_need_postgresql() -> None:
    text = (TESTS.parent / "Makefile").read_text().replace("\\\n", " ")
    (words,) = re.findall(r"^POSTGRESQL_TESTS := .*suffix .py,(.*?)\)\)$", text, re.MULTILINE)
    named = {f"{word}.py" for word in words.split()}
    assert named - set(FILES) == set()
    assert {name for name in FILES if "/test_postgresql_" in name} - named == set()
