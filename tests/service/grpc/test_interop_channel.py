"""gRPC's interoperability cases, with our channel as the client and grpcio's server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from grpclib.const import Cardinality
from grpclib.encoding.proto import ProtoCodec

from firewalker.kernel.faults import DeadlineExceeded
from firewalker.runtime.grpc.channel import CallRefused, InternalChannel
from tests.service.grpc.conftest import Bench
from tests.service.grpc.interop import contract
from tests.service.grpc.interop.contract import message, payload
from tests.service.grpc.interop.peer import grpcio_server
from tests.service.grpc.interop.server import serve_interop

pytestmark = pytest.mark.requirement("NET-12")

TALK = ((31_415, 27_182), (9, 8), (2_653, 1_828), (58_979, 45_904))
SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"


class InteropChannel(InternalChannel):
    """Speaks the interop protos, which are not in this project's descriptor set."""

    def codec(self, name: str) -> ProtoCodec:
        del name
        return ProtoCodec()

    def open(self, path: str, *, timeout: float = 5, metadata: Any = ()) -> Any:
        described = contract.descriptors().method(path)
        return self.request(
            path,
            next(
                kind
                for kind in Cardinality
                if (kind.client_streaming, kind.server_streaming)
                == (described.client_streaming, described.server_streaming)
            ),
            message(described.input_type.name),
            message(described.output_type.name),
            timeout=timeout,
            metadata=metadata,
        )

    async def unary(self, path: str, request: Any, **options: Any) -> Any:
        async with self.open(path, **options) as stream:
            await stream.send_message(request, end=True)
            return await stream.recv_message()


@asynccontextmanager
async def channel(*, compress: bool = False) -> AsyncIterator[InteropChannel]:
    async with grpcio_server() as address:
        opened = InteropChannel(address, "nobody-asks", compress=compress)
        try:
            yield opened
        finally:
            opened.close()


def simple(**fields: Any) -> Any:
    return message("SimpleRequest")(**fields)


def asked(*sizes: int, **fields: Any) -> Any:
    return message("StreamingOutputCallRequest")(response_parameters=[{"size": size} for size in sizes], **fields)


async def test_empty_unary() -> None:
    async with channel() as client:
        assert await client.unary(contract.EMPTY, message("Empty")()) == message("Empty")()


@pytest.mark.parametrize("compress", [False, True], ids=["large_unary", "client_compressed_unary"])
async def test_large_unary(*, compress: bool) -> None:
    async with channel(compress=compress) as client:
        request = simple(response_size=314_159, payload=payload(271_828), expect_compressed={"value": compress})
        sent = {"x-test-encoding": "gzip" if compress else "identity"}
        assert (await client.unary(contract.UNARY, request, metadata=sent)).payload.body == bytes(314_159)


@pytest.mark.parametrize("compressed", [True, False])
async def test_server_compressed_unary(*, compressed: bool) -> None:
    async with channel() as client, client.open(contract.UNARY) as stream:
        await stream.send_message(simple(response_compressed={"value": compressed}, response_size=314_159), end=True)
        assert (await stream.recv_message()).payload.body == bytes(314_159)
        assert (dict(stream._stream.headers).get("grpc-encoding") == "gzip") is compressed


@pytest.mark.parametrize("compress", [False, True], ids=["client_streaming", "client_compressed_streaming"])
async def test_client_streaming(*, compress: bool) -> None:
    async with channel(compress=compress) as client, client.open(contract.STREAM_IN) as stream:
        for number, (_, size) in enumerate(TALK, 1):
            one = message("StreamingInputCallRequest")(payload=payload(size))
            await stream.send_message(one, end=number == len(TALK))
        assert (await stream.recv_message()).aggregated_payload_size == 74_922


async def test_server_streaming() -> None:
    async with channel() as client, client.open(contract.STREAM_OUT) as stream:
        await stream.send_message(asked(*(size for size, _ in TALK)), end=True)
        assert [len(answer.payload.body) async for answer in stream] == [size for size, _ in TALK]


async def test_server_compressed_streaming() -> None:
    two = [{"compressed": {"value": True}, "size": 31_415}, {"compressed": {"value": False}, "size": 92_653}]
    async with channel() as client, client.open(contract.STREAM_OUT) as stream:
        await stream.send_message(message("StreamingOutputCallRequest")(response_parameters=two), end=True)
        assert [len(answer.payload.body) async for answer in stream] == [31_415, 92_653]
        assert dict(stream._stream.headers)["grpc-encoding"] == "gzip"


