"""The REQUIRED fields of a request, found in the descriptors once and checked on every message."""

from collections.abc import Iterator
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldOptions

from firewalker.kernel.faults import InvalidRequest, Violation
from firewalker.runtime.grpc.messages import UpbMessage

_MAX_VIOLATIONS = 100
"""More are not reported: a batch may be wrong everywhere."""

_REASON = "REQUIRED"


class RequiredFields:
    """Tells which REQUIRED fields (google.api.field_behavior, AIP-203) a message lacks.

    A field without presence is missing when it has its default value; `bool`s, where false is a value like any other,
    are not checked. Messages inside are checked where they are set.
    """

    def __init__(self, message: Descriptor, *, into_lists: bool = True) -> None:
        """Compile the check of *message*. Without *into_lists* the elements of repeated fields are left to the door."""
        self._into_lists = into_lists
        self._plans: dict[str, list[_Field]] = {}
        self._compile(message)
        self._root = message.full_name
        self.empty = not self._reaches_required(message, set())
        """Whether nothing is required anywhere, so that `check` need not be called."""

    def check(self, message: UpbMessage) -> None:
        """Raise InvalidRequest with every missing field, by its proto path such as `readings[3].date`."""
        violations = []
        for path in self._missing(self._root, message, ""):
            violations.append(Violation(path, "is required", _REASON))
            if len(violations) == _MAX_VIOLATIONS:
                break
        if violations:
            raise InvalidRequest(violations=violations)

    def _missing(self, type_name: str, message: Any, prefix: str) -> Iterator[str]:
        for field in self._plans[type_name]:
            if field.required and not field.is_set(message):
                yield prefix + field.name
            if field.inner is None:
                continue
            if field.repeated:
                for index, element in enumerate(getattr(message, field.name)):
                    yield from self._missing(field.inner, element, f"{prefix}{field.name}[{index}].")
            elif message.HasField(field.name):
                yield from self._missing(field.inner, getattr(message, field.name), f"{prefix}{field.name}.")

    def _compile(self, message: Descriptor) -> None:
        if message.full_name in self._plans:
            return
        plan = self._plans[message.full_name] = []
        for descriptor in message.fields:
            field = _Field(descriptor, into_lists=self._into_lists)
            inner = _inner(descriptor, into_lists=self._into_lists)
            if inner is not None:
                self._compile(inner)
                if not self._reaches_required(inner, set()):
                    field.inner = None
            if field.required or field.inner:
                plan.append(field)

    def _reaches_required(self, message: Descriptor, seen: set[str]) -> bool:
        if message.full_name in seen:
            return False
        seen.add(message.full_name)
        for field in message.fields:
            inner = _inner(field, into_lists=self._into_lists)
            if is_required(field) or (inner is not None and self._reaches_required(inner, seen)):
                return True
        return False


class _Field:
    """What the check has to know of one field."""

    def __init__(self, descriptor: FieldDescriptor, *, into_lists: bool) -> None:
        self.name = descriptor.name
        self.repeated = descriptor.is_repeated
        self.required = is_required(descriptor) and (
            descriptor.has_presence or descriptor.is_repeated or descriptor.type != FieldDescriptor.TYPE_BOOL
        )
        inner = _inner(descriptor, into_lists=into_lists)
        self.inner: str | None = None if inner is None else inner.full_name
        self._has_presence = descriptor.has_presence

    def is_set(self, message: Any) -> bool:
        if self._has_presence:
            return bool(message.HasField(self.name))
        return bool(getattr(message, self.name))


def is_required(field: FieldDescriptor) -> bool:
    """Whether the field is annotated REQUIRED."""
    # The field's own options come from a pool that does not know the extension; read them with the one that does.
    options = FieldOptions.FromString(field.GetOptions().SerializeToString())
    return field_behavior_pb2.REQUIRED in options.Extensions[field_behavior_pb2.field_behavior]


def _inner(field: FieldDescriptor, *, into_lists: bool) -> Descriptor | None:
    """The message type to look into for *field*, if any."""
    inner = field.message_type
    if inner is None or inner.GetOptions().map_entry or (field.is_repeated and not into_lists):
        return None
    return inner
