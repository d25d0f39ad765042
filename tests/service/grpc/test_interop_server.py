"""gRPC's interoperability cases, with grpcio as the client and our server, on both wires.

The cases' names are those of the description that all gRPC implementations test themselves by. Not here, as in most:
those that need an account at a cloud provider, a load balancer, ORCA or xDS.
"""

from typing import Any

import grpc
import pytest

from tests.service.grpc.conftest import Bench, refusal
from tests.service.grpc.interop import contract
from tests.service.grpc.interop.contract import message, payload
from tests.service.grpc.interop.server import serve_interop

pytestmark = pytest.mark.requirement("NET-12")

TALK = ((31_415, 27_182), (9, 8), (2_653, 1_828), (58_979, 45_904))
"""What is asked for and sent in the streaming cases, in bytes."""
SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
GZIP = grpc.Compression.Gzip


class Client:
    """grpcio, by path."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    def __call__(self, path: str) -> Any:
        described = contract.descriptors().method(path)
        send, give = ("stream" if s else "unary" for s in (described.client_streaming, described.server_streaming))
        return getattr(self._channel, f"{send}_{give}")(
            path,
            request_serializer=message(described.input_type.name).SerializeToString,
            response_deserializer=message(described.output_type.name).FromString,
        )


@pytest.fixture
async def client(bench: Bench) -> Client:
    server = serve_interop(bench.edge, bench.wire)
    await server.start()
    bench._opened.append(server)
    return Client(bench.channel(server))


def simple(**fields: Any) -> Any:
    return message("SimpleRequest")(**fields)


def asked(*sizes: int, **fields: Any) -> Any:
    return message("StreamingOutputCallRequest")(response_parameters=[{"size": size} for size in sizes], **fields)


async def test_empty_unary(client: Client) -> None:
    assert await client(contract.EMPTY)(message("Empty")(), timeout=60) == message("Empty")()


async def test_large_unary(client: Client) -> None:
    answer = await client(contract.UNARY)(simple(response_size=314_159, payload=payload(271_828)), timeout=60)
    assert answer.payload.body == bytes(314_159)


async def test_client_compressed_unary(client: Client) -> None:
    request = simple(expect_compressed={"value": True}, response_size=314_159, payload=payload(271_828))
    error = await refusal(client(contract.UNARY)(request, timeout=60))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    answer = await client(contract.UNARY)(request, timeout=60, compression=GZIP)
    assert answer.payload.body == bytes(314_159)
    request.expect_compressed.value = False
    assert (await client(contract.UNARY)(request, timeout=60)).payload.body == bytes(314_159)


async def test_server_compressed_unary(client: Client) -> None:
    for compressed in (True, False):
        request = simple(response_compressed={"value": compressed}, response_size=314_159, payload=payload(271_828))
        call = client(contract.UNARY)(request, timeout=60)
        assert (await call).payload.body == bytes(314_159)


async def test_client_streaming(client: Client) -> None:
    call = client(contract.STREAM_IN)(timeout=60)
    for _, size in TALK:
        await call.write(message("StreamingInputCallRequest")(payload=payload(size)))
    await call.done_writing()
    assert (await call).aggregated_payload_size == 74_922


async def test_client_compressed_streaming(client: Client) -> None:
    def one(size: int, *, packed: bool) -> Any:
        return message("StreamingInputCallRequest")(expect_compressed={"value": packed}, payload=payload(size))

    probe = client(contract.STREAM_IN)(timeout=60)
    await probe.write(one(27_182, packed=True))
    await probe.done_writing()
    assert (await refusal(probe)).code() is grpc.StatusCode.INVALID_ARGUMENT
    # Of one call grpcio compresses all messages or none; each kind has its call.
    for packed, size in ((True, 27_182), (False, 45_904)):
        call = client(contract.STREAM_IN)(timeout=60, compression=GZIP if packed else None)
        await call.write(one(size, packed=packed))
        await call.done_writing()
        assert (await call).aggregated_payload_size == size


async def test_server_streaming(client: Client) -> None:
    sizes = [size for size, _ in TALK]
    answers = client(contract.STREAM_OUT)(asked(*sizes), timeout=60)
    assert [len(answer.payload.body) async for answer in answers] == sizes


async def test_server_compressed_streaming(client: Client) -> None:
    request = message("StreamingOutputCallRequest")(
        response_parameters=[
            {"compressed": {"value": True}, "size": 31_415},
            {"compressed": {"value": False}, "size": 92_653},
        ]
    )
    call = client(contract.STREAM_OUT)(request, timeout=60)
    assert [len(answer.payload.body) async for answer in call] == [31_415, 92_653]


async def test_ping_pong(client: Client) -> None:
    call = client(contract.DUPLEX)(timeout=60)
    for answer_size, size in TALK:
        await call.write(asked(answer_size, payload=payload(size)))
        assert len((await call.read()).payload.body) == answer_size
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK


async def test_half_duplex(client: Client) -> None:
    call = client(contract.HALF_DUPLEX)(timeout=60)
    for answer_size, _ in TALK:
        await call.write(asked(answer_size))
    await call.done_writing()
    assert [len(answer.payload.body) async for answer in call] == [size for size, _ in TALK]


async def test_empty_stream(client: Client) -> None:
    call = client(contract.DUPLEX)(timeout=60)
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK


async def test_custom_metadata(client: Client) -> None:
    sent = ((contract.ECHO_INITIAL, "test_initial_metadata_value"), (contract.ECHO_TRAILING, b"\xab\xab\xab"))
    unary = client(contract.UNARY)(simple(response_size=1, payload=payload(1)), metadata=sent, timeout=60)
    await unary
    duplex = client(contract.DUPLEX)(metadata=sent, timeout=60)
    await duplex.write(asked(314_159, payload=payload(1)))
    await duplex.read()
    await duplex.done_writing()
    assert await duplex.read() is grpc.aio.EOF
    for call in (unary, duplex):
        assert dict(await call.initial_metadata())[contract.ECHO_INITIAL] == "test_initial_metadata_value"
        assert dict(await call.trailing_metadata())[contract.ECHO_TRAILING] == b"\xab\xab\xab"


@pytest.mark.parametrize(
    "text", ["test status message", SPECIAL], ids=["status_code_and_message", "special_status_message"]
)
async def test_status_code_and_message(client: Client, text: str) -> None:
    status = {"code": 2, "message": text}
    error = await refusal(client(contract.UNARY)(simple(response_status=status), timeout=60))
    assert (error.code(), error.details()) == (grpc.StatusCode.UNKNOWN, text)
    call = client(contract.DUPLEX)(timeout=60)
    await call.write(asked(response_status=status))
    await call.done_writing()
    assert (await call.code(), await call.details()) == (grpc.StatusCode.UNKNOWN, text)


@pytest.mark.parametrize("path", [contract.UNIMPLEMENTED_METHOD, contract.UNIMPLEMENTED_SERVICE])
async def test_unimplemented_method_and_service(client: Client, path: str) -> None:
    error = await refusal(client(path)(message("Empty")(), timeout=60))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_cancel_after_begin(client: Client) -> None:
    call = client(contract.STREAM_IN)(timeout=60)
    await call.wait_for_connection()
    assert call.cancel()
    assert await call.code() is grpc.StatusCode.CANCELLED


async def test_cancel_after_first_response(client: Client) -> None:
    call = client(contract.DUPLEX)(timeout=60)
    await call.write(asked(31_415, payload=payload(27_182)))
    await call.read()
    assert call.cancel()
    assert await call.code() is grpc.StatusCode.CANCELLED


@pytest.mark.alone
async def test_timeout_on_sleeping_server(client: Client) -> None:
    call = client(contract.DUPLEX)(timeout=0.05)
    request = message("StreamingOutputCallRequest")(response_parameters=[{"size": 1, "interval_us": 3_000_000}])
    await call.write(request)
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
