"""The table of behaviour names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
README = HERE.parents[1] / "transcoder" / "README.md"


def test_every_row_of_the_table_names_tests_that_exist() -> None:
    rows = [line for line in README.read_text().splitlines() if line.startswith("|") and line.count("|") == 6]
    assert len(rows) > 50
    told = [re.findall(r"`(test_\w+)`", row) for row in rows[2:]]
    existing = {
        name
        for path in HERE.glob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert {name for names in told for name in names} - existing == set()
    unproven = [row for row, names in zip(rows[2:], told, strict=True) if not names and "the same two" not in row]
    assert unproven == []
