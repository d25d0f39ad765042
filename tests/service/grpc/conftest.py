"""A real server on a real socket, once plain and once fast, and an independent client (grpcio)."""

import hashlib
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
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.runtime.grpc.wire import Wire
from firewalker.runtime.tokens import AccessTokens
from tests.support.signing import Signer

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
