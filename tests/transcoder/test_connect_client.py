"""Connect's own Python client against the transcoder on a real port, by Connect and by gRPC-Web."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from connectrpc.client import ConnectClient
from connectrpc.code import Code
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.protocol import ProtocolType
from google.rpc import error_details_pb2, status_pb2

from tests.support.waiting import until
from tests.transcoder.descriptors import library, new
from tests.transcoder.library_server import Library
from transcoder.schema import message_class

SERVICE = "library.v1.LibraryService"


def method(name: str, kind: StreamType = StreamType.UNARY) -> Any:
    descriptor = library().pool.FindServiceByName(SERVICE).methods_by_name[name]
    return MethodInfo(
        name=name,
        service_name=SERVICE,
        input=message_class(descriptor.input_type),
        output=message_class(descriptor.output_type),
        idempotency_level=IdempotencyLevel.NO_SIDE_EFFECTS,
        stream_type=kind,
    )


@pytest.fixture(
    params=[
        (ProtocolType.CONNECT, google_protobuf_binary_codec()),
        (ProtocolType.CONNECT, google_protobuf_json_codec()),
        (ProtocolType.GRPC_WEB, google_protobuf_binary_codec()),
    ],
    ids=["connect", "connect-json", "grpc-web"],
)
async def caller(request: pytest.FixtureRequest, serve: Callable[..., Any]) -> AsyncIterator[Any]:
    protocol, codec = request.param
    served = await serve()
    async with ConnectClient(served.url, protocol=protocol, codec=codec) as client:
        yield client


async def test_unary_calls(caller: Any) -> None:
    book = new("Book", title="Emma" * 1000, sold=2**40, tags=["a"])
    assert await caller.execute_unary(request=book, method=method("CreateBook")) == book


async def test_a_call_by_get(caller: Any) -> None:
    titles = await caller.execute_unary(
        request=method("ListTitles").input(), method=method("ListTitles"), use_get=not _is_grpc_web(caller)
    )
    assert list(titles.titles) == ["Emma", "Kim"]


async def test_streams_and_their_errors(caller: Any, backend: Library) -> None:
    watch = method("Watch", StreamType.SERVER_STREAM)
    ticks = caller.execute_server_stream(request=new("WatchRequest", count=3, padding=5), method=watch)
    assert [tick.number async for tick in ticks] == [0, 1, 2]
    seen = []
    with pytest.raises(ConnectError, match="no more") as caught:
        async for tick in caller.execute_server_stream(request=new("WatchRequest", count=2, code=9), method=watch):
            seen.append(tick.number)  # noqa: PERF401 - what came before the error counts
    assert (seen, caught.value.code) == ([0, 1], Code.FAILED_PRECONDITION)
    async for _ in caller.execute_server_stream(request=new("WatchRequest", count=1, hang=True), method=watch):
        break
    await until(lambda: backend.running == 0, within_s=60)


async def test_a_client_stream(caller: Any) -> None:
    async def numbers() -> AsyncIterator[Any]:
        for number in range(4):
            yield new("SlowRequest", wait_ms=number)

    answer = await caller.execute_client_stream(request=numbers(), method=method("Sum", StreamType.CLIENT_STREAM))
    assert (answer.count, answer.total) == (4, 6)


async def test_errors_with_details(caller: Any) -> None:
    status = status_pb2.Status(code=6)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="NICKNAME_TAKEN"))
    request = new("FailRequest", code=6, message="grüße %", details=status.SerializeToString())
    with pytest.raises(ConnectError) as caught:
        await caller.execute_unary(request=request, method=method("Fail"))
    assert (caught.value.code, caught.value.message) == (Code.ALREADY_EXISTS, "grüße %")
    (detail,) = caught.value.details
    assert error_details_pb2.ErrorInfo.FromString(detail.message_bytes).reason == "NICKNAME_TAKEN"


async def test_deadlines(caller: Any) -> None:
    with pytest.raises(ConnectError) as caught:
        await caller.execute_unary(request=new("SlowRequest", wait_ms=60_000), method=method("Slow"), timeout_ms=100)
    assert caught.value.code is Code.DEADLINE_EXCEEDED


def _is_grpc_web(caller: Any) -> bool:
    return "GRPCWeb" in type(caller._protocol).__name__
