"""Modules, functions, classes and lines are as short as CONTRIBUTING.md says."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = ("chat", "chatsite", "bench")
MAX_MODULE_LINES = {**dict.fromkeys(CODE, 300), "tests": 500}
MAX_FUNCTION_LINES = {**dict.fromkeys(CODE, 30), "tests": 40}
MAX_METHODS = 15
MAX_LINE_CHARS = 100
# A state machine of Hypothesis has a method for each step and each invariant.
STATE_MACHINES = {"tests/limits/test_admission_model.py"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(folder: str) -> dict[str, ast.Module]:
    """Returns the parsed modules of a folder by their paths; Django writes migrations itself."""
    return {
        str(path.relative_to(ROOT)): parsed(path)
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "migrations" not in path.parts
    }


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def lines_of(function: Function) -> int:
    """Counts the lines of a function, without decorators and docstring."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is None:
        return lines
    docstring = function.body[0]
    return lines - ((docstring.end_lineno or 0) - docstring.lineno + 1)


def methods_of(node: ast.ClassDef) -> int:
    return sum(isinstance(each, Function) for each in node.body)


def written_by_hand() -> Iterator[Path]:
    """Yields every file of code, scripts and styles that is not a third party's."""
    for folder in (*MAX_MODULE_LINES, "static"):
        for suffix in ("py", "js", "css"):
            yield from (ROOT / folder).rglob(f"*.{suffix}")


@pytest.mark.parametrize("folder", MAX_MODULE_LINES)
def test_modules_are_short(folder: str) -> None:
    lengths = {name: len((ROOT / name).read_bytes().splitlines()) for name in modules(folder)}
    assert lengths
    most = MAX_MODULE_LINES[folder]
    assert {name: length for name, length in lengths.items() if length > most} == {}


@pytest.mark.parametrize("folder", MAX_FUNCTION_LINES)
def test_functions_are_short(folder: str) -> None:
    lengths = {
        f"{name}:{function.lineno} {function.name}": lines_of(function)
        for name, tree in modules(folder).items()
        for function in functions(tree)
    }
    most = MAX_FUNCTION_LINES[folder]
    assert {name: length for name, length in lengths.items() if length > most} == {}


@pytest.mark.parametrize("folder", MAX_MODULE_LINES)
def test_classes_have_few_methods(folder: str) -> None:
    counts = {
        f"{name}:{node.lineno} {node.name}": methods_of(node)
        for name, tree in modules(folder).items()
        if name not in STATE_MACHINES
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    assert {name: count for name, count in counts.items() if count > MAX_METHODS} == {}


def test_lines_are_short() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in written_by_hand()
        if "vendor" not in path.parts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > MAX_LINE_CHARS
    ]
    assert long == []


def test_modules_say_what_they_are() -> None:
    # Django names these two kinds, and the class in each says what it is.
    named_by_django = ("apps.py", "commands")
    silent = [
        name
        for folder in CODE
        for name, tree in modules(folder).items()
        if tree.body and ast.get_docstring(tree) is None
        if not any(part in named_by_django for part in Path(name).parts)
    ]
    assert silent == []
