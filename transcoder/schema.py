"""The descriptor set: its types in a pool of their own, its services with their HTTP rules.

Nothing is registered in protobuf's default pool, so that two descriptor sets can live in one process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from google.api import annotations_pb2, http_pb2
from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    duration_pb2,
    field_mask_pb2,
    message_factory,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

_ALWAYS_KNOWN: Final = (
    any_pb2,
    duration_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
    error_details_pb2,
    status_pb2,
)
"""Files added when the set lacks them: the types that error details are made of."""


class SchemaError(ValueError):
    """The descriptor set cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Rpc:
    """One method of a service, whether or not it has HTTP rules."""

    descriptor: MethodDescriptor
    rule: http_pb2.HttpRule | None

    @property
    def name(self) -> str:
        """Full name with dots: ``pkg.Service.Method``."""
        return str(self.descriptor.full_name)

    @property
    def service(self) -> str:
        """Full name of the service."""
        return str(self.descriptor.containing_service.full_name)

    @property
    def path(self) -> bytes:
        """The ``:path`` of its gRPC calls."""
        return f"/{self.service}/{self.descriptor.name}".encode()

    @property
    def is_gettable(self) -> bool:
        """Whether Connect may call it by GET: one message each way, and ``idempotency_level`` is ``NO_SIDE_EFFECTS``."""
        return (
            self.descriptor.GetOptions().idempotency_level == descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS
            and not self.descriptor.client_streaming
            and not self.descriptor.server_streaming
        )


class Schema:
    """Types and services of one descriptor set."""

    def __init__(self, files: descriptor_pb2.FileDescriptorSet) -> None:
        self.pool = DescriptorPool()
        self.files = files
        by_name = {module.DESCRIPTOR.name: module.DESCRIPTOR.serialized_pb for module in _ALWAYS_KNOWN}
        by_name |= {each.name: each.SerializeToString() for each in files.file}
        try:
            self._add_all(by_name)
        except (TypeError, KeyError) as error:
            raise SchemaError(f"the descriptor set does not hold together: {error}") from error

    @classmethod
    def load(cls, path: Path) -> Schema:
        """Read a serialised ``FileDescriptorSet`` (``buf build --as-file-descriptor-set``, ``protoc -o``).

        Raises:
            SchemaError: The file cannot be read, is no descriptor set, or lacks a file that another imports.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise SchemaError(f"cannot read the descriptor set {path}: {error.strerror}") from error
        try:
            return cls.from_bytes(data)
        except SchemaError as error:
            raise SchemaError(f"{path}: {error}") from error

    @classmethod
    def from_bytes(cls, data: bytes) -> Schema:
        """The schema of a serialised ``FileDescriptorSet``.

        Raises:
            SchemaError: The bytes are no descriptor set, or it lacks a file that another imports.
        """
        try:
            files = descriptor_pb2.FileDescriptorSet.FromString(data)
        except DecodeError as error:
            raise SchemaError("this is not a FileDescriptorSet") from error
        if not files.file:
            raise SchemaError("this descriptor set is empty")
        return cls(files)

    def rpcs(self) -> Iterator[Rpc]:
        """Every method of every service, in file order."""
        for file in self.files.file:
            prefix = f"{file.package}." if file.package else ""
            for service in file.service:
                descriptor = self.pool.FindServiceByName(prefix + service.name)
                for method in service.method:
                    options = method.options
                    annotated = options.HasExtension(annotations_pb2.http)
                    rule = options.Extensions[annotations_pb2.http] if annotated else None
                    yield Rpc(descriptor.methods_by_name[method.name], rule)

    def marked(self, option: str) -> frozenset[str] | None:
        """Names of the RPCs whose options say ``(option) = true``; None where the set has no bool option of that full name."""
        try:
            extension: Any = self.pool.FindExtensionByName(option)
        except KeyError:
            return None
        # Read with the set's own class: protobuf's knows only its own options.
        options = message_class(extension.containing_type)
        return frozenset(
            rpc.name
            for rpc in self.rpcs()
            if options.FromString(rpc.descriptor.GetOptions().SerializeToString()).Extensions[extension] is True
        )

    def message_type(self, type_url: str) -> Descriptor | None:
        """The message type an ``Any`` names, or None if this set does not know it."""
        try:
            return self.pool.FindMessageTypeByName(type_url.rpartition("/")[2])
        except KeyError:
            return None

    def _add_all(self, by_name: dict[str, bytes]) -> None:
        added: set[str] = set()

        def add(name: str) -> None:
            if name in added:
                return
            added.add(name)
            if name not in by_name:
                raise KeyError(f"{name} is imported but missing")
            file = descriptor_pb2.FileDescriptorProto.FromString(by_name[name])
            for dependency in file.dependency:
                add(dependency)
            self.pool.AddSerializedFile(by_name[name])

        for name in by_name:
            add(name)


def map_fields(field: FieldDescriptor) -> tuple[FieldDescriptor, FieldDescriptor] | None:
    """The key and value fields of a map, or None for any other field."""
    entry = field.message_type
    if entry is None or not entry.GetOptions().map_entry:
        return None
    return entry.fields_by_name["key"], entry.fields_by_name["value"]


def message_class(descriptor: Descriptor) -> type[Message]:
    """The upb class of a message type."""
    return message_factory.GetMessageClass(descriptor)
