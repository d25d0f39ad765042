"""What clients over HTTP rely on in a descriptor set, and which changes of it break them.

buf compares messages and RPCs, and knows nothing of ``google.api.http``: a changed path passes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from transcoder.bindings import Binding, Compiler
from transcoder.jsonreader import JsonReader
from transcoder.jsonwriter import JsonWriter
from transcoder.schema import Schema


@dataclass(frozen=True, slots=True)
class Operation:
    """One way to call an RPC over HTTP."""

    method: str
    path: str
    """The template without names of variables."""

    rpc: str
    variables: tuple[str, ...]
    body: str
    response_body: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def surface(schema: Schema) -> dict[tuple[str, str], Operation]:
    """Every operation, by method and path.

    Raises:
        RuleError: A rule cannot work.
    """
    bindings = Compiler(schema, JsonReader(schema), JsonWriter(schema)).routes()[1]
    found = (_operation(binding) for binding in bindings)
    return {(each.method, each.path): each for each in found}


def breaking(old: Schema, new: Schema) -> Iterator[str]:
    """What breaks clients of *old* when they meet *new*, a line each. New operations break nobody."""
    now = surface(new)
    for key, before in surface(old).items():
        after = now.get(key)
        if after is None:
            yield f"{before} ({before.rpc}) is gone"
            continue
        if after.rpc != before.rpc:
            yield f"{before} leads to {after.rpc}, not to {before.rpc}"
        elif after.variables != before.variables:
            yield f"{before} fills {_names(after.variables)} from its path, not {_names(before.variables)}"
        if after.body != before.body:
            yield f"{before} takes {_body(after.body)}, not {_body(before.body)}"
        if after.response_body != before.response_body:
            yield f"{before} answers with {_part(after.response_body)}, not with {_part(before.response_body)}"
    gettable = _gettable(new)
    yield from (f"{rpc} cannot be called by GET any more" for rpc in sorted(_gettable(old) - gettable))


def _gettable(schema: Schema) -> set[str]:
    """What Connect's clients call by GET."""
    return {rpc.name for rpc in schema.rpcs() if rpc.is_gettable}


def _operation(binding: Binding) -> Operation:
    body = binding.body
    return Operation(
        method=binding.method,
        path=binding.template.shape,
        rpc=binding.rpc,
        variables=tuple(".".join(capture.path) for capture in binding.captures),
        body="" if body is None else "*" if body.field is None else body.field.name,
        response_body=binding.response_field or "",
    )


def _names(variables: tuple[str, ...]) -> str:
    return ", ".join(variables) or "nothing"


def _body(name: str) -> str:
    return {"": "no body", "*": "the whole request as body"}.get(name, f"{name} as body")


def _part(name: str) -> str:
    return name or "the whole message"
