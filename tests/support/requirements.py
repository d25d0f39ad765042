"""Which numbered requirement is proven by which test.

The list is `tests/requirements.toml`; a test claims a requirement with `@pytest.mark.requirement("AUTH-11")`, on a
function, a class, or a module (`pytestmark`). Claims are read from the source, so this needs no test run:

    python -m tests.support.requirements     # the table that `make requirements` prints
"""

import ast
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

TESTS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line of the list. A *proven* one must keep at least one test."""

    id: str
    text: str
    proven: bool


def listed() -> dict[str, Requirement]:
    """Every requirement of the list, by id."""
    content = tomllib.loads((TESTS / "requirements.toml").read_text())
    return {
        id_: Requirement(id_, entry["text"], proven=entry["proven"])
        for area in content.values()
        for id_, entry in area.items()
    }


def claims() -> dict[str, list[str]]:
    """Test names (`path::Class::test`) by the requirement id that they claim."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(TESTS.rglob("test_*.py")):
        for name, id_ in _claims_in(ast.parse(path.read_text()), path.relative_to(TESTS.parent).as_posix()):
            found[id_].append(name)
    return found


def _claims_in(module: ast.Module, path: str) -> Iterator[tuple[str, str]]:
    for node in module.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets):
            for id_ in _ids(node.value):
                yield path, id_
        yield from _claims_of(node, path)


def _claims_of(node: ast.stmt, prefix: str) -> Iterator[tuple[str, str]]:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return
    name = f"{prefix}::{node.name}"
    for decorator in node.decorator_list:
        for id_ in _ids(decorator):
            yield name, id_
    if isinstance(node, ast.ClassDef):
        for inner in node.body:
            yield from _claims_of(inner, name)


def _ids(expression: ast.expr) -> Iterator[str]:
    for call in ast.walk(expression):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.requirement":
            for argument in call.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value


def main() -> int:
    """Print the table; 1 if a proven requirement has no test."""
    requirements, claimed = listed(), claims()
    table = Table("id", "requirement", "tests", title="Requirements and the tests that prove them")
    for requirement in requirements.values():
        tests = claimed.get(requirement.id, [])
        style = None if tests else ("red" if requirement.proven else "dim")
        table.add_row(requirement.id, requirement.text, "\n".join(tests) or "-", style=style)
    Console().print(table)
    proven = sum(1 for id_ in requirements if claimed.get(id_))
    print(f"{proven} of {len(requirements)} requirements are proven by tests")  # noqa: T201
    return int(any(r.proven and not claimed.get(r.id) for r in requirements.values()))


if __name__ == "__main__":
    sys.exit(main())
