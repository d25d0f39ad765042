"""JSON Schema (2020-12, as OpenAPI 3.1 has it) of messages, as the transcoder reads and writes them.

What is read and what is written differ: unknown fields are refused in requests, and answers have every field without
presence. A message that goes both ways has two schemas.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any, Final

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from transcoder import wellknown
from transcoder.openapi.comments import NONE, Comment
from transcoder.schema import map_fields

Json = dict[str, Any]

_INT32: Final[Json] = {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1}
_UINT32: Final[Json] = {"type": "integer", "format": "uint32", "minimum": 0, "maximum": 2**32 - 1}
_INT64: Final[Json] = {"type": "string", "format": "int64", "pattern": r"^-?(0|[1-9][0-9]{0,18})$"}
_UINT64: Final[Json] = {"type": "string", "format": "uint64", "pattern": r"^(0|[1-9][0-9]{0,19})$"}
_FLOAT: Final[Json] = {"anyOf": [{"type": "number"}, {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}]}

_KIND = FieldDescriptor
_SCALARS: Final[dict[int, Json]] = {
    **dict.fromkeys((_KIND.TYPE_INT32, _KIND.TYPE_SINT32, _KIND.TYPE_SFIXED32), _INT32),
    **dict.fromkeys((_KIND.TYPE_UINT32, _KIND.TYPE_FIXED32), _UINT32),
    **dict.fromkeys((_KIND.TYPE_INT64, _KIND.TYPE_SINT64, _KIND.TYPE_SFIXED64), _INT64),
    **dict.fromkeys((_KIND.TYPE_UINT64, _KIND.TYPE_FIXED64), _UINT64),
    **dict.fromkeys((_KIND.TYPE_FLOAT, _KIND.TYPE_DOUBLE), _FLOAT),
    _KIND.TYPE_BOOL: {"type": "boolean"},
    _KIND.TYPE_STRING: {"type": "string"},
    _KIND.TYPE_BYTES: {"type": "string", "contentEncoding": "base64", "examples": ["c3RlcHM="]},
}

SPECIAL: Final[dict[str, Json]] = {
    wellknown.TIMESTAMP: {"type": "string", "format": "date-time"},
    wellknown.DURATION: {"type": "string", "pattern": r"^-?[0-9]{1,11}(\.[0-9]{1,9})?s$", "examples": ["1.5s"]},
    wellknown.FIELD_MASK: {
        "type": "string",
        "pattern": r"^(\*|[A-Za-z0-9]+(\.[A-Za-z0-9]+)*(,[A-Za-z0-9]+(\.[A-Za-z0-9]+)*)*)?$",
        "description": "Names of fields, comma-separated; `*` for all.",
    },
    wellknown.ANY: {"type": "object", "additionalProperties": True, "description": "`@type` names the type."},
    wellknown.STRUCT: {"type": "object", "additionalProperties": True},
    wellknown.VALUE: {},
    wellknown.LIST_VALUE: {"type": "array", "items": {}},
    wellknown.HTTP_BODY: {"type": "string", "contentMediaType": "application/octet-stream"},
}
"""Messages with a form of their own."""


INPUT: Final = ".Input"
"""Ends the name of the component of a message as requests have it."""


class Schemas:
    """Schemas of one direction. Those of ordinary messages are components, made when they are first referred to."""

    def __init__(self, known: dict[str, Comment], components: dict[str, Json], *, requests: bool) -> None:
        self._known = known
        self._components = components
        self._requests = requests

    def reference(self, descriptor: Descriptor) -> Json:
        """The schema of a message: in place for what has a form of its own, else a reference to its component."""
        special = SPECIAL.get(descriptor.full_name)
        if special is not None:
            return dict(special)
        if descriptor.full_name in wellknown.WRAPPERS:
            inner = self._single(descriptor.fields_by_name["value"])
            return {"anyOf": [inner, {"type": "null"}]}
        name = descriptor.full_name + (INPUT if self._requests else "")
        if name not in self._components:
            self._components[name] = {}  # taken, for messages that hold themselves
            self._components[name] = self.object(descriptor)
        return {"$ref": f"#/components/schemas/{name}"}

    def object(self, descriptor: Descriptor, *, without: frozenset[str] = frozenset()) -> Json:
        """The schema of an ordinary message, less the fields *without* (proto names)."""
        fields = [field for field in descriptor.fields if field.name not in without]
        schema: Json = {"type": "object"}
        comment = self._known.get(descriptor.full_name, NONE)
        if comment.text:
            schema["description"] = comment.text
        schema["properties"] = {field.json_name: self.field(field) for field in fields}
        required = [field.json_name for field in fields if self.is_required(field)]
        if required:
            schema["required"] = required
        if self._requests:
            schema["additionalProperties"] = False
            clashes = _clashes(descriptor, without)
            if clashes:
                schema["not"] = {"anyOf": clashes}
        return schema

    def field(self, field: FieldDescriptor) -> Json:
        """The schema of a field's value, with its comment."""
        schema = self._value(field)
        comment = self._known.get(field.full_name, NONE)
        if comment.text:
            schema["description"] = comment.text
        if "`YYYY-MM-DD`" in comment.text and schema.get("type") == "string":
            schema["format"] = "date"
        if field.GetOptions().debug_redact and schema.get("type") == "string":
            schema["format"] = "password"
        behaviors = _behaviors(field)
        if field_behavior_pb2.OUTPUT_ONLY in behaviors:
            schema["readOnly"] = True
        if field_behavior_pb2.INPUT_ONLY in behaviors:
            schema["writeOnly"] = True
        if field.GetOptions().deprecated:
            schema["deprecated"] = True
        return schema

    def _value(self, field: FieldDescriptor) -> Json:
        entry = map_fields(field)
        if entry is not None:
            return {"type": "object", "additionalProperties": self._single(entry[1])}
        one = self._single(field)
        return {"type": "array", "items": one} if field.is_repeated else one

    def _single(self, field: FieldDescriptor) -> Json:
        if field.message_type is not None:
            return self.reference(field.message_type)
        if field.enum_type is not None:
            return self._enum(field.enum_type)
        return dict(_SCALARS[field.type])

    def _enum(self, enum: EnumDescriptor) -> Json:
        if enum.full_name == wellknown.NULL_VALUE:
            return {"type": "null"}
        told = [(value.name, self._known.get(f"{enum.full_name}.{value.name}", NONE).text) for value in enum.values]
        schema: Json = {"type": "string", "enum": [name for name, _ in told]}
        lines = [f"- `{name}`: {' '.join(text.split())}" for name, text in told if text]
        if lines:
            schema["description"] = "\n".join(lines)
        return schema

    def is_required(self, field: FieldDescriptor) -> bool:
        """Whether the field must be there: in requests as its behavior says, in answers unless it has presence."""
        if self._requests:
            return field_behavior_pb2.REQUIRED in _behaviors(field)
        return not field.has_presence


def _behaviors(field: FieldDescriptor) -> list[int]:
    return list(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])


def _clashes(descriptor: Descriptor, without: frozenset[str]) -> list[Json]:
    """Pairs of fields that may not be there together: two members of a oneof."""
    return [
        {"required": [one.json_name, other.json_name]}
        for oneof in descriptor.oneofs
        for one, other in combinations([field for field in oneof.fields if field.name not in without], 2)
    ]
