"""Our server with the interop test service: what the cases, and the real tools, call."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from google.protobuf.message import DecodeError
from grpclib.const import Status

from firewalker.kernel.faults import InvalidRequest, MalformedMessage, Violation
from firewalker.runtime.grpc.call import Call, Gone
from firewalker.runtime.grpc.compression import accepts_gzip
from firewalker.runtime.grpc.doors import Method
from firewalker.runtime.grpc.edge import Edge
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.runtime.grpc.status import Outcome, encode_message
from firewalker.runtime.grpc.wire import Wire
from tests.service.grpc.interop import contract
from tests.service.grpc.interop.contract import message

_RULE = Rule(Caller.PUBLIC, max_message_bytes=4_194_304)


def serve_interop(edge: Edge, wire: Wire, port: int = 0) -> GrpcServer:
    """The server, not started yet."""
    server = GrpcServer([], edge, wire=wire, port=port, descriptors=contract.descriptors())
    for path, serve in _SERVED.items():
        server._add(_method(path, serve))
    return server


def _method(path: str, serve: Callable[[Call], Awaitable[None]]) -> Method:
    described = contract.descriptors().method(path)
    kind = message(described.input_type.name)

    def parse(data: bytes) -> Any:
        try:
            return kind.FromString(data)
        except DecodeError:
            raise MalformedMessage from None

    return Method(
        path=path,
        service=contract.SERVICE,
        name=described.name,
        rule=_RULE,
        client_streaming=described.client_streaming,
        server_streaming=described.server_streaming,
        parse=parse,
        serve=serve,
    )


async def _empty(call: Call) -> None:
    await call.recv_message()
    await call.send_message(message("Empty")())


async def _unary(call: Call) -> None:
    _echo_metadata(call)
    request = await call.recv_message()
    _require_compression(request, packed=call.inbox.unpacked == 1)
    if request.response_status.code:
        _end_with(call, request.response_status)
        return
    compressed = request.response_compressed.value
    answer = message("SimpleResponse")(payload=contract.payload(request.response_size))
    await _send(call, answer, packs=compressed, packed=compressed)


async def _stream_out(call: Call) -> None:
    await _answer(call, await call.recv_message())


async def _stream_in(call: Call) -> None:
    total = packed = 0
    async for request in call:
        _require_compression(request, packed=call.inbox.unpacked > packed)
        packed = call.inbox.unpacked
        total += len(request.payload.body)
    await call.send_message(message("StreamingInputCallResponse")(aggregated_payload_size=total))


async def _duplex(call: Call) -> None:
    _echo_metadata(call)
    async for request in call:
        if request.response_status.code:
            _end_with(call, request.response_status)
            return
        await _answer(call, request)


async def _half_duplex(call: Call) -> None:
    requests = [request async for request in call]
    for request in requests:
        await _answer(call, request)


async def _answer(call: Call, request: Any) -> None:
    async for parameters in _paced(request):
        answer = message("StreamingOutputCallResponse")(payload=contract.payload(parameters.size))
        packs = any(p.compressed.value for p in request.response_parameters)
        await _send(call, answer, packs=packs, packed=parameters.compressed.value)


async def _send(call: Call, answer: Any, *, packs: bool, packed: bool) -> None:
    """Send *answer* as the case wants it; our own doors leave it to how the request came."""
    takes = accepts_gzip(call.head.accept_encoding)
    if not call.head_sent:  # which says whether any message will be compressed
        call._packs = packs and takes
        call._send_head()
    call._packs = packed and takes
    await call.send_message(answer)


async def _paced(request: Any) -> AsyncIterator[Any]:
    for parameters in request.response_parameters:
        if parameters.interval_us:
            await asyncio.sleep(parameters.interval_us / 1e6)
        yield parameters


def _require_compression(request: Any, *, packed: bool) -> None:
    if request.HasField("expect_compressed") and request.expect_compressed.value is not packed:
        raise InvalidRequest(violations=[Violation("expect_compressed", "is not how the message came")])


def _echo_metadata(call: Call) -> None:
    fields = call.head.fields
    call.head_metadata = [pair for pair in fields if pair[0] == contract.ECHO_INITIAL.encode()]
    call.trailing_metadata = [pair for pair in fields if pair[0] == contract.ECHO_TRAILING.encode()]


def _end_with(call: Call, asked: Any) -> None:
    """End with a status of the client's choice, which no fault of this project could have."""
    headers = ((b"grpc-status", str(asked.code).encode()), (b"grpc-message", encode_message(asked.message)))
    call._finish(Outcome(Status(asked.code), "", headers))
    call._why = Gone.CLIENT


_SERVED: dict[str, Callable[[Call], Awaitable[None]]] = {
    contract.EMPTY: _empty,
    contract.UNARY: _unary,
    contract.STREAM_OUT: _stream_out,
    contract.STREAM_IN: _stream_in,
    contract.DUPLEX: _duplex,
    contract.HALF_DUPLEX: _half_duplex,
}
