"""The OpenAPI document of a descriptor set: what its HTTP rules make of its services."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from transcoder import wellknown
from transcoder.bindings import Binding
from transcoder.errors import Reason
from transcoder.leaves import NoSuchLeaf, find
from transcoder.openapi.comments import NONE, Comment, comments, faults
from transcoder.openapi.errors import ERROR_COMPONENTS
from transcoder.openapi.examples import example
from transcoder.openapi.paths import OpenApiPath, openapi_path
from transcoder.openapi.schemas import INPUT, Json, Schemas
from transcoder.schema import Schema, map_fields

_METHODS: Final = frozenset({"GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"})
"""Those that OpenAPI 3.1 can describe; rules with others are left out."""

_DEEPEST_QUERY: Final = 4

_TOKEN: Final[list[Json]] = [{"bearer": []}]
_TOKEN_OR_NONE: Final[list[Json]] = [{}, {"bearer": []}]
"""Whom an operation is for: who presents a token; anybody, and a token is taken all the same."""


def document(schema: Schema, bindings: list[Binding], *, title: str, request_id_field: str, public_option: str) -> Json:
    """The document as JSON."""
    return _Document(schema, request_id_field, schema.marked(public_option)).of(bindings, title)


class _Document:
    """*public* are the RPCs that anybody may call; None where the descriptor set does not tell."""

    def __init__(self, schema: Schema, request_id_field: str, public: frozenset[str] | None) -> None:
        self._public = public
        self._known = comments(schema.files)
        self._request_id_field = request_id_field
        self._components: dict[str, Json] = {}
        self._requests = Schemas(self._known, self._components, requests=True)
        self._answers = Schemas(self._known, self._components, requests=False)

    def of(self, bindings: list[Binding], title: str) -> Json:
        paths: dict[str, Json] = {}
        of_shape: dict[str, OpenApiPath] = {}
        counts: dict[str, int] = {}
        for binding in bindings:
            if binding.method not in _METHODS:
                continue
            path = of_shape.setdefault(binding.template.shape, openapi_path(binding))
            number = counts[binding.rpc] = counts.get(binding.rpc, 0) + 1
            operation = self._operation(binding, path, number)
            paths.setdefault(path.text, {})[binding.method.lower()] = operation
        services = dict.fromkeys(binding.service for binding in bindings)
        return _plainly_named(
            {
                "openapi": "3.1.0",
                "info": {"title": title, "version": "v1", "description": _DESCRIPTION},
                "servers": [{"url": "/"}],
                "tags": [{"name": _tag(name), "description": self._known.get(name, NONE).text} for name in services],
                "security": _TOKEN_OR_NONE if self._public is None else _TOKEN,
                "paths": dict(sorted(paths.items())),
                "components": {
                    "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
                    "schemas": {**dict(sorted(self._components.items())), **ERROR_COMPONENTS["schemas"]},
                    "responses": ERROR_COMPONENTS["responses"],
                },
            }
        )

    def _operation(self, binding: Binding, path: OpenApiPath, number: int) -> Json:
        comment = self._known.get(binding.rpc, NONE)
        reasons = faults(binding.rpc, self._known)
        method = binding.rpc.rpartition(".")[2]
        operation: Json = {
            "operationId": f"{_tag(binding.service)}_{method}" + (f"_{number}" if number > 1 else ""),
            "tags": [_tag(binding.service)],
            "summary": comment.summary or method,
            "description": _prose(comment, reasons, binding),
        }
        if self._public is not None and binding.rpc in self._public:
            operation["security"] = _TOKEN_OR_NONE
        if reasons:
            operation["x-error-reasons"] = sorted(reasons)
        parameters = [*self._path_parameters(binding, path), *self._query_parameters(binding)]
        if self._takes_key(binding):
            parameters.append(_IDEMPOTENCY_KEY)
        if parameters:
            operation["parameters"] = parameters
        body = self._body(binding)
        if body is not None:
            operation["requestBody"] = body
        operation["responses"] = {"200": self._answer(binding), "default": {"$ref": "#/components/responses/Error"}}
        return operation

    def _path_parameters(self, binding: Binding, path: OpenApiPath) -> Iterator[Json]:
        for parameter in path.parameters:
            described: Json = {"name": parameter.name, "in": "path", "required": True, "schema": {"type": "string"}}
            if parameter.field is not None:
                schema = self._requests.field(binding.captures[parameter.field].field)
                if "description" in schema:
                    described["description"] = schema.pop("description")
                described["schema"] = _visible(schema)
            if parameter.many:
                described["description"] = (described.get("description", "") + " May hold slashes.").strip()
            yield described

    def _query_parameters(self, binding: Binding) -> Iterator[Json]:
        body = binding.body
        if body is not None and body.field is None:
            return
        taken = {capture.path for capture in binding.captures}
        if body is not None and body.field is not None:
            taken.add((body.field.name,))
        for path, field in _query_fields(binding.input, (), taken):
            names = find(binding.input, path).names
            schema = self._requests.field(field)
            required = not path[1:] and self._requests.is_required(field)
            described: Json = {"name": names, "in": "query", "required": required, "schema": schema}
            if "description" in schema:
                described["description"] = schema.pop("description")
            yield described

    def _body(self, binding: Binding) -> Json | None:
        body = binding.body
        if body is None:
            return None
        if body.raw:
            return {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}
        if body.field is not None:
            schema = self._requests.field(body.field)
            if binding.captures:
                schema = self._less_captured(binding, body.field, schema)
        else:
            bound = frozenset(capture.path[0] for capture in binding.captures if len(capture.path) == 1)
            schema = (
                self._requests.object(binding.input, without=bound)
                if bound
                else self._requests.reference(binding.input)
            )
        if not binding.client_streaming:
            required = bool(self._resolved(schema).get("required"))
            return {"required": required, "content": {"application/json": self._media(schema)}}
        return {
            "description": "A JSON array of messages, or one message a line.",
            "content": {
                "application/json": {"schema": {"type": "array", "items": schema}},
                "application/x-ndjson": {"schema": schema},
            },
        }

    def _less_captured(self, binding: Binding, field: FieldDescriptor, schema: Json) -> Json:
        """The body field's schema less what the path says of it (``{book.name}`` beside ``body: "book"``)."""
        bound = {capture.path[1] for capture in binding.captures if capture.path[:1] == (field.name,)}
        if not bound or field.message_type is None or field.is_repeated:
            return schema
        return {**self._requests.object(field.message_type, without=frozenset(bound))}

    def _answer(self, binding: Binding) -> Json:
        output = binding.output
        if binding.raw_response:
            content: Json = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
            return {"description": "The bytes as they are, with their own content type.", "content": content}
        if binding.response_field is None:
            schema = self._answers.reference(output)
        else:
            schema = self._answers.field(output.fields_by_name[binding.response_field])
        described = self._known.get(output.full_name, NONE).summary or "The answer."
        if not binding.server_streaming:
            return {"description": described, "content": {"application/json": self._media(schema)}}
        return {
            "description": f"{described} A stream of such messages: `data:` lines of server-sent events, or one a line. "
            "An error after the first message is a last record: `event: error` with a `google.rpc.Status`, or a line "
            '`{"error": <google.rpc.Status>}`.',
            "content": {"text/event-stream": {"schema": schema}, "application/x-ndjson": {"schema": schema}},
        }

    def _media(self, schema: Json) -> Json:
        return {"schema": schema, "example": example(schema, self._components)}

    def _resolved(self, schema: Json) -> Json:
        reference = schema.get("$ref")
        return schema if reference is None else self._components[reference.rpartition("/")[2]]

    def _takes_key(self, binding: Binding) -> bool:
        field = binding.input.fields_by_name.get(self._request_id_field)
        return field is not None and field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated


