"""One value at a time: JSON and text to what a scalar field holds, and back. Messages live in the readers and writers.

Readers take a decoded JSON value and raise :class:`Refusal`. They are stricter than ``google.protobuf.json_format``,
which takes ``"***"`` for base64, ``1.5`` for an enum, ``"inf"`` for a number and ``"1_0"`` for an integer.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from collections.abc import Callable
from typing import Any, Final

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)(={0,2})")
_NOT_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_LARGEST_FLOAT: Final = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]
_MOST_DIGITS: Final = 400
"""Longest number text that is looked at; the largest double written out has 309 digits."""

_MOST_NAMED: Final = 16
"""Most values of an enum that a refusal lists."""

MOST_REFUSALS: Final = 50
"""Most faults that one answer names."""

Reader = Callable[[Any], Any]


class Refusal(ValueError):
    """A value that does not fit. *path* grows outwards while the refusal travels up.

    *more* are refusals of other values of the same body, which travel with the first.
    """

    def __init__(self, why: str, *path: str) -> None:
        super().__init__(why)
        self.why = why
        self.path = list(path)
        self.more: list[Refusal] = []

    def under(self, name: str) -> Refusal:
        """The same refusal, seen from the parent that holds the value as *name*."""
        for each in (self, *self.more):
            each.path.insert(0, name)
        return self

    def after(self, first: Refusal | None) -> Refusal:
        """The first refusal of a parent whose refusals so far came with *first*.

        Raises:
            Refusal: There are :data:`MOST_REFUSALS` of them: nobody reads more, and finding them costs time.
        """
        if first is None:
            first = self
        else:
            first.more += (self, *self.more)
            self.more = []
        if len(first.more) >= MOST_REFUSALS - 1:
            del first.more[MOST_REFUSALS - 1 :]
            raise first from None
        return first

    @property
    def field(self) -> str:
        """The path to the value: ``a.b[2].c``."""
        return "".join(part if part.startswith("[") else f".{part}" for part in self.path).removeprefix(".")


def reader(field: FieldDescriptor) -> Reader:
    """What reads one JSON value of this scalar or enum field (one element, if it is repeated)."""
    if field.type in _INTEGERS:
        return _integer_reader(*_INTEGERS[field.type])
    if field.enum_type is not None:
        return _enum_reader(field.enum_type)
    return _PLAIN[field.type]


def text_reader(field: FieldDescriptor) -> Callable[[str], Any]:
    """What reads this scalar or enum field from text, as in a path or a query string."""
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _bool_of_text
    if field.enum_type is not None:
        return _known_enum_reader(field.enum_type)
    return reader(field)


def key_reader(field: FieldDescriptor) -> Callable[[str], Any]:
    """What reads a key of a map, which JSON always writes as a string."""
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _bool_of_key
    if field.type in _INTEGERS:
        return _integer_key_reader(*_INTEGERS[field.type])
    return read_string


def _integer_reader(low: int, high: int) -> Reader:
    def read(value: Any) -> int:
        kind = type(value)
        if kind is int:
            number: int = value
        elif (kind is float and value.is_integer()) or (
            kind is str and len(value) <= _MOST_DIGITS and INTEGER.fullmatch(value)
        ):
            number = int(value)
        elif kind is str and len(value) <= _MOST_DIGITS and NUMBER.fullmatch(value) and float(value).is_integer():
            number = int(float(value))
        else:
            raise Refusal("an integer is wanted")
        if not low <= number <= high:
            raise Refusal(f"out of range: {low} to {high}")
        return number

    return read


def _integer_key_reader(low: int, high: int) -> Callable[[str], int]:
    read = _integer_reader(low, high)

    def read_key(text: str) -> int:
        if not INTEGER.fullmatch(text):
            raise Refusal("the key must be an integer")
        return int(read(text))

    return read_key


def _enum_reader(enum: EnumDescriptor) -> Reader:
    numbers = {value.name: value.number for value in enum.values}
    known = frozenset(numbers.values())
    as_number = _integer_reader(-(2**31), 2**31 - 1)

    wanted = _wanted(enum)
    is_null = enum.full_name == "google.protobuf.NullValue"

    def read(value: Any) -> int:
        if value is None and is_null:
            return 0
        if type(value) is str and value in numbers:
            return int(numbers[value])
        try:
            number = int(as_number(value))
        except Refusal:
            raise Refusal(wanted) from None
        if enum.is_closed and number not in known:
            raise Refusal(wanted)
        return number

    return read


def _known_enum_reader(enum: EnumDescriptor) -> Callable[[str], int]:
    read = _enum_reader(enum)
    known = frozenset(value.number for value in enum.values)
    wanted = _wanted(enum)

    def read_known(text: str) -> int:
        number = int(read(text))
        if number not in known:
            raise Refusal(wanted)
        return number

    return read_known


def _wanted(enum: EnumDescriptor) -> str:
    """What to say of a value that is none of *enum*: which there are, without the one that stands for none."""
    names = [value.name for value in enum.values if value.number or not value.name.endswith("_UNSPECIFIED")]
    if not 1 < len(names) <= _MOST_NAMED:
        return f"a value of {enum.name} is wanted"
    return f"{', '.join(names[:-1])} or {names[-1]} is wanted"


def _read_double(value: Any) -> float:
    kind = type(value)
    if kind is str:
        if value in _NOT_FINITE:
            return _NOT_FINITE[value]
        if len(value) > _MOST_DIGITS or not NUMBER.fullmatch(value):
            raise Refusal("a number is wanted")
    elif kind is not int and kind is not float:
        raise Refusal("a number is wanted")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Refusal("out of range of a double")
    return number


def _read_float(value: Any) -> float:
    number = _read_double(value)
    try:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError:
        raise Refusal("out of range of a float") from None


def _read_bool(value: Any) -> bool:
    if type(value) is not bool:
        raise Refusal("true or false is wanted")
    return value


def _bool_of_key(text: str) -> bool:
    if text not in {"true", "false"}:
        raise Refusal("the key must be true or false")
    return text == "true"


def _bool_of_text(text: str) -> bool:
    if text not in {"true", "false", "1", "0"}:
        raise Refusal("true, false, 1 or 0 is wanted")
    return text in {"true", "1"}


def read_string(value: Any) -> str:
    """A string without lone surrogates, which JSON escapes can smuggle in."""
    if type(value) is not str:
        raise Refusal("a string is wanted")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Refusal("not valid Unicode: a lone surrogate") from None
    return value


def _read_bytes(value: Any) -> bytes:
    found = _BASE64.fullmatch(value) if type(value) is str else None
    if found is None:
        raise Refusal("base64 is wanted")
    bare = value[: len(value) - len(found[1])]
    missing = -len(bare) % 4
    if missing == 3 or (found[1] and len(found[1]) != missing):  # noqa: PLR2004 - one character holds no whole byte
        raise Refusal("base64 is wanted")
    try:
        return base64.b64decode(bare.translate(_STANDARD) + "=" * missing, validate=True)
    except binascii.Error:
        raise Refusal("base64 is wanted") from None


_STANDARD: Final = str.maketrans("-_", "+/")

_INT32: Final = (-(2**31), 2**31 - 1)
_INT64: Final = (-(2**63), 2**63 - 1)
_UINT32: Final = (0, 2**32 - 1)
_UINT64: Final = (0, 2**64 - 1)
_INTEGERS: Final[dict[int, tuple[int, int]]] = {
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_SINT32: _INT32,
    FieldDescriptor.TYPE_SFIXED32: _INT32,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_SINT64: _INT64,
    FieldDescriptor.TYPE_SFIXED64: _INT64,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_FIXED32: _UINT32,
    FieldDescriptor.TYPE_UINT64: _UINT64,
    FieldDescriptor.TYPE_FIXED64: _UINT64,
}
_PLAIN: Final[dict[int, Reader]] = {
    FieldDescriptor.TYPE_DOUBLE: _read_double,
    FieldDescriptor.TYPE_FLOAT: _read_float,
    FieldDescriptor.TYPE_BOOL: _read_bool,
    FieldDescriptor.TYPE_STRING: read_string,
    FieldDescriptor.TYPE_BYTES: _read_bytes,
}


def writer(field: FieldDescriptor) -> Callable[[Any], Any] | None:
    """What turns one value of this field into JSON; None where the value already is JSON."""
    if field.enum_type is not None:
        return _enum_writer(field.enum_type)
    return _WRITERS.get(field.cpp_type) if field.type != FieldDescriptor.TYPE_BYTES else _write_bytes


def key_text(key: Any) -> str:
    """A map key as JSON writes it."""
    if type(key) is bool:
        return "true" if key else "false"
    return str(key)


def _enum_writer(enum: EnumDescriptor) -> Callable[[int], str | int | None]:
    if enum.full_name == "google.protobuf.NullValue":
        return lambda _number: None
    names = {value.number: value.name for value in reversed(enum.values)}
    return lambda number: names.get(number, number)


def _write_bytes(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _write_double(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _write_float(value: float) -> float | str:
    """The shortest decimal that reads back as the same 32-bit float."""
    if not math.isfinite(value):
        return _write_double(value)
    for digits in range(6, 9):
        short = float(f"{value:.{digits}g}")
        if abs(short) <= _LARGEST_FLOAT and struct.unpack("<f", struct.pack("<f", short))[0] == value:
            return short
    return float(f"{value:.9g}")


_WRITERS: Final[dict[int, Callable[[Any], Any]]] = {
    FieldDescriptor.CPPTYPE_INT64: str,
    FieldDescriptor.CPPTYPE_UINT64: str,
    FieldDescriptor.CPPTYPE_DOUBLE: _write_double,
    FieldDescriptor.CPPTYPE_FLOAT: _write_float,
}
