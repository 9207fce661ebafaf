"""The tests themselves: no file of tests leans on another."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FILES = {str(path.relative_to(TESTS)): path for path in sorted(TESTS.rglob("*.py"))}


def imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Module and name of each import; the name is empty where a module alone is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", name.name) for name in node.names)
        elif isinstance(node, ast.Import):
            yield from ((name.name, "") for name in node.names)


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_file_imports_no_file_of_tests(path: Path) -> None:
    modules = {f"{module}.{name}" for module, name in imports(ast.parse(path.read_text()))}
    assert [name for name in modules if ".test_" in name] == []
