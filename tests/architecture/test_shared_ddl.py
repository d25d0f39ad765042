"""Tables of the runtime stand in each service's own migrations; the copies agree with what the runtime expects."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "firewalker"


def _definitions(paths: Iterable[Path]) -> dict[str, list[str]]:
    """What makes and changes each table, in its order."""
    found: dict[str, list[str]] = {}
    for path in paths:
        text = re.sub(r"--.*", "", path.read_text())
        for statement, name in re.findall(r"((?:CREATE|ALTER) TABLE (\w+)\b[^;]*);", text):
            found.setdefault(name, []).append(re.sub(r"\s+", " ", statement).strip())
    return found


SHIPPED = _definitions(
    (ROOT / "runtime" / "outbox" / "schema.sql", ROOT / "runtime" / "inbox.sql", ROOT / "runtime" / "repeats.sql")
)


def test_the_runtime_ships_its_tables() -> None:
    assert set(SHIPPED) == {"outbox", "outbox_lane", "event_seen", "answered_call"}


@pytest.mark.parametrize("schema", sorted(ROOT.glob("*/store/schema")), ids=lambda path: f"{path.parts[-3]}")
def test_copies_of_its_tables_are_the_same(schema: Path) -> None:
    copies = _definitions(sorted(schema.glob("*.sql")))
    assert {name: copies[name] for name in SHIPPED if name in copies} == {
        name: text for name, text in SHIPPED.items() if name in copies
    }
    assert copies.keys() & SHIPPED.keys()
