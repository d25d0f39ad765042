"""Tables of the runtime stand in each service's own migrations; the copies agree with what the runtime expects."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "firewalker"
SHIPPED = {
    name: text
    for path in (
        ROOT / "runtime" / "outbox" / "schema.sql",
        ROOT / "runtime" / "inbox.sql",
        ROOT / "runtime" / "repeats.sql",
    )
    for name, text in re.findall(r"CREATE TABLE (\w+) (\(.*?\)[^;]*);", path.read_text(), re.DOTALL)
}


def _folded(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"--.*", "", text)).strip()


def test_the_runtime_ships_its_tables() -> None:
    assert set(SHIPPED) == {"outbox", "outbox_lane", "event_seen", "answered_call"}


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/store/schema/*.sql")), ids=lambda path: f"{path.parts[-4]}")
def test_copies_of_its_tables_are_the_same(path: Path) -> None:
    for name, text in re.findall(r"CREATE TABLE (\w+) (\(.*?\)[^;]*);", path.read_text(), re.DOTALL):
        if name in SHIPPED:
            assert _folded(text) == _folded(SHIPPED[name])
