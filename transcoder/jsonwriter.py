"""Messages into JSON values, by plans compiled once per message type.

Proto3 JSON with lowerCamelCase (or ``json_name``) names; fields without presence are written even when they hold
their default. Text is made in :mod:`transcoder.jsontext`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from transcoder import dynamic, scalars, wellknown
from transcoder.dynamic import Unwritable
from transcoder.jsonreader import is_special
from transcoder.schema import Schema, map_fields, message_class

Write = Callable[[Any], Any]
_Plan = list[tuple[str, str, bool, Write | None]]


class JsonWriter:
    """Writes messages of one schema.

    With *lenient*, an ``Any`` that cannot be read becomes ``{"@type": ..., "value": <base64>}`` instead of an
    :class:`Unwritable`: the manner for error details, which must never fail the whole error.
    """

    def __init__(self, schema: Schema, *, lenient: bool = False) -> None:
        self._schema = schema
        self._lenient = lenient
        self._plans: dict[str, _Plan] = {}

    def message(self, descriptor: Descriptor) -> Write:
        """What writes a message of this type."""
        name = descriptor.full_name
        if name in wellknown.TEXTUAL:
            return _write_textual
        if name in wellknown.WRAPPERS:
            write = scalars.writer(descriptor.fields_by_name["value"])
            return (lambda message: message.value) if write is None else (lambda message: write(message.value))
        if name == wellknown.ANY:
            return self._write_any
        if name in dynamic.WRITERS:
            return dynamic.WRITERS[name]
        return lambda message: self._write_regular(descriptor, message)

    def field(self, field: FieldDescriptor) -> Write | None:
        """What writes the value of this field, whether singular, repeated or a map; None where it already is JSON."""
        entry = map_fields(field)
        if entry is not None:
            return self._map(entry[1])
        one = scalars.writer(field) if field.message_type is None else self.message(field.message_type)
        if not field.is_repeated:
            return one
        return list if one is None else lambda values: [one(value) for value in values]

    def _map(self, value_field: FieldDescriptor) -> Write:
        # In order: protobuf has none, and people read what is written.
        one = self.field(value_field)
        if one is None:
            return lambda entries: {scalars.key_text(key): entries[key] for key in sorted(entries)}
        return lambda entries: {scalars.key_text(key): one(entries[key]) for key in sorted(entries)}

    def _plan(self, descriptor: Descriptor) -> _Plan:
        plan = self._plans.get(descriptor.full_name)
        if plan is None:
            plan = [(each.name, each.json_name, each.has_presence, self.field(each)) for each in descriptor.fields]
            self._plans[descriptor.full_name] = plan
        return plan

    def _write_regular(self, descriptor: Descriptor, message: Any) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name, json_name, has_presence, write in self._plan(descriptor):
            if has_presence and not message.HasField(name):
                continue
            value = getattr(message, name)
            out[json_name] = value if write is None else write(value)
        return out

    def _write_any(self, message: Any) -> dict[str, Any]:
        if not message.type_url and not message.value:
            return {}
        try:
            return self._write_known_any(message)
        except Unwritable:
            if not self._lenient:
                raise
            return {"@type": message.type_url, "value": base64.b64encode(message.value).decode()}

    def _write_known_any(self, message: Any) -> dict[str, Any]:
        descriptor = self._schema.message_type(message.type_url)
        if descriptor is None:
            raise Unwritable("an Any of a type that the descriptor set lacks")
        try:
            inner = message_class(descriptor).FromString(message.value)
        except DecodeError:
            raise Unwritable("an Any whose bytes are not of its type") from None
        written = self.message(descriptor)(inner)
        if is_special(descriptor):
            written = {"value": written}
        return {"@type": message.type_url, **written}


def _write_textual(message: Any) -> str:
    try:
        return wellknown.write_textual(message)
    except ValueError as error:
        raise Unwritable(f"{message.DESCRIPTOR.full_name} out of range") from error
