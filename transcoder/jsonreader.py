"""JSON values into messages, by plans compiled once per message type.

Strict proto3 JSON: unknown names, one field under both its names, two members of a oneof and values of the wrong kind
are refused, all of them at once, each with the path to it in canonical names. Text is decoded in :mod:`transcoder.jsontext`, scalars in :mod:`transcoder.scalars`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, EncodeError, Message

from transcoder import dynamic, scalars, wellknown
from transcoder.dynamic import elements
from transcoder.scalars import Refusal
from transcoder.schema import Schema, map_fields, message_class

Fill = Callable[[Any, Any], None]
"""Puts a JSON value into a message (the message itself, or the one that holds the field)."""


class _Field(NamedTuple):
    json_name: str
    number: int
    oneof: str | None
    takes_null: bool
    fill: Fill


class JsonReader:
    """Reads messages of one schema. *ignore_unknown* drops unknown names instead of refusing them."""

    def __init__(self, schema: Schema, *, ignore_unknown: bool = False) -> None:
        self._schema = schema
        self._ignore_unknown = ignore_unknown
        self._plans: dict[str, dict[str, _Field]] = {}

    def message(self, descriptor: Descriptor) -> Fill:
        """What fills a message of this type."""
        name = descriptor.full_name
        if name in wellknown.READERS:
            return wellknown.READERS[name]
        if name in wellknown.WRAPPERS:
            return _set(scalars.reader(descriptor.fields_by_name["value"]), "value")
        if name in dynamic.READERS:
            return dynamic.READERS[name]
        if name == wellknown.ANY:
            return self._fill_any
        return lambda message, value: self._fill_regular(descriptor, message, value)

    def field(self, field: FieldDescriptor) -> Fill:
        """What fills this field of the message that holds it, whether singular, repeated or a map."""
        entry = map_fields(field)
        if entry is not None:
            return self._map(field.name, *entry)
        if field.message_type is None:
            read = scalars.reader(field)
            return _extend(read, field.name) if field.is_repeated else _set(read, field.name)
        fill = self.message(field.message_type)
        if not field.is_repeated:
            return _fill_child(fill, field.name)
        return _append(fill, field.name, takes_null=field.message_type.full_name == wellknown.VALUE)

    def _plan(self, descriptor: Descriptor) -> dict[str, _Field]:
        plan = self._plans.get(descriptor.full_name)
        if plan is None:
            plan = {}
            for field in descriptor.fields:
                compiled = _Field(field.json_name, field.number, _oneof(field), _takes_null(field), self.field(field))
                plan[field.name] = compiled
                plan[field.json_name] = compiled
            self._plans[descriptor.full_name] = plan
        return plan

    def _fill_regular(self, descriptor: Descriptor, message: Message, value: Any) -> None:  # noqa: C901 - the hot path
        if type(value) is not dict:
            raise Refusal("an object is wanted")
        plan = self._plan(descriptor)
        seen: set[int] = set()
        oneofs: set[str] = set()
        first: Refusal | None = None
        for name, item in value.items():
            field = plan.get(name)
            if field is None:
                if not self._ignore_unknown:
                    first = Refusal("there is no such field", name).after(first)
                continue
            if field.number in seen:
                first = Refusal("the field is there under both of its names", field.json_name).after(first)
                continue
            seen.add(field.number)
            if item is None and not field.takes_null:
                continue
            if field.oneof is not None:
                if field.oneof in oneofs:
                    first = Refusal(f"only one of {field.oneof} may be there", field.json_name).after(first)
                    continue
                oneofs.add(field.oneof)
            try:
                field.fill(message, item)
            except Refusal as refusal:
                first = refusal.under(field.json_name).after(first)
        if first is not None:
            raise first

    def _map(self, name: str, key_field: FieldDescriptor, value_field: FieldDescriptor) -> Fill:
        read_key = scalars.key_reader(key_field)
        put = self._entry(value_field)
        takes_null = _takes_null(value_field)

        def fill_map(message: Any, value: Any) -> None:
            if type(value) is not dict:
                raise Refusal("an object is wanted")
            entries = getattr(message, name)
            first: Refusal | None = None
            for text, item in value.items():
                try:
                    key = read_key(text)
                    if key in entries:
                        raise Refusal("the key is there twice")  # noqa: TRY301 - as a "-0" beside a "0"
                    put(entries, key, _no_null(item, takes_null=takes_null))
                except Refusal as refusal:
                    first = refusal.under(f"[{text}]").after(first)
            if first is not None:
                raise first

        return fill_map

    def _entry(self, field: FieldDescriptor) -> Callable[[Any, Any, Any], None]:
        """What puts a value under a key of a map."""
        if field.message_type is not None:
            fill = self.message(field.message_type)
            return lambda entries, key, item: fill(entries[key], item)
        read = scalars.reader(field)

        def put(entries: Any, key: Any, item: Any) -> None:
            entries[key] = read(item)

        return put

    def _fill_any(self, message: Any, value: Any) -> None:
        if type(value) is not dict:
            raise Refusal("an object is wanted")
        if not value:
            return
        type_url = value.get("@type")
        if type(type_url) is not str or "/" not in type_url:
            raise Refusal("the URL of a type is wanted", "@type")
        descriptor = self._schema.message_type(type_url)
        if descriptor is None:
            raise Refusal("the type is not known", "@type")
        inner = message_class(descriptor)()
        rest = {name: item for name, item in value.items() if name != "@type"}
        if is_special(descriptor):
            if set(rest) != {"value"}:
                raise Refusal("exactly one value is wanted", "value")
            rest = rest["value"]
        self.message(descriptor)(inner, rest)
        message.type_url = type_url
        message.value = serialise(inner)


def is_special(descriptor: Descriptor) -> bool:
    """Whether JSON writes this type in a form of its own, so that an ``Any`` holds it under ``value``."""
    name = descriptor.full_name
    return name in wellknown.TEXTUAL or name in wellknown.WRAPPERS or name in dynamic.READERS or name == wellknown.ANY


def serialise(message: Message, *, check_depth: bool = True) -> bytes:
    """The bytes of a message.

    With *check_depth* they are parsed once more: protobuf writes deeper than it reads, and a service would have to
    refuse what it cannot read.

    Raises:
        Refusal: It is nested deeper than protobuf can carry.
    """
    try:
        data = message.SerializeToString()
        if check_depth:
            type(message).FromString(data)
    except (EncodeError, DecodeError, ValueError):
        raise Refusal("nested too deeply for protobuf") from None
    return data


def _set(read: scalars.Reader, name: str) -> Fill:
    def fill(message: Any, value: Any) -> None:
        setattr(message, name, read(value))

    return fill


def _fill_child(fill_child: Fill, name: str) -> Fill:
    def fill(message: Any, value: Any) -> None:
        child = getattr(message, name)
        child.SetInParent()
        fill_child(child, value)

    return fill


def _extend(read: scalars.Reader, name: str) -> Fill:
    def fill(message: Any, value: Any) -> None:
        getattr(message, name).extend(_each(value, read))

    return fill


def _each(value: Any, read: scalars.Reader) -> list[Any]:
    found = []
    first: Refusal | None = None
    for index, item in enumerate(elements(value)):
        try:
            found.append(read(item))
        except Refusal as refusal:
            first = refusal.under(f"[{index}]").after(first)
    if first is not None:
        raise first
    return found


def _append(fill_child: Fill, name: str, *, takes_null: bool) -> Fill:
    def fill(message: Any, value: Any) -> None:
        children = getattr(message, name)
        first: Refusal | None = None
        for index, item in enumerate(elements(value)):
            try:
                fill_child(children.add(), _no_null(item, takes_null=takes_null))
            except Refusal as refusal:
                first = refusal.under(f"[{index}]").after(first)
        if first is not None:
            raise first

    return fill


def _oneof(field: FieldDescriptor) -> str | None:
    oneof = field.containing_oneof
    return None if oneof is None else oneof.name


def _takes_null(field: FieldDescriptor) -> bool:
    if field.is_repeated:
        return False
    if field.message_type is not None:
        return bool(field.message_type.full_name == wellknown.VALUE)
    return field.enum_type is not None and field.enum_type.full_name == wellknown.NULL_VALUE


def _no_null(item: Any, *, takes_null: bool) -> Any:
    if item is None and not takes_null:
        raise Refusal("null is not an element")
    return item
