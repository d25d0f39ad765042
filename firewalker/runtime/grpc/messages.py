"""Message classes made from a descriptor set at run time: the fast codec (upb), the same names as in the protos.

What is in the protos is not repeated here. The generated betterproto2 classes live in `firewalker.gen.pb`.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Self

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FileDescriptor, MethodDescriptor
from google.protobuf.message import Message

UpbMessage = Message
"""A message of the fast codec. Its fields are known only at run time."""


class DescriptorSet:
    """A closed set of proto files, and the message classes of its types."""

    def __init__(self, pool: Any, file_names: Mapping[str, None]) -> None:
        self._pool = pool
        self.file_names = tuple(file_names)
        """Every file of the set, imports before what imports them."""

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """From a serialised `FileDescriptorSet` with imports before what imports them, as buf writes it."""
        # A pool of its own: the default one may hold other versions of google's files.
        pool = descriptor_pool.DescriptorPool()
        files_of_set = descriptor_pb2.FileDescriptorSet.FromString(data).file
        for file in files_of_set:
            pool.AddSerializedFile(file.SerializeToString())
        return cls(pool, dict.fromkeys(file.name for file in files_of_set))

    @classmethod
    def of_modules(cls, *descriptors: FileDescriptor) -> Self:
        """From generated modules' `DESCRIPTOR`s, which live in protobuf's default pool."""
        return cls(descriptor_pool.Default(), dict.fromkeys(file.name for file in descriptors))

    def file(self, name: str) -> FileDescriptor:
        """The file of that name. Raises KeyError if the set has none."""
        if name not in self.file_names:
            raise KeyError(name)
        found: FileDescriptor = self._pool.FindFileByName(name)
        return found

    def message(self, full_name: str) -> Descriptor:
        """The message type of that name, such as `firewalker.step.v1.Reading`. Raises KeyError if there is none."""
        found: Descriptor = self._pool.FindMessageTypeByName(full_name)
        return found

    def method(self, path: str) -> MethodDescriptor:
        """The RPC with that path, such as `/firewalker.step.v1.StepService/TrackSteps`. Raises KeyError if none has."""
        service, _, name = path.removeprefix("/").partition("/")
        found: MethodDescriptor = self._pool.FindServiceByName(service).methods_by_name[name]
        return found

    def methods(self, service: str) -> tuple[MethodDescriptor, ...]:
        """The RPCs of a service, in the order of the proto. Raises KeyError if there is no such service."""
        return tuple(self._pool.FindServiceByName(service).methods)

    def message_class(self, full_name: str) -> type[UpbMessage]:
        """The class of that message type. Raises KeyError if there is none."""
        return message_factory.GetMessageClass(self.message(full_name))


@cache
def internal_descriptors() -> DescriptorSet:
    """Everything the backend speaks, services between services included. Read once."""
    return DescriptorSet.from_bytes((files("firewalker.gen") / "internal.binpb").read_bytes())


@cache
def public_descriptors() -> DescriptorSet:
    """The public contract alone. Read once."""
    return DescriptorSet.from_bytes((files("firewalker.gen") / "api.binpb").read_bytes())


@cache
def message_class(full_name: str) -> Any:
    """The upb class of a message of ours, such as `firewalker.step.v1.TrackStepsRequest`.

    Raises KeyError if there is none. Typed `Any`: its fields are known only at run time.
    """
    return internal_descriptors().message_class(full_name)
