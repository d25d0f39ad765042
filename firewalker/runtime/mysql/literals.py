"""Values of Python as literals of SQL, and columns as values. Instants are UTC on both sides; no statement is known here."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any
from uuid import UUID

from pymysql.constants import FIELD_TYPE
from pymysql.converters import decoders as _driver_decoders
from pymysql.converters import escape_string

Params = Mapping[str, object] | Sequence[object]


def _float(value: float) -> str:
    if not isfinite(value):
        raise ValueError("a number that is not finite cannot be stored")
    return repr(value)


def _datetime(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("an instant needs its zone: naive datetimes are not stored")
    return f"'{value.astimezone(UTC).replace(tzinfo=None).isoformat(' ')}'"


def _enum(value: Enum) -> str:
    return literal(value.value)


_LITERALS: dict[type, Callable[[Any], str]] = {
    int: str,
    str: lambda value: f"'{escape_string(value)}'",
    # Hexadecimal cannot be misread, whatever the character set; ids are short.
    bytes: lambda value: f"x'{value.hex()}'",
    bytearray: lambda value: f"x'{value.hex()}'",
    memoryview: lambda value: f"x'{value.hex()}'",
    type(None): lambda _: "NULL",
    bool: lambda value: "1" if value else "0",
    float: _float,
    Decimal: lambda value: format(value, "f"),
    datetime: _datetime,
    date: lambda value: f"'{value.isoformat()}'",
    UUID: lambda value: f"x'{value.hex}'",
}


def literal(value: object) -> str:
    """The SQL literal of *value*.

    Booleans become 0 and 1, UUIDs and bytes binary strings, aware datetimes their UTC reading, enums what they stand for.

    Raises:
        TypeError: A type that has no column type of its own here; nothing is ever turned into text silently.
        ValueError: A naive datetime, or a number that is not finite.
    """
    kind = type(value)
    render = _LITERALS.get(kind)
    if render is None:
        render = _register(kind)
    return render(value)


def _register(kind: type) -> Callable[[Any], str]:
    # Subclasses (NewTypes are none, but enums and str subclasses are) are looked up once.
    render: Callable[[Any], str] | None
    if issubclass(kind, Enum):
        render = _enum
    else:
        render = next((_LITERALS[base] for base in kind.__mro__ if base in _LITERALS), None)
    if render is None:
        raise TypeError(f"{kind.__qualname__} cannot be a parameter of a statement")
    _LITERALS[kind] = render
    return render


def fill(statement: str, params: Params) -> str:
    """*statement* with its ``%s`` or ``%(name)s`` places filled by literals; unchanged if there are no *params*.

    With *params*, a percent sign that is meant as such is written ``%%``.
    """
    if not params:
        return statement
    if isinstance(params, Mapping):
        return statement % {name: literal(value) for name, value in params.items()}
    return statement % tuple(map(literal, params))


def fill_rows(row: str, rows: Sequence[Sequence[object]]) -> str:
    """The *row* template, such as ``(%s,%s)``, once per row of *rows*, filled and joined by commas."""
    return ",".join([row] * len(rows)) % tuple(literal(value) for values in rows for value in values)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text + "+00:00")


DECODERS: dict[int, Any] = {
    **_driver_decoders,
    FIELD_TYPE.DATETIME: _instant,
    FIELD_TYPE.TIMESTAMP: _instant,
    FIELD_TYPE.DATE: date.fromisoformat,
}
"""How columns become values, by the wire's type codes. Strict SQL mode keeps zero dates, which have no value, out."""
