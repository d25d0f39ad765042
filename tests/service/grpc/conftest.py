"""A real server on a real socket, once plain and once fast, and an independent client (grpcio)."""

import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
import structlog
from structlog.testing import LogCapture

from firewalker.runtime.grpc.credentials import ServiceCredentials
from firewalker.runtime.grpc.edge import Edge
from firewalker.runtime.grpc.measures import CallMeasures
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.runtime.grpc.wire import Wire
from firewalker.runtime.tokens import AccessTokens
from tests.service.grpc.doors import RECORD, StepDoor
from tests.service.grpc.raw import RawClient, framed, grpc_headers
from tests.support.signing import Signer
from tests.support.waiting import until

SERVICE_TOKEN = "token-of-user"


@pytest.fixture
def log() -> Any:
    capture = LogCapture()
    before = structlog.get_config()
    structlog.configure(processors=[capture])
    yield capture
    structlog.configure(**before)


@pytest.fixture(params=list(Wire), ids=lambda wire: wire.value)
def wire(request: pytest.FixtureRequest) -> Wire:
    found: Wire = request.param
    return found


@dataclass
class Bench:
    """What a test needs to serve and to call."""

    wire: Wire
    log: LogCapture
    signer: Signer = field(default_factory=Signer)
    measures: CallMeasures = field(default_factory=CallMeasures)
    revocations: Any = None
    _opened: list[Any] = field(default_factory=list)

    @property
    def edge(self) -> Edge:
        return Edge(
            tokens=AccessTokens(self.signer.ring()),
            revocations=self.revocations,
            services=ServiceCredentials({hashlib.sha256(SERVICE_TOKEN.encode()).digest(): "user"}),
            measures=self.measures,
        )

    async def serve(self, *doors: object, **options: Any) -> GrpcServer:
        server = GrpcServer(doors, self.edge, wire=self.wire, **options)
        await server.start()
        server.health.set(True)
        self._opened.append(server)
        return server

    def channel(self, server: GrpcServer) -> Any:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", [("grpc.enable_retries", 0)])
        self._opened.append(channel)
        return channel

    def bearer(self, **changes: Any) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.signer.token(**changes)}"),)

    async def close(self) -> None:
        for opened in reversed(self._opened):
            await opened.close()


@pytest.fixture
async def bench(wire: Wire, log: LogCapture) -> AsyncIterator[Bench]:
    bench = Bench(wire, log)
    yield bench
    await bench.close()


Refusal = Callable[[Awaitable[Any]], Awaitable[Any]]


async def refusal(call: Awaitable[Any]) -> Any:
    """The error that *call* ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value


LIMIT = 65_536
"""Largest message, in bytes, that the door of a `Site` takes."""


class Site:
    """A server with a raw client, and a neighbour on the same connection."""

    def __init__(self, bench: Bench, server: GrpcServer, client: RawClient, door: StepDoor) -> None:
        self.bench, self.server, self.client, self.door = bench, server, client, door

    async def assert_neighbours_live(self) -> None:
        """A call on the same connection still works."""
        assert (await self.client.ended(await self.client.request(grpc_headers(RECORD), framed(b""))))[
            "grpc-status"
        ] == "0"


@pytest.fixture
async def site(bench: Bench, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Site]:
    caplog.set_level(logging.INFO)
    door = StepDoor(Rule(Caller.PUBLIC, max_message_bytes=LIMIT))
    server = await bench.serve(door)
    async with RawClient(server.port) as client:
        yield Site(bench, server, client, door)
    await until(lambda: server.open_calls == 0)
    assert not [entry for entry in bench.log.entries if entry["event"] == "bug"]
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]
