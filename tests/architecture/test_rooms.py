"""Habits that import-linter cannot see."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    path
    for top in ("firewalker", "transcoder")
    for path in sorted((ROOT / top).rglob("*.py"))
    if "gen" not in path.relative_to(ROOT).parts
]
_SQL = re.compile(r"^\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE TABLE|ALTER TABLE)\s", re.IGNORECASE)
_SQL_ROOMS = re.compile(
    r"^firewalker/(\w+/store/|runtime/(mysql|outbox|personal_data)/|runtime/(migrations|inbox|repeats)\.py|local/)"
)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_sql_stands_in_the_stores_alone() -> None:
    strangers = [
        f"{_name(path)}:{node.lineno}"
        for path in SOURCES
        if not _SQL_ROOMS.match(_name(path))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and _SQL.match(node.value)
        # Prose in docstrings may begin with a verb too; statements are in capitals.
        and node.value.lstrip()[:6].isupper()
    ]
    assert strangers == []


def test_no_room_is_called_after_nothing() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager"}
    assert [_name(path) for path in SOURCES if path.stem in vague] == []


def test_files_stay_readable() -> None:
    paths = [*SOURCES, *(ROOT / "tests").rglob("*.py")]
    assert [_name(path) for path in paths if len(path.read_text().splitlines()) > 400] == []


def test_every_module_says_what_lives_in_it() -> None:
    assert [
        _name(p) for p in SOURCES if p.read_text().strip() and not ast.get_docstring(ast.parse(p.read_text()))
    ] == []


@pytest.mark.parametrize("service", ["user", "step", "notification"])
def test_services_have_one_shape(service: str) -> None:
    room = ROOT / "firewalker" / service
    expected = {"__main__.py", "app.py", "config.py", "domain", "usecases", "store", "rpc"}
    assert expected <= {path.name for path in room.iterdir()}


@pytest.mark.parametrize("room", ["firewalker/runtime/grpc", "transcoder"])
def test_a_readme_that_lists_files_names_them_all(room: str) -> None:
    named = set(re.findall(r"\b(\w+\.py)`", (ROOT / room / "README.md").read_text()))
    assert {path.name for path in (ROOT / room).rglob("*.py")} - {"__init__.py", "__main__.py"} - named == set()


def test_no_suppression_without_a_rule() -> None:
    blanket = re.compile(r"#\s*(noqa|type:\s*ignore)\s*($|[^:\[\s])")
    assert [
        f"{_name(path)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if blanket.search(line)
    ] == []
