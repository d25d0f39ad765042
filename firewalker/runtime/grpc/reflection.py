"""Server reflection, v1 and v1alpha: lets tools such as grpcurl ask what a port serves. Shows one descriptor set."""

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from google.protobuf.descriptor import Descriptor, FileDescriptor
from grpclib.const import Status
from grpclib.reflection.v1 import reflection_pb2
from grpclib.reflection.v1alpha import reflection_pb2 as reflection_v1alpha_pb2

from firewalker.runtime.grpc.messages import DescriptorSet
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.grpc.streams import HotStream

_RULE = Rule(Caller.PUBLIC, max_message_bytes=4096)


class Catalogue:
    """Every file that may be shown, and what is in it."""

    def __init__(self, sets: Iterable[DescriptorSet], services: Iterable[str]) -> None:
        """*services* are those listed, whatever else the files declare."""
        self.services = tuple(services)
        self._files: dict[str, FileDescriptor] = {}
        self._symbols: dict[str, str] = {}
        self._extensions: dict[str, dict[int, str]] = {}
        for descriptors in sets:
            for name in descriptors.file_names:
                self._add(descriptors.file(name))

    def by_name(self, name: str) -> list[bytes] | None:
        """A file and everything it imports, serialised; None if there is no such file."""
        return self._with_imports(name) if name in self._files else None

    def by_symbol(self, symbol: str) -> list[bytes] | None:
        """The file that declares a service, method, message, field, oneof, enum, enum value or extension."""
        name = self._symbols.get(symbol.removeprefix("."))
        return None if name is None else self._with_imports(name)

    def by_extension(self, message: str, number: int) -> list[bytes] | None:
        """The file that declares the extension of *message* with that number."""
        name = self._extensions.get(message, {}).get(number)
        return None if name is None else self._with_imports(name)

    def extension_numbers(self, message: str) -> list[int] | None:
        """The numbers of all known extensions of *message*; None if there is no such message."""
        if message not in self._symbols:
            return None
        return sorted(self._extensions.get(message, {}))

    def _add(self, file: FileDescriptor) -> None:
        if file.name in self._files:
            return
        for dependency in file.dependencies:
            self._add(dependency)
        self._files[file.name] = file
        for symbol in _symbols_of(file):
            self._symbols.setdefault(symbol, file.name)
        messages = list(file.message_types_by_name.values())
        extensions = list(file.extensions_by_name.values())
        while messages:
            message = messages.pop()
            messages.extend(message.nested_types)
            extensions.extend(message.extensions)
        for extension in extensions:
            extended = extension.containing_type
            if extended is not None:
                self._extensions.setdefault(extended.full_name, {}).setdefault(extension.number, file.name)

    def _with_imports(self, name: str) -> list[bytes]:
        found: dict[str, bytes] = {}
        pending = [name]
        while pending:
            current = pending.pop()
            if current not in found:
                file = self._files[current]
                found[current] = file.serialized_pb
                pending.extend(dependency.name for dependency in file.dependencies)
        return list(found.values())


class Reflection:
    """One version of the service. The two versions differ in their package alone."""

    POLICY: ClassVar = {"ServerReflectionInfo": _RULE}

    def __init__(self, catalogue: Catalogue, module: Any) -> None:
        self.SERVICE = next(iter(module.DESCRIPTOR.services_by_name.values())).full_name
        self.DESCRIPTORS = DescriptorSet.of_modules(module.DESCRIPTOR)
        self._catalogue = catalogue
        self._module = module

    async def server_reflection_info(self, stream: HotStream) -> None:
        """Answer questions until the client has no more."""
        while (request := await stream.recv()) is not None:
            await stream.send(self._answer(request))

    def _answer(self, request: Any) -> Any:
        answer = self._module.ServerReflectionResponse(valid_host=request.host, original_request=request)
        kind = request.WhichOneof("message_request")
        catalogue = self._catalogue
        files: list[bytes] | None = None
        if kind == "list_services":
            for name in catalogue.services:
                answer.list_services_response.service.add(name=name)
            return answer
        if kind == "all_extension_numbers_of_type":
            numbers = catalogue.extension_numbers(request.all_extension_numbers_of_type)
            if numbers is None:
                return self._not_found(answer, request.all_extension_numbers_of_type)
            answer.all_extension_numbers_response.base_type_name = request.all_extension_numbers_of_type
            answer.all_extension_numbers_response.extension_number.extend(numbers)
            return answer
        if kind == "file_by_filename":
            asked, files = request.file_by_filename, catalogue.by_name(request.file_by_filename)
        elif kind == "file_containing_symbol":
            asked, files = request.file_containing_symbol, catalogue.by_symbol(request.file_containing_symbol)
        elif kind == "file_containing_extension":
            extension = request.file_containing_extension
            asked = f"{extension.containing_type}:{extension.extension_number}"
            files = catalogue.by_extension(extension.containing_type, extension.extension_number)
        else:
            answer.error_response.error_code = Status.INVALID_ARGUMENT.value
            answer.error_response.error_message = "the request asks nothing that is known here"
            return answer
        if files is None:
            return self._not_found(answer, asked)
        answer.file_descriptor_response.file_descriptor_proto.extend(files)
        return answer

    def _not_found(self, answer: Any, asked: str) -> Any:
        answer.error_response.error_code = Status.NOT_FOUND.value
        answer.error_response.error_message = f"not found: {asked}"
        return answer


REFLECTION_MODULES = (reflection_pb2, reflection_v1alpha_pb2)
"""v1 and v1alpha, newest first."""


def _symbols_of(file: FileDescriptor) -> Iterator[str]:
    for service in file.services_by_name.values():
        yield service.full_name
        for method in service.methods:
            yield method.full_name
    for enum in file.enum_types_by_name.values():
        yield from _enum_symbols(enum)
    for extension in file.extensions_by_name.values():
        yield extension.full_name
    for message in file.message_types_by_name.values():
        yield from _message_symbols(message)


def _message_symbols(message: Descriptor) -> Iterator[str]:
    yield message.full_name
    for field in message.fields:
        yield field.full_name
    for oneof in message.oneofs:
        yield f"{message.full_name}.{oneof.name}"
    for enum in message.enum_types:
        yield from _enum_symbols(enum)
    for extension in message.extensions:
        yield extension.full_name
    for nested in message.nested_types:
        yield from _message_symbols(nested)


def _enum_symbols(enum: Any) -> Iterator[str]:
    yield enum.full_name
    # The values of an enum are its siblings (C++ scoping); some tools put them below the enum.
    scope = enum.full_name.rpartition(".")[0]
    for value in enum.values:
        yield f"{scope}.{value.name}"
        yield f"{enum.full_name}.{value.name}"
