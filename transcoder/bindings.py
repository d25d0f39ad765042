"""The HTTP rules of a descriptor set, compiled into bindings; rules that cannot work are refused at the start.

A binding knows which part of a request fills which field. Reading requests with it is :mod:`transcoder.requests`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.api import http_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from transcoder import leaves, templates, wellknown
from transcoder.jsonreader import Fill, JsonReader
from transcoder.jsonwriter import JsonWriter, Write
from transcoder.leaves import Leaf
from transcoder.routes import DuplicateRoute, Routes
from transcoder.schema import Rpc, Schema, message_class
from transcoder.templates import Template

_METHODS: Final = {"get": "GET", "put": "PUT", "post": "POST", "delete": "DELETE", "patch": "PATCH"}


class RuleError(ValueError):
    """An HTTP rule that cannot work. The text names the RPC."""


@dataclass(frozen=True, slots=True)
class Body:
    """What the body of a request fills: the whole message if *field* is None, else that one field.

    *raw* is the way to the ``google.api.HttpBody`` that takes the bytes as they came, or None for JSON.
    """

    field: FieldDescriptor | None
    fill: Fill
    raw: bool


@dataclass(frozen=True, slots=True)
class Binding:
    """One HTTP rule of one RPC."""

    rpc: str
    """Full name with dots, for logs and metrics."""

    service: str
    path: bytes
    """The ``:path`` of the gRPC call."""

    method: str
    template: Template
    input: Descriptor
    """The request's type."""

    output: Descriptor
    """The answer's type."""

    request: type[Message]
    response: type[Message]
    client_streaming: bool
    server_streaming: bool
    captures: tuple[Leaf, ...]
    body: Body | None
    response_field: str | None
    raw_response: bool
    """Whether the answer is a ``google.api.HttpBody``, to be sent as it is."""

    write: Write | None
    """Writes the answer, or its *response_field*, as JSON; None where that already is JSON."""

    def as_written(self, path: str) -> str:
        """The field at *path* of the request (JSON names), as clients of this rule write it.

        Where the body is one field, clients write what is in it, and never the field's own name.
        """
        if self.body is None or self.body.field is None or any(path == capture.names for capture in self.captures):
            return path
        return path.removeprefix(f"{self.body.field.json_name}.")

    def answer(self, message: Any) -> Any:
        """The part of the answer that becomes the body."""
        return message if self.response_field is None else getattr(message, self.response_field)


class Compiler:
    """Compiles the rules of one schema."""

    def __init__(self, schema: Schema, reader: JsonReader, writer: JsonWriter) -> None:
        self._schema = schema
        self._reader = reader
        self._writer = writer

    def routes(self) -> tuple[Routes[Binding], list[Binding]]:
        """All bindings, and the routes that lead to them.

        Raises:
            RuleError: A rule cannot work, or two rules claim the same paths.
        """
        routes: Routes[Binding] = Routes()
        bindings: list[Binding] = []
        for rpc in self._schema.rpcs():
            for rule in _rules(rpc):
                binding = self._binding(rpc, rule)
                try:
                    routes.add(binding.method, binding.template, binding)
                except DuplicateRoute as error:
                    raise RuleError(f"{rpc.name}: {error}") from error
                bindings.append(binding)
        return routes, bindings

    def _binding(self, rpc: Rpc, rule: http_pb2.HttpRule) -> Binding:
        try:
            method, text = _pattern(rule)
            template = templates.parse(text)
            input_type, output_type = rpc.descriptor.input_type, rpc.descriptor.output_type
            response_field = _top_level(output_type, rule.response_body, "response_body")
            answered = output_type if response_field is None else response_field.message_type
            raw = answered is not None and answered.full_name == wellknown.HTTP_BODY
            _single(response_field, raw=raw)
            body = self._body(input_type, rule.body)
            captures = _captures(input_type, template, body)
        except (RuleError, templates.TemplateError) as error:
            raise RuleError(f"{rpc.name}: {error}") from error
        write = None
        if not raw:
            one = self._writer
            write = one.message(output_type) if response_field is None else one.field(response_field)
        return Binding(
            rpc=rpc.name,
            service=rpc.service,
            path=rpc.path,
            method=method,
            template=template,
            input=input_type,
            output=output_type,
            request=message_class(input_type),
            response=message_class(output_type),
            client_streaming=rpc.descriptor.client_streaming,
            server_streaming=rpc.descriptor.server_streaming,
            captures=captures,
            body=body,
            response_field=None if response_field is None else response_field.name,
            raw_response=raw,
            write=write,
        )

    def _body(self, input_type: Descriptor, name: str) -> Body | None:
        if not name:
            return None
        if name == "*":
            raw = input_type.full_name == wellknown.HTTP_BODY
            return Body(None, self._reader.message(input_type), raw)
        field = _top_level(input_type, name, "body")
        assert field is not None  # noqa: S101 - the name is not empty
        inner = field.message_type
        raw = inner is not None and inner.full_name == wellknown.HTTP_BODY and not field.is_repeated
        return Body(field, self._reader.field(field), raw)


def _rules(rpc: Rpc) -> Iterator[http_pb2.HttpRule]:
    if rpc.rule is None:
        return
    yield rpc.rule
    for rule in rpc.rule.additional_bindings:
        if rule.additional_bindings:
            raise RuleError(f"{rpc.name}: additional_bindings inside additional_bindings")
        yield rule


def _pattern(rule: http_pb2.HttpRule) -> tuple[str, str]:
    kind = rule.WhichOneof("pattern")
    if kind is None:
        raise RuleError("the rule names no method and path")
    if kind == "custom":
        if not rule.custom.kind:
            raise RuleError("the custom rule names no method")
        return rule.custom.kind.upper(), rule.custom.path
    return _METHODS[kind], getattr(rule, kind)


def _top_level(descriptor: Descriptor, name: str, what: str) -> FieldDescriptor | None:
    if not name:
        return None
    field = descriptor.fields_by_name.get(name)
    if field is None:
        raise RuleError(f"{what} {name!r} is not a field of {descriptor.full_name}")
    return field


def _single(field: FieldDescriptor | None, *, raw: bool) -> None:
    if raw and field is not None and field.is_repeated:
        raise RuleError("response_body may not be a repeated google.api.HttpBody")


def _captures(input_type: Descriptor, template: Template, body: Body | None) -> tuple[Leaf, ...]:
    found: list[Leaf] = []
    for capture in template.captures:
        names = capture.field_path.split(".")
        try:
            leaf = leaves.find(input_type, names)
        except leaves.NoSuchLeaf as error:
            raise RuleError(f"path variable {capture.field_path}: {error}") from error
        if leaf.field.is_repeated:
            raise RuleError(f"path variable {capture.field_path} is repeated")
        if leaf.path in [other.path for other in found]:
            raise RuleError(f"path variable {capture.field_path} binds a field that another binds")
        if body is not None and body.field is not None and leaf.path == (body.field.name,):
            raise RuleError(f"path variable {capture.field_path} is the body field too")
        found.append(leaf)
    return tuple(found)
