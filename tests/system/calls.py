"""Every RPC of the public contract, from the descriptor set: calls that nobody has to write down, of any kind.

A new RPC is taken by itself: whoever asks for `rpcs()` gets it, with a request in which the fields that are required are filled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor import FieldDescriptor

from firewalker.kernel.ids import new_uuid7
from firewalker.runtime.grpc.messages import internal_descriptors, public_descriptors
from firewalker.runtime.grpc.required import is_required
from tests.system.people import TODAY, Town
from tests.system.wire import Refusal, answer_class, metadata_of, request_of

SERVICES = ("user", "step", "notification")

LIMIT_S = 60.0

Fill = Callable[[FieldDescriptor], Any]
"""What to put into a field; None leaves it out."""


@dataclass(frozen=True)
class Outcome:
    """How a call ended."""

    refusal: Refusal | None = None
    answers: list[Any] = field(default_factory=list, repr=False)

    @property
    def code(self) -> str:
        """The name of the status."""
        return self.refusal.code.name if self.refusal else "OK"

    @property
    def reason(self) -> str:
        """The stable reason; empty for OK."""
        return self.refusal.reason if self.refusal else ""


def rpcs() -> list[str]:
    """``package.Service/Method`` of every public RPC."""
    return [
        f"{service.full_name}/{method.name}"
        for name in public_descriptors().file_names
        for service in public_descriptors().file(name).services_by_name.values()
        if service.full_name.startswith("firewalker.")
        for method in service.methods
    ]


def rpcs_between_services() -> list[str]:
    """The same of those that only services may call."""
    return [
        f"{service.full_name}/{method.name}"
        for name in internal_descriptors().file_names
        for service in internal_descriptors().file(name).services_by_name.values()
        if service.full_name.startswith("firewalker.") and name not in public_descriptors().file_names
        for method in service.methods
    ]


def fields_of(rpc: str) -> dict[str, FieldDescriptor]:
    """The fields of the RPC's request, those inside messages too, by their path in proto JSON."""
    found: dict[str, FieldDescriptor] = {}

    def look(message: Any, prefix: str) -> None:
        for inner in message.fields:
            found[prefix + inner.name] = inner
            if inner.message_type is not None and inner.message_type.full_name.startswith("firewalker."):
                look(inner.message_type, f"{prefix}{inner.name}.")

    look(internal_descriptors().method(f"/{rpc}").input_type, "")
    return found


def plausible(found: FieldDescriptor) -> Any:
    """Something that the field may hold, if it is required."""
    if not is_required(found):
        return None
    if found.enum_type is not None:
        return found.enum_type.values[1].name
    if found.type == FieldDescriptor.TYPE_STRING:
        return TODAY if found.name.endswith("date") else str(new_uuid7())
    return 1


def request(rpc: str, fill: Fill = plausible, *, choice: int = 0) -> dict[str, Any]:
    """A request in proto JSON, each of its fields as *fill* says; of alternatives the one of that number."""
    return _filled(internal_descriptors().method(f"/{rpc}").input_type, fill, choice)


def most_alternatives(rpc: str) -> int:
    """How many requests it takes to have had every field in one of them."""
    sizes = [
        len(found.containing_oneof.fields) for found in fields_of(rpc).values() if found.containing_oneof is not None
    ]
    return max(sizes, default=1)


def _filled(message: Any, fill: Fill, choice: int) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for found in message.fields:
        inner, oneof = found.message_type, found.containing_oneof
        if oneof is not None and oneof.fields[choice % len(oneof.fields)] is not found:
            continue
        if inner is not None and inner.file.package.startswith("firewalker") and not inner.GetOptions().map_entry:
            value = _filled(inner, fill, choice) or ({} if is_required(found) else None)
        else:
            value = fill(found)
        if value is not None:
            content[found.name] = [value] if found.is_repeated else value
    return content


async def attempt(town: Town, rpc: str, content: Mapping[str, Any] | bytes, token: str | None) -> Outcome:
    """Call the RPC, of whatever kind; of a stream that does not end the first answer is enough."""
    return await attempt_over(getattr(town, rpc.split(".")[1]).channel, rpc, content, token)


async def attempt_over(
    channel: grpc.aio.Channel, rpc: str, content: Mapping[str, Any] | bytes, token: str | None
) -> Outcome:
    """The same over any channel."""
    message = content if isinstance(content, bytes) else request_of(rpc, content).SerializeToString()
    for _ in range(_TRIES):
        outcome = await _attempt(channel, rpc, message, token)
        if outcome.refusal is None or outcome.refusal.message != _CUT_SHORT:
            break
    return outcome


_TRIES = 20

_CUT_SHORT = "Internal error from Core"
"""What grpcio says, in place of the status, of a stream that was ended while it was still writing."""


async def _attempt(channel: grpc.aio.Channel, rpc: str, message: bytes, token: str | None) -> Outcome:
    method = internal_descriptors().method(f"/{rpc}")
    codec = {"request_serializer": bytes, "response_deserializer": answer_class(rpc).FromString}
    options = {"metadata": metadata_of(token), "timeout": LIMIT_S}
    try:
        if method.client_streaming:
            call = channel.stream_stream(f"/{rpc}", **codec)(iter([message]), **options)
        elif method.server_streaming:
            call = channel.unary_stream(f"/{rpc}", **codec)(message, **options)
        else:
            return Outcome(answers=[await channel.unary_unary(f"/{rpc}", **codec)(message, **options)])
        async for answer in call:
            call.cancel()
            return Outcome(answers=[answer])
        assert await call.code() is grpc.StatusCode.OK
    except grpc.aio.AioRpcError as error:
        return Outcome(Refusal.of(error))
    return Outcome()
