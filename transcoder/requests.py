"""From the parts of an HTTP request to the bytes of gRPC messages: body, then path, then query.

Each field may be set from one of the three only; a contradiction is a 400. One answer names all that is wrong.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import Message

from transcoder import jsontext, leaves
from transcoder.bindings import Binding
from transcoder.errors import Code, Problem, Reason, Violation, clip, invalid, invalid_field
from transcoder.jsonreader import serialise
from transcoder.leaves import Leaf, NoSuchLeaf
from transcoder.percent import MalformedPercent, decode_form
from transcoder.scalars import MOST_REFUSALS, Refusal

JSON: Final = b"application/json"
NDJSON: Final = b"application/x-ndjson"

_SURELY_FLAT: Final = 30
"""With so few brackets a body cannot come near protobuf's 100 levels (a level of ``Struct`` takes three)."""

_QUOTED: Final = re.compile(r'"([^"\\]*)"')
_frame: Final = struct.Struct(">BI").pack


@dataclass(frozen=True, slots=True)
class Parts:
    """What of an HTTP request becomes a message. *values* are the captures of the path, decoded."""

    values: list[str]
    query: bytes
    content_type: bytes
    body: bytes
    idempotency_key: bytes = b""


class RequestReader:
    """Turns requests into framed gRPC messages, by the rules of their binding.

    *request_id_field* is the field that ``Idempotency-Key`` fills in messages that have it as a string; empty for none.
    """

    def __init__(self, *, max_depth: int, ignored_query: Iterable[str], request_id_field: str = "") -> None:
        names = list(ignored_query)
        self._request_id_field = request_id_field
        self._max_depth = max_depth
        self._ignored = frozenset(name for name in names if not name.endswith("*"))
        self._ignored_prefixes = tuple(name[:-1] for name in names if name.endswith("*"))

    def read(self, binding: Binding, parts: Parts) -> bytes:
        """The request as gRPC frames: one, or as many as a client stream was given.

        Raises:
            Problem: 400 or 415, naming the field or the parameter.
        """
        frames = [self._framed(binding, parts, *source) for source in self._sources(binding, parts)]
        return b"".join(frames)

    def _sources(self, binding: Binding, parts: Parts) -> list[tuple[Callable[[Message], None] | None, Any]]:
        """For every message: what fills it from the body (or None), and the JSON value that came."""
        body = binding.body
        if body is None:
            if parts.body:
                raise unexpected_body()
            return [(None, None)]
        if body.raw:
            return [(lambda message: _fill_raw(binding, message, parts), None)]
        kind = media_type(parts.content_type)
        accepted = (JSON, NDJSON) if binding.client_streaming else (JSON,)
        if kind not in accepted and (kind or parts.body):
            raise _unsupported(accepted)
        values = self._values(binding, kind, parts.body)
        return [(_filler(binding, value), value) for value in values]

    def _values(self, binding: Binding, kind: bytes, body: bytes) -> list[Any]:
        if kind == NDJSON:
            return [jsontext.loads(line, self._max_depth) for line in body.split(b"\n") if line.strip()]
        if not body or body.isspace():
            return [] if binding.client_streaming else [_NOTHING]
        value = jsontext.loads(body, self._max_depth)
        if not binding.client_streaming:
            return [value]
        if type(value) is not list:
            raise invalid_field("body", "an array of messages is wanted")
        return value

    def _framed(self, binding: Binding, parts: Parts, fill: Callable[[Message], None] | None, value: Any) -> bytes:
        message = binding.request()
        faults: list[Violation] = []
        if fill is not None:
            try:
                fill(message)
            except Refusal as refusal:
                faults += [_violation(binding.as_written(each.field), each.why) for each in (refusal, *refusal.more)]
        for leaf, text in zip(binding.captures, parts.values, strict=True):
            fault = _set_from_path(binding, message, leaf, text, value)
            if fault is not None and leaf.names not in {each.field for each in faults}:
                faults.append(fault)
        if parts.query:
            self._read_query(binding, message, parts.query, faults)
        if parts.idempotency_key:
            self._take_key(binding, message, parts.idempotency_key, faults)
        if faults:
            raise invalid(faults[:MOST_REFUSALS])
        try:
            data = serialise(message, check_depth=parts.body.count(b"{") + parts.body.count(b"[") > _SURELY_FLAT)
        except Refusal as refusal:
            raise invalid_field(refusal.field, refusal.why) from None
        return _frame(0, len(data)) + data

    def _read_query(self, binding: Binding, message: Message, query: bytes, faults: list[Violation]) -> None:
        seen = {leaf.path for leaf in binding.captures}
        for name, text in read_pairs(query):
            if len(faults) >= MOST_REFUSALS:
                return
            leaf = self._parameter(binding, name)
            if isinstance(leaf, Violation):
                if leaf.reason is not Reason.UNKNOWN_QUERY_PARAMETER or not self._is_ignored(name):
                    faults.append(leaf)
                continue
            if leaf.path in seen:
                faults.append(_violation(leaf.names, "the field is set already"))
                continue
            if not leaf.field.is_repeated:
                seen.add(leaf.path)
            try:
                leaf.set(message, text)
            except Refusal as refusal:
                faults.append(_violation(leaf.names, refusal.why))

    def _take_key(self, binding: Binding, message: Any, key: bytes, faults: list[Violation]) -> None:
        """Fill the request's id from ``Idempotency-Key``, bare or as the quoted string of its draft standard."""
        field = binding.input.fields_by_name.get(self._request_id_field)
        if field is None or field.type != field.TYPE_STRING or field.is_repeated:
            return
        text = key.decode("latin-1").strip()
        quoted = _QUOTED.fullmatch(text)
        text = quoted[1] if quoted else text
        given = getattr(message, field.name)
        if given and given != text:
            faults.append(_violation(field.json_name, "the field contradicts the header Idempotency-Key"))
        else:
            setattr(message, field.name, text)

    def _is_ignored(self, name: str) -> bool:
        return name in self._ignored or (bool(self._ignored_prefixes) and name.startswith(self._ignored_prefixes))

    def _parameter(self, binding: Binding, name: str) -> Leaf | Violation:
        """The field that a parameter names, or what is wrong with naming it."""
        names = name.split(".")
        if len(names) > self._max_depth:
            return _unknown_parameter(name, "nested too deeply")
        if binding.body is not None and binding.body.field is None:
            return _unknown_parameter(name, "every field of this method belongs into the body")
        try:
            leaf = leaves.find(binding.input, names)
        except NoSuchLeaf as error:
            return _unknown_parameter(name, str(error))
        if binding.body is not None and binding.body.field is not None and leaf.path[0] == binding.body.field.name:
            return _violation(leaf.names, "the field belongs into the body")
        return leaf


