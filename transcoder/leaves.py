"""Fields that text can set: what a path variable or a query parameter names, and how its text becomes a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from transcoder import scalars, wellknown
from transcoder.scalars import Refusal

ReadText = Callable[[Any, str], None]
"""Sets (or extends) a field of the message that holds it from one text."""


class NoSuchLeaf(LookupError):
    """A field path that names no field text can set; the text says why."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A field reached through singular messages. *path* has proto names, outermost first."""

    path: tuple[str, ...]
    field: FieldDescriptor
    read_text: ReadText

    names: str
    """The path in canonical JSON names, for errors: ``a.b``."""

    def parent(self, message: Any) -> Any:
        """The message that holds the field, made present on the way."""
        for name in self.path[:-1]:
            message = getattr(message, name)
            message.SetInParent()
        return message

    def set(self, message: Message, text: str) -> None:
        """Set the field from *text* (or add one element to it).

        Raises:
            Refusal: The text is no value of the field, or another member of its oneof is there already.
        """
        holder = self.parent(message)
        oneof = self.field.containing_oneof
        if oneof is not None and holder.WhichOneof(oneof.name) not in {None, self.field.name}:
            raise Refusal(f"only one of {oneof.name} may be there")
        self.read_text(holder, text)


def find(root: Descriptor, names: Sequence[str]) -> Leaf:
    """The leaf that *names* lead to, each a JSON name or a proto name.

    Raises:
        NoSuchLeaf: A name is unknown, or what it names is a map, a message without a textual form, or repeated on
            the way.
    """
    descriptor = root
    path: list[str] = []
    json_names: list[str] = []
    for name in names[:-1]:
        field = _field(descriptor, name)
        inner = field.message_type
        if inner is None or field.is_repeated or _textual(inner) or inner.full_name in _OPAQUE:
            raise NoSuchLeaf(f"{name} has no fields that text can name")
        path.append(field.name)
        json_names.append(field.json_name)
        descriptor = inner
    field = _field(descriptor, names[-1])
    path.append(field.name)
    json_names.append(field.json_name)
    return Leaf(tuple(path), field, _read_text(field), ".".join(json_names))


def _field(descriptor: Descriptor, name: str) -> FieldDescriptor:
    field = descriptor.fields_by_name.get(name) or descriptor.fields_by_camelcase_name.get(name)
    if field is None:
        field = next((each for each in descriptor.fields if each.json_name == name), None)
    if field is None:
        raise NoSuchLeaf(f"there is no field {name}")
    return field


def _textual(descriptor: Descriptor) -> bool:
    return descriptor.full_name in wellknown.TEXTUAL or descriptor.full_name in wellknown.WRAPPERS


_OPAQUE = frozenset({wellknown.ANY, wellknown.STRUCT, wellknown.VALUE, wellknown.LIST_VALUE})


def _read_text(field: FieldDescriptor) -> ReadText:
    name = field.name
    inner = field.message_type
    if inner is None:
        read = scalars.text_reader(field)
        if field.is_repeated:
            return lambda holder, text: getattr(holder, name).append(read(text))
        return lambda holder, text: setattr(holder, name, read(text))
    if field.is_repeated or not _textual(inner):
        raise NoSuchLeaf(f"{name} cannot be written as text")
    if inner.full_name in wellknown.WRAPPERS:
        read_value = scalars.text_reader(inner.fields_by_name["value"])
        return lambda holder, text: _set_wrapper(getattr(holder, name), read_value(text))
    fill = wellknown.read_mask_text if inner.full_name == wellknown.FIELD_MASK else wellknown.READERS[inner.full_name]

    def fill_child(holder: Any, text: str) -> None:
        child = getattr(holder, name)
        child.SetInParent()
        fill(child, text)

    return fill_child


def _set_wrapper(wrapper: Any, value: Any) -> None:
    wrapper.SetInParent()
    wrapper.value = value