async def test_ping_pong() -> None:
    async with channel() as client, client.open(contract.DUPLEX) as stream:
        for answer_size, size in TALK:
            await stream.send_message(asked(answer_size, payload=payload(size)))
            assert len((await stream.recv_message()).payload.body) == answer_size
        await stream.end()
        assert await stream.recv_message() is None


async def test_half_duplex() -> None:
    async with channel() as client, client.open(contract.HALF_DUPLEX) as stream:
        for answer_size, _ in TALK:
            await stream.send_message(asked(answer_size))
        await stream.end()
        assert [len(answer.payload.body) async for answer in stream] == [size for size, _ in TALK]


async def test_empty_stream() -> None:
    async with channel() as client, client.open(contract.DUPLEX) as stream:
        await stream.send_request(end=True)
        assert await stream.recv_message() is None


async def test_custom_metadata() -> None:
    sent = {contract.ECHO_INITIAL: "test_initial_metadata_value", contract.ECHO_TRAILING: b"\xab\xab\xab"}
    async with channel() as client, client.open(contract.UNARY, metadata=sent) as stream:
        await stream.send_message(simple(response_size=1), end=True)
        await stream.recv_message()
        await stream.recv_trailing_metadata()
        assert stream.initial_metadata[contract.ECHO_INITIAL] == "test_initial_metadata_value"
        assert stream.trailing_metadata[contract.ECHO_TRAILING] == b"\xab\xab\xab"


@pytest.mark.parametrize(
    "text", ["test status message", SPECIAL], ids=["status_code_and_message", "special_status_message"]
)
async def test_status_code_and_message(text: str) -> None:
    status = {"code": 2, "message": text}
    async with channel() as client:
        with pytest.raises(CallRefused) as unary:
            await client.unary(contract.UNARY, simple(response_status=status))
        with pytest.raises(CallRefused) as duplex:
            async with client.open(contract.DUPLEX) as stream:
                await stream.send_message(asked(response_status=status), end=True)
                await stream.recv_message()
        for raised in (unary, duplex):
            assert str(raised.value) == f"UNKNOWN : {text}"


@pytest.mark.parametrize("path", [contract.UNIMPLEMENTED_METHOD, contract.UNIMPLEMENTED_SERVICE])
async def test_unimplemented_method_and_service(path: str) -> None:
    async with channel() as client:
        with pytest.raises(CallRefused) as raised:
            await client.unary(path, message("Empty")())
        assert raised.value.status == "UNIMPLEMENTED"


async def test_cancel_after_begin() -> None:
    async with channel() as client:
        async with client.open(contract.STREAM_IN) as stream:
            await stream.send_request()
            await stream.cancel()
        assert await client.unary(contract.EMPTY, message("Empty")()) == message("Empty")()


async def test_cancel_after_first_response() -> None:
    async with channel() as client:
        async with client.open(contract.DUPLEX) as stream:
            await stream.send_message(asked(31_415, payload=payload(27_182)))
            await stream.recv_message()
            await stream.cancel()
        assert await client.unary(contract.EMPTY, message("Empty")()) == message("Empty")()


@pytest.mark.alone
async def test_timeout_on_sleeping_server() -> None:
    slow = message("StreamingOutputCallRequest")(response_parameters=[{"size": 1, "interval_us": 3_000_000}])
    started = asyncio.get_running_loop().time()
    async with channel() as client:
        with pytest.raises(DeadlineExceeded):
            async with client.open(contract.DUPLEX, timeout=0.05) as stream:
                await stream.send_message(slow)
                await stream.recv_message()
        assert asyncio.get_running_loop().time() - started < 2


async def test_our_server_sees_that_our_channel_compresses_and_answers_as_asked(bench: Bench) -> None:
    """grpcio's handlers cannot see how a message came; our server can, and judges `expect_compressed` by it."""
    async with serve_interop(bench.edge, bench.wire) as server:
        for compress in (True, False):
            client = InteropChannel(f"127.0.0.1:{server.port}", "nobody-asks", compress=compress)
            request = simple(
                payload=payload(271_828),
                expect_compressed={"value": compress},
                response_compressed={"value": compress},
                response_size=314_159,
            )
            async with client.open(contract.UNARY) as stream:
                await stream.send_message(request, end=True)
                assert (await stream.recv_message()).payload.body == bytes(314_159)
                assert (dict(stream._stream.headers).get("grpc-encoding") == "gzip") is compress
            client.close()
