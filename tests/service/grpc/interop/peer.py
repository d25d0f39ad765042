"""grpcio's server with the interop test service: an independent peer for our channel."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio

from tests.service.grpc.interop import contract
from tests.service.grpc.interop.contract import message

_GZIP = grpc.Compression.Gzip


async def _empty(request: Any, context: Any) -> Any:
    del request, context
    return message("Empty")()


async def _unary(request: Any, context: Any) -> Any:
    if request.response_compressed.value:
        context.set_compression(_GZIP)
    await _echo_metadata(context)
    await _require_compression(request, context)
    if request.response_status.code:
        await _end_with(request.response_status, context)
    return message("SimpleResponse")(payload=contract.payload(request.response_size))


async def _stream_out(request: Any, context: Any) -> AsyncIterator[Any]:
    if any(parameters.compressed.value for parameters in request.response_parameters):
        context.set_compression(_GZIP)
    for parameters in request.response_parameters:
        if parameters.interval_us:
            await asyncio.sleep(parameters.interval_us / 1e6)
        if not parameters.compressed.value:
            context.disable_next_message_compression()
        yield message("StreamingOutputCallResponse")(payload=contract.payload(parameters.size))


async def _stream_in(requests: AsyncIterator[Any], context: Any) -> Any:
    total = 0
    async for request in requests:
        await _require_compression(request, context)
        total += len(request.payload.body)
    return message("StreamingInputCallResponse")(aggregated_payload_size=total)


async def _duplex(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
    await _echo_metadata(context)
    async for request in requests:
        if request.response_status.code:
            await _end_with(request.response_status, context)
        async for answer in _stream_out(request, context):
            yield answer


async def _half_duplex(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
    for request in [request async for request in requests]:
        async for answer in _stream_out(request, context):
            yield answer


async def _require_compression(request: Any, context: Any) -> None:
    """grpcio does not tell a handler how a message came; the call's encoding is what can be seen."""
    packed = dict(context.invocation_metadata()).get("x-test-encoding") == "gzip"
    if request.HasField("expect_compressed") and request.expect_compressed.value is not packed:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not compressed as expected")


async def _echo_metadata(context: Any) -> None:
    sent = context.invocation_metadata()
    await context.send_initial_metadata([pair for pair in sent if pair[0] == contract.ECHO_INITIAL])
    context.set_trailing_metadata([pair for pair in sent if pair[0] == contract.ECHO_TRAILING])


async def _end_with(asked: Any, context: Any) -> None:
    code = next(code for code in grpc.StatusCode if code.value[0] == asked.code)
    await context.abort(code, asked.message, context.trailing_metadata() or ())


_KINDS = {
    contract.EMPTY: (grpc.unary_unary_rpc_method_handler, _empty),
    contract.UNARY: (grpc.unary_unary_rpc_method_handler, _unary),
    contract.STREAM_OUT: (grpc.unary_stream_rpc_method_handler, _stream_out),
    contract.STREAM_IN: (grpc.stream_unary_rpc_method_handler, _stream_in),
    contract.DUPLEX: (grpc.stream_stream_rpc_method_handler, _duplex),
    contract.HALF_DUPLEX: (grpc.stream_stream_rpc_method_handler, _half_duplex),
}


@asynccontextmanager
async def grpcio_server() -> AsyncIterator[str]:
    """The server's address while the block runs."""
    server = grpc.aio.server()
    handlers = {}
    for path, (kind, function) in _KINDS.items():
        described = contract.descriptors().method(path)
        handlers[described.name] = kind(
            function,
            request_deserializer=message(described.input_type.name).FromString,
            response_serializer=message(described.output_type.name).SerializeToString,
        )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(contract.SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
