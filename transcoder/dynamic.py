"""``Struct``, ``Value`` and ``ListValue``: messages that hold any JSON. Both directions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from transcoder import scalars, wellknown
from transcoder.scalars import Refusal


class Unwritable(ValueError):
    """A message that JSON cannot express: an instant out of range, an ``Any`` of unknown type, NaN in a ``Value``."""


def elements(value: Any) -> list[Any]:
    """The elements of a JSON array; anything else is refused."""
    if type(value) is not list:
        raise Refusal("an array is wanted")
    return value


def _fill_struct(message: Any, value: Any) -> None:
    if type(value) is not dict:
        raise Refusal("an object is wanted")
    message.SetInParent()
    first: Refusal | None = None
    for name, item in value.items():
        try:
            _fill_value(message.fields[scalars.read_string(name)], item)
        except Refusal as refusal:
            first = refusal.under(name).after(first)
    if first is not None:
        raise first


def _fill_list(message: Any, value: Any) -> None:
    message.SetInParent()
    first: Refusal | None = None
    for index, item in enumerate(elements(value)):
        try:
            _fill_value(message.values.add(), item)
        except Refusal as refusal:
            first = refusal.under(f"[{index}]").after(first)
    if first is not None:
        raise first


def _fill_value(message: Any, value: Any) -> None:
    if value is None:
        message.null_value = 0
    elif type(value) is bool:
        message.bool_value = value
    elif type(value) is str:
        message.string_value = scalars.read_string(value)
    elif type(value) is dict:
        _fill_struct(message.struct_value, value)
    elif type(value) is list:
        _fill_list(message.list_value, value)
    else:
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise Refusal("out of range of a double")
        message.number_value = number


READERS: dict[str, Callable[[Any, Any], None]] = {
    wellknown.STRUCT: _fill_struct,
    wellknown.LIST_VALUE: _fill_list,
    wellknown.VALUE: _fill_value,
}
"""What fills each of the three from a JSON value."""


def _write_struct(message: Any) -> dict[str, Any]:
    return {name: _write_value(message.fields[name]) for name in message.fields}


def _write_list(message: Any) -> list[Any]:
    return [_write_value(value) for value in message.values]


def _write_value(message: Any) -> Any:
    kind = message.WhichOneof("kind")
    if kind == "struct_value":
        return _write_struct(message.struct_value)
    if kind == "list_value":
        return _write_list(message.list_value)
    if kind == "number_value" and not math.isfinite(message.number_value):
        raise Unwritable("a google.protobuf.Value that is not a finite number")
    return None if kind in {None, "null_value"} else getattr(message, kind)


WRITERS: dict[str, Callable[[Any], Any]] = {
    wellknown.STRUCT: _write_struct,
    wellknown.LIST_VALUE: _write_list,
    wellknown.VALUE: _write_value,
}
"""What turns each of the three into a JSON value."""
