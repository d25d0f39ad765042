"""A real gRPC server behind the transcoder's tests: grpclib speaking upb messages of the library service."""

from __future__ import annotations

import asyncio
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from grpc_health.v1 import health_pb2
from grpclib.const import Cardinality, Handler, Status
from grpclib.encoding.base import StatusDetailsCodecBase
from grpclib.encoding.proto import ProtoCodec
from grpclib.exceptions import GRPCError
from grpclib.server import Server

from tests.transcoder.descriptors import library, new
from transcoder.schema import message_class


class _RawDetails(StatusDetailsCodecBase):
    """Sends the bytes that a handler gives as details, whatever they are."""

    def encode(self, status: Status, message: str | None, details: Any) -> bytes:
        del status, message
        return bytes(details)

    def decode(self, status: Status, message: str | None, data: bytes) -> Any:
        del status, message
        return data


class CrashingServer(Server):
    """A server that knows its connections, so that a test can cut them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.protocols: list[Any] = []

    def _protocol_factory(self) -> Any:
        protocol = super()._protocol_factory()
        self.protocols.append(protocol)
        return protocol

    async def crash(self) -> None:
        """Stop at once; connections are cut."""
        for protocol in self.protocols:
            protocol.connection.close()
        self.close()
        await self.wait_closed()


class Library:
    """The service; what its handlers saw stands in the attributes."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.cancelled = asyncio.Event()
        self.running = 0
        self.sent = 0
        self.serving = True
        self._server: CrashingServer | None = None
        self.port = 0

    async def start(self, port: int = 0) -> None:
        """Listen on loopback."""
        self._server = CrashingServer([self], codec=ProtoCodec(), status_details_codec=_RawDetails())
        await self._server.start("127.0.0.1", port)
        listening: Any = self._server._server
        self.port = listening.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop as a crash does: connections are cut."""
        assert self._server is not None
        await self._server.crash()

    def __mapping__(self) -> dict[str, Handler]:
        """grpclib's table of methods."""
        service = library().pool.FindServiceByName("library.v1.LibraryService")
        table = {f"/{service.full_name}/{method.name}": self._handler(method) for method in service.methods}
        table["/grpc.health.v1.Health/Check"] = Handler(
            self._health, Cardinality.UNARY_UNARY, health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
        )
        return table

    def _handler(self, method: MethodDescriptor) -> Handler:
        kinds = {
            (False, False): Cardinality.UNARY_UNARY,
            (False, True): Cardinality.UNARY_STREAM,
            (True, False): Cardinality.STREAM_UNARY,
            (True, True): Cardinality.STREAM_STREAM,
        }
        kind = kinds[method.client_streaming, method.server_streaming]
        answer = getattr(self, f"_{method.name.lower()}")

        async def handle(stream: Any) -> None:
            self.calls.append(method.name)
            self.running += 1
            try:
                await answer(stream)
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
            finally:
                self.running -= 1

        return Handler(handle, kind, message_class(method.input_type), message_class(method.output_type))

    async def _health(self, stream: Any) -> None:
        await stream.recv_message()
        state = health_pb2.HealthCheckResponse
        await stream.send_message(state(status=state.SERVING if self.serving else state.NOT_SERVING))

    async def _getbook(self, stream: Any) -> None:
        request = await stream.recv_message()
        await stream.send_message(new("Book", name=request.name, title=f"like {request.like.title}"))

    async def _createbook(self, stream: Any) -> None:
        await stream.send_message(await stream.recv_message())

    async def _echobook(self, stream: Any) -> None:
        request = await stream.recv_message()
        seen = [f"{name}={value}" for name, value in stream.metadata.items()]
        if stream.deadline is not None:
            seen.append(f"deadline={stream.deadline.time_remaining():.3f}")
        await stream.send_initial_metadata(metadata={"etag": "abc", "x-secret": "no", "thing-bin": b"\x00"})
        await stream.send_message(new("Echo", book=request, metadata=seen))

    _updatebook = _rate = _order = _createbook

    async def _listtitles(self, stream: Any) -> None:
        await stream.recv_message()
        await stream.send_message(new("Titles", titles=["Emma", "Kim"]))

    async def _fail(self, stream: Any) -> None:
        request = await stream.recv_message()
        raise GRPCError(Status(request.code), request.message or None, request.details or None)

    async def _slow(self, stream: Any) -> None:
        request = await stream.recv_message()
        await asyncio.sleep(request.wait_ms / 1000)
        await stream.send_message(request)

    async def _watch(self, stream: Any) -> None:
        request = await stream.recv_message()
        for number in range(request.count):
            await asyncio.sleep(request.every_ms / 1000)
            await stream.send_message(new("Tick", number=number, padding="x" * request.padding))
            self.sent += 1
        if request.hang:
            await asyncio.Event().wait()
        if request.code:
            raise GRPCError(Status(request.code), "no more")

    async def _sum(self, stream: Any) -> None:
        found = [request.wait_ms async for request in stream]
        await stream.send_message(new("Sum", count=len(found), total=sum(found)))

    async def _chat(self, stream: Any) -> None:
        async for request in stream:
            await stream.send_message(request)

    async def _upload(self, stream: Any) -> None:
        request = await stream.recv_message()
        await stream.send_message(request.file)

    async def _picture(self, stream: Any) -> None:
        await stream.recv_message()
        answer: Any = new("PictureResponse")
        answer.picture.content_type = "image/svg+xml"
        answer.picture.data = b"<svg/>"
        await stream.send_message(answer)

    async def _download(self, stream: Any) -> None:
        request = await stream.recv_message()
        kind = message_class(library().pool.FindMessageTypeByName("google.api.HttpBody"))
        for number in range(request.count):
            await stream.send_message(kind(content_type="text/csv", data=f"{number}\n".encode()))
        if request.code:
            raise GRPCError(Status(request.code), "no more")

    async def _hidden(self, stream: Any) -> None:
        await stream.send_message(await stream.recv_message())
