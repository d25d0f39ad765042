"""A gRPC client that owes nothing to the code under test: grpcio with the C runtime of protobuf, from the descriptor set.

Requests are dictionaries in proto JSON, answers are messages; `refused` turns an error into what the contract says of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

import grpc
import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.rpc import error_details_pb2, status_pb2

import firewalker.gen

DESCRIPTOR_SET = Path(firewalker.gen.__file__).with_name("internal.binpb")

CALL_LIMIT_S = 60.0

_OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),  # a connection of its own
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
]


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTOR_SET.read_bytes()).file:
        pool.Add(file)
    return pool


@cache
def _method(path: str) -> Any:
    service, _, name = path.partition("/")
    return _pool().FindServiceByName(service).methods_by_name[name]


@cache
def _class(full_name: str) -> Any:
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(full_name))


def request_of(path: str, content: Mapping[str, Any]) -> Any:
    """The request message of the method ``package.Service/Method`` with *content*."""
    return json_format.ParseDict(dict(content), _class(_method(path).input_type.full_name)())


def answer_class(path: str) -> Any:
    """The class of the answers of the method ``package.Service/Method``."""
    return _class(_method(path).output_type.full_name)


def as_dict(message: Any) -> dict[str, Any]:
    """*message* as the REST side would show it: proto JSON with defaults written out."""
    shown: dict[str, Any] = json_format.MessageToDict(
        message, always_print_fields_with_no_presence=True, descriptor_pool=_pool()
    )
    return shown


@dataclass(frozen=True)
class Refusal:
    """An error answer, taken apart."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    domain: str = ""
    violations: tuple[str, ...] = ()
    """Fields named by BadRequest."""
    retry_after_s: float | None = None
    text: str = field(default="", repr=False)
    """Everything that the client was told, to search for what it must not be told."""

    @classmethod
    def of(cls, error: grpc.aio.AioRpcError) -> Self:
        trailers = dict(error.trailing_metadata() or ())
        facts: dict[str, Any] = {}
        packed = trailers.get("grpc-status-details-bin")
        if packed is not None:
            status = status_pb2.Status.FromString(packed)
            assert status.code == error.code().value[0]
            for detail in status.details:
                facts |= _facts(detail)
        return cls(error.code(), error.details() or "", text=f"{error.details()} {trailers}", **facts)


def _facts(detail: Any) -> dict[str, Any]:
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    if detail.Unpack(info):
        return {"reason": info.reason, "domain": info.domain}
    if detail.Unpack(bad):
        return {"violations": tuple(violation.field for violation in bad.field_violations)}
    if detail.Unpack(retry):
        return {"retry_after_s": retry.retry_delay.ToTimedelta().total_seconds()}
    return {}


async def refused(call: Awaitable[Any]) -> Refusal:
    """The refusal that *call* ends with; it fails the test by being answered."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return Refusal.of(error)
    raise AssertionError(f"answered with {answer}")


def metadata_of(token: str | None) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")] if token else []


class Grpc:
    """Calls to one port."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.aio.insecure_channel(address, options=_OPTIONS)

    async def close(self) -> None:
        await self.channel.close()

    def unary(
        self,
        path: str,
        content: Mapping[str, Any] | bytes,
        token: str | None = None,
        *,
        limit_s: float = CALL_LIMIT_S,
    ) -> Awaitable[Any]:
        """Call the unary method *path* with a message, or with the bytes of one."""
        method = _method(path)
        call = self.channel.unary_unary(
            f"/{path}",
            request_serializer=_serialise,
            response_deserializer=_class(method.output_type.full_name).FromString,
        )
        asked: Awaitable[Any] = call(_message(path, content), timeout=limit_s, metadata=metadata_of(token))
        return asked

    def watch(self, path: str, content: Mapping[str, Any], token: str) -> AsyncIterator[Any]:
        """Open the server stream *path*."""
        answer = _class(_method(path).output_type.full_name)
        call = self.channel.unary_stream(
            f"/{path}", request_serializer=_serialise, response_deserializer=answer.FromString
        )
        answers: AsyncIterator[Any] = aiter(call(_message(path, content), metadata=metadata_of(token)))
        return answers

    def talk(self, path: str, token: str | None) -> grpc.aio.StreamStreamCall[Any, Any]:
        """Open the bidirectional stream *path*; write `request_of` messages or bytes."""
        answer = _class(_method(path).output_type.full_name)
        call = self.channel.stream_stream(
            f"/{path}", request_serializer=_serialise, response_deserializer=answer.FromString
        )
        return call(metadata=metadata_of(token))


def _message(path: str, content: Mapping[str, Any] | bytes) -> Any:
    return content if isinstance(content, bytes) else request_of(path, content)


def _serialise(message: Any) -> bytes:
    return message if isinstance(message, bytes) else bytes(message.SerializeToString())