_NOTHING: Final = object()
"""The value of an empty body: the message stays empty."""


def _filler(binding: Binding, value: Any) -> Callable[[Message], None]:
    body = binding.body
    assert body is not None  # noqa: S101 - only bindings with a body have values
    if value is _NOTHING or (value is None and body.field is not None):
        return lambda _message: None
    if body.field is None:
        return lambda message: body.fill(message, value)
    name = body.field.json_name

    def fill(message: Message) -> None:
        try:
            body.fill(message, value)
        except Refusal as refusal:
            raise refusal.under(name) from None

    return fill


def _fill_raw(binding: Binding, message: Any, parts: Parts) -> None:
    body = binding.body
    if body is not None and body.field is not None:
        message = getattr(message, body.field.name)
    message.content_type = parts.content_type.decode("latin-1")
    message.data = parts.body


def _set_from_path(binding: Binding, message: Message, leaf: Leaf, text: str, value: Any) -> Violation | None:
    in_body = _in_body(binding, leaf, value)
    try:
        if not in_body:
            leaf.set(message, text)
            return None
        holder = leaf.parent(message)
        before = type(holder)()
        before.CopyFrom(holder)
        holder.ClearField(leaf.field.name)
        leaf.set(message, text)
    except Refusal as refusal:
        return _violation(leaf.names, refusal.why)
    if getattr(before, leaf.field.name) != getattr(holder, leaf.field.name):
        return _violation(leaf.names, "the body contradicts the path")
    return None


def _in_body(binding: Binding, leaf: Leaf, value: Any) -> bool:
    """Whether the JSON body sets this field, under either of its names."""
    body = binding.body
    if body is None or type(value) is not dict:
        return False
    names = leaf.path
    if body.field is not None:
        if names[0] != body.field.name:
            return False
        names = names[1:]
    descriptor = binding.input
    if body.field is not None and body.field.message_type is not None:
        descriptor = body.field.message_type
    for name in names:
        field = descriptor.fields_by_name[name]
        value = value.get(field.json_name, value.get(name)) if type(value) is dict else None
        if field.message_type is not None:
            descriptor = field.message_type
    return value is not None


def read_pairs(query: bytes) -> list[tuple[str, str]]:
    """The names and values of a query string, decoded, in order.

    Raises:
        Problem: 400 for broken encoding.
    """
    found = []
    for piece in query.split(b"&"):
        if piece:
            name, _, text = piece.partition(b"=")
            try:
                found.append((decode_form(name), decode_form(text)))
            except MalformedPercent as error:
                raise Problem(
                    Code.INVALID_ARGUMENT,
                    Reason.MALFORMED_QUERY,
                    f"The query string is malformed: {error}.",
                    violations=[Violation(clip(name.decode("latin-1")), str(error))],
                ) from None
    return found


def media_type(content_type: bytes) -> bytes:
    """The media type in lower case, without parameters; "unsupported" if the charset is other than UTF-8."""
    if content_type == JSON:
        return content_type
    kind, _, parameters = content_type.partition(b";")
    charset = parameters.strip().lower().removeprefix(b"charset=").strip(b'"')
    return kind.strip().lower() if charset in {b"", b"utf-8", b"utf8"} else b"unsupported"


def unexpected_body() -> Problem:
    """A 400: there is a body where none is wanted."""
    return Problem(
        Code.INVALID_ARGUMENT,
        Reason.UNEXPECTED_BODY,
        "This method takes no body.",
        violations=[Violation("body", "must be empty")],
    )


def _unsupported(accepted: tuple[bytes, ...]) -> Problem:
    names = " or ".join(kind.decode() for kind in accepted)
    return Problem(
        Code.INVALID_ARGUMENT,
        Reason.UNSUPPORTED_CONTENT_TYPE,
        f"The body must be {names} in UTF-8.",
        http=415,
    )


def _violation(field: str, why: str) -> Violation:
    return Violation(clip(field), why, Reason.INVALID_FIELD)


def _unknown_parameter(name: str, why: str) -> Violation:
    return Violation(clip(name), clip(why), Reason.UNKNOWN_QUERY_PARAMETER)
