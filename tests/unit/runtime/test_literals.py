from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymysql.constants import FIELD_TYPE

from firewalker.runtime.mysql.literals import DECODERS, fill, fill_rows, literal


class Colour(StrEnum):
    RED = "r'ed"


class Level(IntEnum):
    HIGH = 3


class State(Enum):
    OPEN = "open"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "NULL"),
        (True, "1"),
        (-7, "-7"),
        (1.5, "1.5"),
        (Decimal("1E+3"), "1000"),
        (b"\x00'", "x'0027'"),
        (UUID(int=1), "x'00000000000000000000000000000001'"),
        (date(2026, 5, 20), "'2026-05-20'"),
        (datetime(2026, 5, 20, 9, tzinfo=timezone(timedelta(hours=9))), "'2026-05-20 00:00:00'"),
        (datetime(2026, 5, 20, 9, 0, 0, 5000, UTC), "'2026-05-20 09:00:00.005000'"),
        (Colour.RED, "'r\\'ed'"),
        (Level.HIGH, "3"),
        (State.OPEN, "'open'"),
        ("a\\b'c\"\n\0", "'a\\\\b\\'c\\\"\\n\\0'"),
    ],
)
def test_values_become_literals(value: object, expected: str) -> None:
    assert literal(value) == expected


@pytest.mark.parametrize("value", [object(), [1], (1,), {"a": 1}, timedelta(1)])
def test_other_types_are_refused(value: object) -> None:
    with pytest.raises(TypeError):
        literal(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), datetime(2026, 5, 20)])  # noqa: DTZ001
def test_values_without_a_meaning_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"zone|finite"):
        literal(value)


@given(st.text())
def test_no_text_ends_its_literal_early(text: str) -> None:
    inside = literal(text)[1:-1]
    assert "'" not in inside.replace("\\\\", "").replace("\\'", "")
    assert not (len(inside) - len(inside.rstrip("\\"))) % 2


def test_places_are_filled_by_order_or_by_name() -> None:
    assert fill("a = %s AND b LIKE '10%%' AND c = %s", (1, "%s")) == "a = 1 AND b LIKE '10%' AND c = '%s'"
    assert fill("a = %(a)s OR b = %(a)s", {"a": "x"}) == "a = 'x' OR b = 'x'"
    assert fill("b LIKE '10%'", ()) == "b LIKE '10%'"


def test_rows_are_filled_one_after_the_other() -> None:
    assert fill_rows("(%s,%s,0)", [(1, "%"), (2, None)]) == "(1,'%',0),(2,NULL,0)"


def test_instants_come_back_aware() -> None:
    decoded = DECODERS[FIELD_TYPE.DATETIME]("2026-05-20 09:00:00.005")
    assert decoded == datetime(2026, 5, 20, 9, 0, 0, 5000, UTC)
    assert decoded.tzinfo is UTC
