"""Doors: objects that serve the methods of one proto service. Here they become `Method`s that the server can call.

Two kinds. An *ordinary* door is a subclass of a generated betterproto2 `XServiceBase`. A *hot* door is a plain class
whose methods take and give upb messages and streams, for what is called many times a second. Both state a class
attribute `POLICY`, a `Rule` for each RPC by its proto name; a hot door also states `SERVICE`, its full name.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError

from firewalker.kernel.faults import MalformedMessage
from firewalker.runtime.grpc.messages import DescriptorSet
from firewalker.runtime.grpc.policy import Rule
from firewalker.runtime.grpc.required import RequiredFields

if TYPE_CHECKING:
    from firewalker.runtime.grpc.call import Call


class DoorError(Exception):
    """A door and its proto disagree; the server does not start."""


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC that can be served."""

    path: str
    """As on the wire: `/firewalker.step.v1.StepService/TrackSteps`."""
    service: str
    name: str
    rule: Rule
    client_streaming: bool
    server_streaming: bool
    parse: Callable[[bytes], Any]
    """From the bytes of one request message to what the door takes. Raises MalformedMessage or InvalidRequest."""
    serve: "Callable[[Call], Awaitable[None]]"
    """Runs the door's method to its end. Faults travel out of it."""

    @property
    def streaming(self) -> bool:
        """Whether either side sends more than one message."""
        return self.client_streaming or self.server_streaming


def methods_of(door: object, descriptors: DescriptorSet) -> list[Method]:
    """Every method of *door*, checked against the proto.

    Raises:
        DoorError: A method has no rule, a rule no method, or the door lacks a method of its service.
    """
    mapping = getattr(door, "__mapping__", None)
    found = _ordinary(door, mapping(), descriptors) if mapping is not None else _hot(door, descriptors)
    policy = _policy(door)
    unknown = policy.keys() - {method.name for method in found}
    if unknown:
        raise DoorError(f"{type(door).__name__}.POLICY has rules for no RPC: {', '.join(sorted(unknown))}")
    return found


def _policy(door: object) -> Mapping[str, Rule]:
    policy = getattr(door, "POLICY", None)
    if not isinstance(policy, Mapping):
        raise DoorError(f"{type(door).__name__} has no POLICY")
    return policy


def _rule(door: object, name: str) -> Rule:
    rule = _policy(door).get(name)
    if not isinstance(rule, Rule):
        raise DoorError(f"{type(door).__name__}.POLICY has no rule for {name}")
    return rule


def _describe(descriptors: DescriptorSet, path: str) -> MethodDescriptor:
    try:
        return descriptors.method(path)
    except KeyError:
        raise DoorError(f"{path} is not in the descriptor set") from None


def _ordinary(door: object, mapping: Mapping[str, Any], descriptors: DescriptorSet) -> list[Method]:
    methods = []
    for path, handler in mapping.items():
        descriptor = _describe(descriptors, path)
        own = getattr(type(door), snake(descriptor.name), None)
        if own is None or own.__module__.startswith("firewalker.gen."):
            raise DoorError(f"{type(door).__name__} does not implement {path}")
        gate = _gate(descriptor, descriptors, _rule(door, descriptor.name), into_lists=True)
        methods.append(_method(door, descriptor, path, _through(gate, handler.request_type.parse), handler.func))
    return methods


def _hot(door: object, descriptors: DescriptorSet) -> list[Method]:
    service = getattr(door, "SERVICE", None)
    if not isinstance(service, str):
        raise DoorError(f"{type(door).__name__} is neither a generated service base nor has it a SERVICE")
    try:
        of_service = descriptors.methods(service)
    except KeyError:
        raise DoorError(f"{service} is not in the descriptor set") from None
    methods = []
    for descriptor in of_service:
        path = f"/{service}/{descriptor.name}"
        function = getattr(door, snake(descriptor.name), None)
        if function is None:
            raise DoorError(f"{type(door).__name__} does not implement {path}")
        # The elements of a batch are judged one by one by the door: one that is refused must not spoil its neighbours.
        gate = _gate(descriptor, descriptors, _rule(door, descriptor.name), into_lists=False)
        methods.append(_method(door, descriptor, path, gate, _hot_serve(descriptor, function)))
    return methods


def _method(
    door: object,
    descriptor: MethodDescriptor,
    path: str,
    parse: Callable[[bytes], Any],
    serve: "Callable[[Call], Awaitable[None]]",
) -> Method:
    return Method(
        path=path,
        service=descriptor.containing_service.full_name,
        name=descriptor.name,
        rule=_rule(door, descriptor.name),
        client_streaming=descriptor.client_streaming,
        server_streaming=descriptor.server_streaming,
        parse=parse,
        serve=serve,
    )


def _gate(
    descriptor: MethodDescriptor, descriptors: DescriptorSet, rule: Rule, *, into_lists: bool
) -> Callable[[bytes], Any]:
    """What every inbound message passes first, whichever door it is for.

    upb refuses what is no message of the type (truncated, wrong wire types, bad UTF-8, nested over 100 deep); fields
    that the proto does not have are dropped; REQUIRED ones must be there, unless the door sees to that itself.
    """
    message = descriptors.message_class(descriptor.input_type.full_name)
    required = RequiredFields(descriptor.input_type, into_lists=into_lists)
    check = not (required.empty or rule.names_missing)

    def gate(data: bytes) -> Any:
        request = message()
        try:
            request.ParseFromString(data)
        except (DecodeError, RecursionError):
            raise MalformedMessage from None
        request.DiscardUnknownFields()
        if check:
            required.check(request)
        return request

    return gate


def _through(gate: Callable[[bytes], Any], parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Give betterproto2, whose parser believes anything, only what upb has written."""

    def decode(data: bytes) -> Any:
        return parse(gate(data).SerializeToString())

    return decode


def _hot_serve(descriptor: MethodDescriptor, function: Callable[..., Awaitable[Any]]) -> Any:
    if descriptor.client_streaming:

        async def serve_stream(call: "Call") -> None:
            await function(call.stream())

        return serve_stream
    if descriptor.server_streaming:

        async def serve_watch(call: "Call") -> None:
            await function(await call.recv_message(), call.stream())

        return serve_watch

    async def serve_unary(call: "Call") -> None:
        await call.send_message(await function(await call.recv_message()))

    return serve_unary


def snake(name: str) -> str:
    """The attribute that serves an RPC: `WatchFriendLeaderboard` -> `watch_friend_leaderboard`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