def _query_fields(
    descriptor: Descriptor, prefix: tuple[str, ...], taken: set[tuple[str, ...]], within: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], FieldDescriptor]]:
    """Fields that a query may set, with their paths; of messages that hold themselves, one level."""
    for field in descriptor.fields:
        path = (*prefix, field.name)
        if path in taken or map_fields(field) is not None:
            continue
        try:
            find(descriptor, [field.name])
        except NoSuchLeaf:
            inner = field.message_type
            if inner is None or field.is_repeated or inner.full_name in (*within, *_NO_QUERY):
                continue
            if len(path) < _DEEPEST_QUERY:
                yield from _query_fields(inner, path, taken, (*within, descriptor.full_name, inner.full_name))
        else:
            yield path, field


def _plainly_named(made: Json) -> Json:
    """*made* with the plain name for each input that no answer holds as well."""
    components = made["components"]["schemas"]
    plain = {name: name.removesuffix(INPUT) for name in components if name.removesuffix(INPUT) not in components}
    made["components"]["schemas"] = {plain.get(name, name): schema for name, schema in components.items()}

    def rename(value: Any) -> None:
        if isinstance(value, list):
            for item in value:
                rename(item)
        elif isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                head, _, name = value["$ref"].rpartition("/")
                value["$ref"] = f"{head}/{plain.get(name, name)}"
            for item in value.values():
                rename(item)

    rename(made)
    return made


_NO_QUERY: Final = frozenset({wellknown.ANY, wellknown.STRUCT, wellknown.VALUE, wellknown.LIST_VALUE})


def _visible(schema: Json) -> Json:
    """A path value is never empty: an empty segment matches nothing."""
    return {**schema, "minLength": 1} if schema.get("type") == "string" and "enum" not in schema else schema


def _tag(service: str) -> str:
    return service.rpartition(".")[2]


def _prose(comment: Comment, reasons: dict[str, str], binding: Binding) -> str:
    parts = [comment.text] if comment.text else []
    if binding.client_streaming and binding.server_streaming:
        parts.append("Streams both ways: there over gRPC only, 501 here.")
    if reasons:
        lines = [f"- `{reason}`{f': {why}' if why else ''}" for reason, why in reasons.items()]
        parts.append("Reasons of refusal:\n\n" + "\n".join(lines))
    parts.append(f"RPC: `{binding.rpc}`")
    return "\n\n".join(parts)


_IDEMPOTENCY_KEY: Final[Json] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The request's id, for clients that send it as a header. Must equal the field where both are there.",
}

_DESCRIPTION: Final = (
    "Made from the service definitions. Errors are `google.rpc.Status` with an `ErrorInfo` whose `reason` is stable; "
    "messages are not. Any call may be refused with reasons of the gateway: "
    + ", ".join(f"`{reason}`" for reason in Reason)
    + ".\n\nFields with default values are written out; unknown fields and parameters are refused. Streams come as "
    "server-sent events for `Accept: text/event-stream`, else as one JSON message a line.\n\nThe same methods are there "
    "by gRPC-Web and Connect at `/package.Service/Method`."
)
