"""Every statement runs on MySQL 8 as well as on MariaDB: what only one of them knows is not used."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "firewalker"

ONE_SIDED = {
    "RETURNING is MariaDB's": r"\bRETURNING\b",
    "a row alias is MySQL's; write VALUES()": r"\bVALUES\b[^;]*\)\s+AS\s+new\b",
    "INSERT ... SET ... AS new is MySQL's": r"\bAS\s+new\b\s+ON\s+DUPLICATE",
    "UUID and INET columns are MariaDB's": r"\b(UUID|INET4|INET6)\b\s+(NOT\s+)?NULL",
    "sequences are MariaDB's": r"\b(NEXT\s+VALUE\s+FOR|CREATE\s+SEQUENCE)\b",
    "CREATE OR REPLACE TABLE is MariaDB's": r"\bCREATE\s+OR\s+REPLACE\s+TABLE\b",
    "IF [NOT] EXISTS on columns and indexes is MariaDB's": (
        r"\b(ADD|DROP|MODIFY)\s+(COLUMN|INDEX|KEY)\s+IF\s+(NOT\s+)?EXISTS\b"
    ),
    "system versioning is MariaDB's": r"\bSYSTEM\s+VERSIONING\b",
    "this collation is MySQL's": r"\butf8mb4_0900_\w+",
    "this collation is MariaDB's": r"\butf8mb4_(uca1400|nopad)_\w+",
    "LATERAL is MySQL's": r"\bLATERAL\b",
    "-> is MySQL's; write JSON_EXTRACT": r"\w\s*->>?\s*'\$",
    "functional indexes are MySQL's": r"\bKEY\s+\w+\s*\(\s*\(",
    "WAIT n is MariaDB's; NOWAIT and SKIP LOCKED are common": r"\bFOR\s+UPDATE\s+WAIT\b",
    "DELETE ... RETURNING and REPLACE lose rows' history": r"^\s*REPLACE\s+INTO\b",
}

_STATEMENT = re.compile(
    r"^\s*(--.*\n\s*)*(SELECT|INSERT|UPDATE|DELETE|REPLACE|CREATE|ALTER|WITH|ON DUPLICATE)\b", re.IGNORECASE
)


def statements() -> Iterator[tuple[str, str]]:
    """Every SQL text of the backend: schema files, and string constants that begin like a statement."""
    for path in sorted(ROOT.rglob("*.sql")):
        yield path.relative_to(ROOT).as_posix(), path.read_text()
    for path in sorted(ROOT.rglob("*.py")):
        if "gen" in path.relative_to(ROOT).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _STATEMENT.match(node.value):
                yield f"{path.relative_to(ROOT).as_posix()}:{node.lineno}", node.value


def test_the_search_finds_statements() -> None:
    places = {place.partition(":")[0] for place, _ in statements()}
    assert {"user/store/schema", "notification/store/schema", "step/store/schema"} <= {
        place.rpartition("/")[0] for place in places
    }
    assert "notification/store/notifications.py" in places


@pytest.mark.requirement("TEST-06")
@pytest.mark.parametrize("rule", ONE_SIDED)
def test_statements_keep_to_the_common_dialect(rule: str) -> None:
    pattern = re.compile(ONE_SIDED[rule], re.IGNORECASE | re.MULTILINE)
    assert [place for place, text in statements() if pattern.search(text)] == []


@pytest.mark.parametrize(
    "wrong",
    [
        "INSERT INTO t (a) VALUES (1) RETURNING a",
        "INSERT INTO t (a) VALUES (1) AS new ON DUPLICATE KEY UPDATE a = new.a",
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT",
        "SELECT a->>'$.b' FROM t",
    ],
)
def test_a_one_sided_statement_would_be_found(wrong: str) -> None:
    assert any(re.search(p, wrong, re.IGNORECASE | re.MULTILINE) for p in ONE_SIDED.values())


def test_every_table_names_its_engine_and_collation() -> None:
    endings = [
        ending
        for _, text in statements()
        for ending in re.findall(r"CREATE TABLE\s+\w+\s*\(.*?^\s*\)([^;]*)", text, re.DOTALL | re.MULTILINE)
    ]
    assert endings
    assert [e for e in endings if not re.search(r"ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_\w+", e)] == []
