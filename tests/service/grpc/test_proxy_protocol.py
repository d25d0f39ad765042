"""Behind a balancer that passes connections on: whose they are is read from its header, and from nobody else's."""

import asyncio
import ssl
from ipaddress import ip_network
from typing import Any

import pytest

from firewalker.runtime.grpc.limits import Limits
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.grpc.rates import CallRates
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.runtime.grpc.tls import ServerTls
from firewalker.runtime.rate_limits import Rate, RateLimits
from tests.service.grpc.abuse.floods import PREFACE
from tests.service.grpc.conftest import Bench
from tests.service.grpc.doors import RECORD, StepDoor
from tests.service.grpc.raw import RawClient, framed, grpc_headers
from tests.support.certificates import Authority
from tests.support.proxy_headers import LOCAL, proxied
from tests.support.waiting import until

pytestmark = pytest.mark.requirement("NET-10")

BALANCERS = [ip_network("127.0.0.0/30")]
BEHIND: dict[str, Any] = {"proxies": BALANCERS, "uncounted": BALANCERS}


async def arrive(server: GrpcServer, first: bytes, address: str = "127.0.0.1") -> tuple[Any, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, local_addr=(address, 0))
    writer.write(first)
    return reader, writer


async def ended(reader: asyncio.StreamReader) -> bytes:
    try:
        return await asyncio.wait_for(reader.read(), 60)
    except ConnectionError:
        return b""


class ProxiedClient(RawClient):
    """A raw client behind a balancer."""

    def __init__(self, port: int, header: bytes) -> None:
        super().__init__(port)
        self._header = header

    async def flush(self) -> None:
        header, self._header = self._header, b""
        if header:
            # One byte, then all the rest at once: header, preface and settings.
            await self.write(header[:1])
            self.writer.write(header[1:])
        await super().flush()


async def test_a_call_through_a_balancer_is_its_clients(bench: Bench) -> None:
    limits = RateLimits("unix:///nowhere.sock")  # counted here: what Redis does is tested elsewhere
    edge = bench.edge
    edge.rates = CallRates(limits, trusted=BALANCERS, exempt=[])
    rule = Rule(Caller.PUBLIC, rate=Rate("test", per_s=0.01, burst=2))
    server = GrpcServer([StepDoor(rule)], edge, wire=bench.wire, **BEHIND)
    async with server:
        statuses = []
        for client, forwarded in (
            ("198.51.100.7", ()),
            ("198.51.100.7", ()),
            ("198.51.100.7", (("x-forwarded-for", "192.0.2.1"),)),
            ("198.51.100.8", ()),
            ("2001:db8::1", ()),
        ):
            async with ProxiedClient(server.port, proxied(client)) as connection:
                stream = await connection.request(grpc_headers(RECORD, *forwarded), framed(b""))
                statuses.append((await connection.ended(stream))["grpc-status"])
        # The client behind the balancer is no balancer: what it says of itself does not count.
        assert statuses == ["0", "0", "8", "0", "0"]
        async with ProxiedClient(server.port, LOCAL) as health_check:
            stream = await health_check.request(grpc_headers("/grpc.health.v1.Health/Check"), framed(b""))
            assert (await health_check.ended(stream))["grpc-status"] == "0"
    await limits.close()


async def test_a_client_has_so_many_connections_however_they_come(bench: Bench) -> None:
    server = await bench.serve(StepDoor(), limits=Limits(connections_per_address=2), **BEHIND)
    crowd = [await arrive(server, proxied("198.51.100.7", port) + PREFACE) for port in (1, 2, 3)]
    await until(lambda: server.open_connections == 2)
    await until(lambda: bench.measures.connections("address_full") == 1)
    other = await arrive(server, proxied("198.51.100.8") + PREFACE)
    await until(lambda: server.open_connections == 3)
    for _, writer in (*crowd, other):
        writer.close()
    await until(lambda: server._arrivals.open == 0)


async def test_who_is_no_balancer_comes_as_himself_and_cannot_say_he_is_somebody_else(bench: Bench) -> None:
    server = await bench.serve(StepDoor(), limits=Limits(connections_per_address=1), **BEHIND)
    reader, writer = await arrive(server, proxied("198.51.100.7") + PREFACE, "127.0.0.9")
    await ended(reader)
    writer.close()
    await until(lambda: bench.measures.connections("protocol_error") == 1)
    await until(lambda: server.open_connections == 0)
    direct = [await arrive(server, PREFACE, "127.0.0.9") for _ in range(2)]
    await until(lambda: server.open_connections == 1)
    assert bench.measures.connections("address_full") == 1
    for _, each in direct:
        each.close()
    await until(lambda: server._arrivals.open == 0)


async def test_without_the_setting_a_header_is_no_http_2(bench: Bench) -> None:
    server = await bench.serve(StepDoor())
    reader, writer = await arrive(server, proxied("198.51.100.7") + PREFACE)
    await ended(reader)
    writer.close()
    await until(lambda: bench.measures.connections("protocol_error") == 1)


@pytest.mark.parametrize(
    "first", [PREFACE, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", proxied("192.0.2.1")[:14] + b"\xff\xff"]
)
async def test_a_balancer_that_says_something_else_is_refused(bench: Bench, first: bytes) -> None:
    server = await bench.serve(StepDoor(), **BEHIND)
    reader, writer = await arrive(server, first)
    assert await ended(reader) == b""
    writer.close()
    await until(lambda: server._arrivals.open == 0)
    assert bench.measures.connections("proxy_header") == 1


@pytest.mark.requirement("NET-09")
async def test_a_header_that_does_not_come_is_not_waited_for(bench: Bench) -> None:
    server = await bench.serve(StepDoor(), limits=Limits(opening_s=0.2), **BEHIND)
    header = proxied("198.51.100.7")
    for first in (b"", header[:5], header[:-1]):
        reader, writer = await arrive(server, first)
        assert await ended(reader) == b""
        writer.close()
    await until(lambda: server._arrivals.open == 0)
    assert bench.measures.connections("slow_proxy_header") == 3


@pytest.mark.requirement("NET-44")
async def test_the_header_stands_before_the_handshake(bench: Bench, tmp_path: Any) -> None:
    authority = Authority(tmp_path)
    server = await bench.serve(
        StepDoor(), tls=ServerTls(*authority.issue()), limits=Limits(connections_per_address=1), **BEHIND
    )
    # As a balancer that hands on the header together with the client's first bytes.
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = authority.client().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    reader, writer = await arrive(server, b"")
    header = proxied("198.51.100.7")
    async with asyncio.timeout(60):
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(header + outgoing.read())
                header = b""
                incoming.write(await reader.read(65_536))
        tls.write(PREFACE)
        writer.write(outgoing.read())
        heard = b""
        while not heard:
            try:
                heard = tls.read(9)
            except ssl.SSLWantReadError:
                incoming.write(await reader.read(65_536))
    assert heard[3] == 4
    again = await arrive(server, proxied("198.51.100.7"))
    assert await ended(again[0]) == b""
    assert bench.measures.connections("address_full") == 1
    for each in (writer, again[1]):
        each.close()
    await until(lambda: server._arrivals.open == 0)
