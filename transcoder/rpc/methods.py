"""Every RPC of the descriptor set by its path, whether or not it has HTTP rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message

from transcoder import jsontext
from transcoder.calls import broken
from transcoder.dynamic import Unwritable
from transcoder.errors import invalid_field
from transcoder.jsonreader import Fill, JsonReader, serialise
from transcoder.jsonwriter import JsonWriter, Write
from transcoder.rpc.envelopes import malformed
from transcoder.scalars import Refusal
from transcoder.schema import Schema, message_class


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC, and how its messages are read from JSON and written as it."""

    rpc: str
    service: str
    path: bytes
    input: Descriptor
    request: type[Message]
    response: type[Message]
    client_streaming: bool
    server_streaming: bool
    gettable: bool
    """Whether Connect may call it by GET."""

    fill: Fill
    write: Write

    def checked(self, data: bytes) -> bytes:
        """*data* itself, if it is a request as protobuf; what no service needs to see is refused here.

        Raises:
            Problem: 400.
        """
        try:
            self.request.FromString(data)
        except DecodeError:
            raise malformed("holds a message that is not of its method's type") from None
        return data

    def encode(self, json: bytes, max_depth: int) -> bytes:
        """The request that *json* is, as protobuf.

        Raises:
            Problem: 400; the JSON is malformed, or a field of it is wrong.
        """
        message = self.request()
        try:
            self.fill(message, jsontext.loads(json, max_depth))
            return serialise(message)
        except Refusal as refusal:
            raise invalid_field(refusal.field, refusal.why) from None

    def decode(self, data: bytes) -> bytes:
        """The answer *data* as JSON.

        Raises:
            Problem: It is not of its type, or JSON cannot express it.
        """
        try:
            written: Any = self.write(self.response.FromString(data))
        except DecodeError:
            raise broken("is not a message of its type") from None
        except Unwritable as error:
            raise broken("cannot be written as JSON") from error
        return jsontext.dumps(written)


def methods(schema: Schema, reader: JsonReader, writer: JsonWriter) -> dict[bytes, Method]:
    """All RPCs by path."""
    found: dict[bytes, Method] = {}
    for rpc in schema.rpcs():
        descriptor = rpc.descriptor
        found[rpc.path] = Method(
            rpc=rpc.name,
            service=rpc.service,
            path=rpc.path,
            input=descriptor.input_type,
            request=message_class(descriptor.input_type),
            response=message_class(descriptor.output_type),
            client_streaming=descriptor.client_streaming,
            server_streaming=descriptor.server_streaming,
            gettable=rpc.is_gettable,
            fill=reader.message(descriptor.input_type),
            write=writer.message(descriptor.output_type),
        )
    return found
