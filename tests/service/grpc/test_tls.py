"""TLS on a port: who gets in, who does not, certificates that change, and that nothing is lost behind it (NET-44)."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from hpack import Encoder

from firewalker.gen.pb.firewalker.event.v1 import DeliverRequest, DeliverResponse, Event, EventSinkServiceStub
from firewalker.notification.app import build as build_notification
from firewalker.notification.config import NotificationConfig
from firewalker.runtime.config import ConfigError
from firewalker.runtime.grpc.channel import InternalChannel
from firewalker.runtime.grpc.faults import ServiceUnavailable
from firewalker.runtime.grpc.limits import Limits
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.runtime.grpc.tls import LOOK_EVERY_S, ServerTls
from tests.service.grpc.abuse.floods import PREFACE
from tests.service.grpc.conftest import SERVICE_TOKEN, Bench
from tests.service.grpc.doors import (
    RECORD,
    TRACK,
    RecordStepsRequest,
    RecordStepsResponse,
    SinkDoor,
    StepDoor,
    TrackStepsRequest,
    TrackStepsResponse,
)
from tests.service.grpc.raw import frame, framed, grpc_headers
from tests.support.certificates import Authority
from tests.support.services import serving
from tests.support.waiting import until

pytestmark = pytest.mark.requirement("NET-44")

QUICK = Limits(handshake_s=0.3, opening_s=0.3, closing_s=0.2)
DELIVERY = DeliverRequest(events=[Event(event_id="a")])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def tls(authority: Authority) -> ServerTls:
    return ServerTls(*authority.issue())


@asynccontextmanager
async def grpcio(server: GrpcServer, authority: Authority) -> AsyncIterator[grpc.aio.Channel]:
    credentials = grpc.ssl_channel_credentials(authority.pem)
    options = [("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(f"127.0.0.1:{server.port}", credentials, options) as channel:
        yield channel


async def heard(server: GrpcServer, context: ssl.SSLContext, say: bytes = PREFACE) -> bytes:
    """What the server says to a client that begins with *say*, until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
    try:
        writer.write(say)
        return await asyncio.wait_for(reader.read(), 60)
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


def places(server: GrpcServer) -> int:
    return server._arrivals.open


async def test_calls_of_every_kind_work_through_tls(bench: Bench, tls: ServerTls, authority: Authority) -> None:
    server = await bench.serve(StepDoor(), tls=tls)
    async with grpcio(server, authority) as channel:
        request = RecordStepsRequest(readings=[{"device_id": "a"}] * 3)
        answer = await channel.unary_unary(RECORD)(request.SerializeToString(), timeout=60)
        assert len(RecordStepsResponse.FromString(answer).results) == 3
        stream = channel.stream_stream(TRACK)(timeout=60)
        for number in range(200):
            await stream.write(TrackStepsRequest(message_id=f"{number}" + "x" * 20_000).SerializeToString())
            echo = TrackStepsResponse.FromString(await stream.read())
            assert echo.message_id.rstrip("x") == f"{number}"
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF
        # grpcio keeps the connection of a call that is known to somebody.
        del stream
    await until(lambda: server.open_connections == 0)
    assert places(server) == 0


async def test_an_answer_larger_than_every_buffer_arrives_whole(
    bench: Bench, tls: ServerTls, authority: Authority
) -> None:
    door = StepDoor()
    large = TrackStepsResponse(message_id="y" * 3_000_000)

    async def send(stream: Any) -> None:
        await stream.send(large)

    door.on_track = send
    server = await bench.serve(door, tls=tls)
    async with grpcio(server, authority) as channel:
        stream = channel.stream_stream(TRACK)(timeout=60)
        assert TrackStepsResponse.FromString(await stream.read()) == large


@pytest.mark.parametrize("alpn", [(), ("http/1.1",), ("h2c", "http/1.1")])
async def test_who_does_not_agree_on_http_2_hears_nothing(
    bench: Bench, tls: ServerTls, authority: Authority, alpn: tuple[str, ...]
) -> None:
    server = await bench.serve(StepDoor(), tls=tls)
    assert await heard(server, authority.client(alpn)) == b""
    await until(lambda: bench.measures.connections("no_h2") == 1)
    await until(lambda: places(server) == 0)


async def test_http_2_is_chosen_among_several(bench: Bench, tls: ServerTls, authority: Authority) -> None:
    server = await bench.serve(StepDoor(), tls=tls, limits=Limits(idle_s=0.1, closing_s=0.1))
    # Its SETTINGS, and the end for being idle.
    assert (await heard(server, authority.client(("http/1.1", "h2"))))[3:5] == b"\x04\x00"


async def test_versions_before_1_2_are_refused(bench: Bench, tls: ServerTls, authority: Authority) -> None:
    server = await bench.serve(StepDoor(), tls=tls, limits=Limits(idle_s=0.1, closing_s=0.1))

    def at_most(version: ssl.TLSVersion) -> ssl.SSLContext:
        context = authority.client()
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = version
        return context

    for old in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.warns(DeprecationWarning, match="TLSVersion"):
            context = at_most(old)
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await heard(server, context)
    await until(lambda: bench.measures.connections("no_tls") == 2)
    await until(lambda: places(server) == 0)
    assert await heard(server, at_most(ssl.TLSVersion.TLSv1_2))


async def test_plain_text_is_refused(bench: Bench, tls: ServerTls) -> None:
    server = await bench.serve(StepDoor(), tls=tls)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(PREFACE)
    answer = await asyncio.wait_for(reader.read(), 60)
    # At most the alert of TLS itself.
    assert b"\x00\x04\x00" not in answer[:9]
    writer.close()
    await until(lambda: bench.measures.connections("no_tls") == 1)
    await until(lambda: places(server) == 0)


@pytest.mark.requirement("NET-09")
@pytest.mark.parametrize("drip", [b"", b"\x16\x03\x01\x02\x00\x01"])
@pytest.mark.alone
async def test_a_slow_handshake_is_ended_and_its_place_free_again(bench: Bench, tls: ServerTls, drip: bytes) -> None:
    server = await bench.serve(StepDoor(), tls=tls, limits=QUICK)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    began = asyncio.get_running_loop().time()

    async def dripping() -> None:
        for at in range(len(drip)):
            writer.write(drip[at : at + 1])
            await asyncio.sleep(0.02)

    drips = asyncio.create_task(dripping())
    await until(lambda: places(server) == 1)
    assert await asyncio.wait_for(reader.read(), 60) == b""
    assert 0.25 < asyncio.get_running_loop().time() - began < 2
    await drips
    writer.close()
    await until(lambda: places(server) == 0)
    assert bench.measures.connections("slow_tls") == 1


@pytest.mark.requirement("NET-10")
async def test_handshakes_count_as_connections(bench: Bench, tls: ServerTls, authority: Authority) -> None:
    server = await bench.serve(StepDoor(), tls=tls, limits=Limits(connections=3))
    silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(3)]
    await until(lambda: places(server) == 3)
    async with grpcio(server, authority) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary(RECORD)(b"", timeout=60)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert bench.measures.connections("port_full") >= 1
    for _, writer in silent:
        writer.close()
    await until(lambda: places(server) == 0)
    async with grpcio(server, authority) as channel:
        await channel.unary_unary(RECORD)(b"", timeout=60)


async def test_a_certificate_changes_without_a_restart(bench: Bench, authority: Authority, tmp_path: Path) -> None:
    now = 0.0
    other = Authority(tmp_path)
    certificate, key = other.issue()
    tls = ServerTls(certificate, key, clock=lambda: now)
    server = await bench.serve(StepDoor(), tls=tls)
    async with grpcio(server, other) as old:
        await old.unary_unary(RECORD)(b"", timeout=60)
        for ours, theirs in zip((certificate, key), authority.issue(called="next"), strict=True):
            # Half of the new pair is of no use, and does no harm.
            ours.write_bytes(theirs.read_bytes())
            now += LOOK_EVERY_S
            if ours is certificate:
                async with grpcio(server, other) as between:
                    await between.unary_unary(RECORD)(b"", timeout=60)
        async with grpcio(server, authority) as new:
            await new.unary_unary(RECORD)(b"", timeout=60)
        # Who was there stays.
        await old.unary_unary(RECORD)(b"", timeout=60)
        certificate.unlink()
        now += LOOK_EVERY_S
        async with grpcio(server, authority) as later:
            await later.unary_unary(RECORD)(b"", timeout=60)
    assert [entry["event"] for entry in bench.log.entries if "certificate" in entry["event"]] == [
        "certificate_unusable",
        "certificate_changed",
        "certificate_unusable",
    ]


def test_what_is_no_pair_is_refused_at_the_start(authority: Authority) -> None:
    certificate, _ = authority.issue(called="one")
    _, key = authority.issue(called="two")
    with pytest.raises(OSError, match=r"(?i)mismatch"):
        ServerTls(certificate, key)
    with pytest.raises(OSError, match="PEM"):
        ServerTls(key, key)


@pytest.mark.requirement("NET-41")
async def test_a_drain_loses_no_answer(bench: Bench, tls: ServerTls, authority: Authority) -> None:
    door = StepDoor()
    go_on = asyncio.Event()

    async def record(request: Any) -> Any:
        await go_on.wait()
        return RecordStepsResponse(results=[{"verdict": 1}] * len(request.readings))

    door.on_record = record
    server = await bench.serve(door, tls=tls)
    request = RecordStepsRequest(readings=[{"device_id": "a"}] * 500).SerializeToString()
    async with grpcio(server, authority) as channel:
        calls = [asyncio.ensure_future(channel.unary_unary(RECORD)(request, timeout=60)) for _ in range(20)]
        await until(lambda: server.open_calls == 20)
        draining = asyncio.create_task(server.drain(10))
        await until(lambda: server._listener is not None and not server._listener.is_serving())
        go_on.set()
        answers = await asyncio.gather(*calls)
        assert all(len(RecordStepsResponse.FromString(answer).results) == 500 for answer in answers)
        await draining


async def test_a_drain_does_not_wait_for_handshakes(bench: Bench, tls: ServerTls) -> None:
    server = await bench.serve(StepDoor(), tls=tls)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    await until(lambda: places(server) == 1)
    await asyncio.wait_for(server.drain(8), 60)
    assert await asyncio.wait_for(reader.read(), 60) == b""
    writer.close()
    await until(lambda: places(server) == 0)


@pytest.mark.requirement("NET-07")
async def test_who_does_not_read_is_cut(bench: Bench, tls: ServerTls, authority: Authority) -> None:
    door = StepDoor()

    async def pour(stream: Any) -> None:
        while True:
            await stream.send(TrackStepsResponse(message_id="x" * 50_000))

    door.on_track = pour
    server = await bench.serve(door, tls=tls, limits=Limits(unread_s=0.3))
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=authority.client(), limit=1_024)
    del reader
    window = frame(8, 0, 0, (2**30).to_bytes(4, "big"))
    settings = frame(4, 0, 0, b"\x00\x04" + (2**30).to_bytes(4, "big"))
    head = frame(1, 4, 1, Encoder().encode(grpc_headers(TRACK)))
    writer.write(PREFACE[:24] + settings + window + head + frame(0, 0, 1, framed(b"")))
    await until(lambda: bench.measures.connections("unread") == 1, 60)
    await until(lambda: door.running == 0)
    writer.transport.abort()
    await until(lambda: places(server) == 0)


class TestChannels:
    async def _call(self, server: GrpcServer, ca_file: Path | None, host: str = "127.0.0.1") -> DeliverResponse:
        channel = InternalChannel(f"{host}:{server.port}", SERVICE_TOKEN, ca_file=ca_file)
        try:
            return await EventSinkServiceStub(channel).deliver(DELIVERY, timeout=60)
        finally:
            channel.close()

    async def test_a_channel_calls_through_tls(self, bench: Bench, tls: ServerTls, authority: Authority) -> None:
        server = await bench.serve(SinkDoor(), internal=True, tls=tls)
        assert await self._call(server, authority.file) == DeliverResponse()

    async def test_a_channel_does_not_talk_to_who_cannot_prove_who_he_is(
        self, bench: Bench, tls: ServerTls, authority: Authority, tmp_path: Path
    ) -> None:
        door = SinkDoor()
        server = await bench.serve(door, internal=True, tls=tls)
        elsewhere = await bench.serve(door, internal=True, tls=ServerTls(*authority.issue("elsewhere", called="else")))
        plain = await bench.serve(door, internal=True)
        for peer, ca_file in (
            (server, Authority(tmp_path, "stranger").file),
            (elsewhere, authority.file),
            (plain, authority.file),
            (server, None),
        ):
            with pytest.raises(ServiceUnavailable):
                await self._call(peer, ca_file)
        assert not door.taken

    async def test_a_restart_between_calls_is_not_seen(
        self, bench: Bench, tls: ServerTls, authority: Authority
    ) -> None:
        door = SinkDoor()
        server = await bench.serve(door, internal=True, tls=tls)
        channel = InternalChannel(f"127.0.0.1:{server.port}", SERVICE_TOKEN, ca_file=authority.file)
        for _ in range(3):
            await EventSinkServiceStub(channel).deliver(DELIVERY)
            old = bench._opened[-1]
            await old.drain(5)
            await old.close()
            await bench.serve(door, internal=True, tls=tls, port=old.port)
        await EventSinkServiceStub(channel).deliver(DELIVERY)
        channel.close()


async def test_a_service_takes_its_certificates_from_the_configuration(
    tmp_path: Path, mysql_url: str, redis_url: str, authority: Authority
) -> None:
    certificate, key = authority.issue(called="public")
    inner_certificate, inner_key = authority.issue(called="internal")
    settings = {
        "tls_certificate_file": certificate,
        "tls_key_file": key,
        "internal_tls_certificate_file": inner_certificate,
        "internal_tls_key_file": inner_key,
    }
    urls: dict[str, Any] = {"folder": tmp_path, "mysql_url": mysql_url, "redis_url": redis_url}
    async with serving("notification", NotificationConfig, build_notification, settings=settings, **urls) as service:
        for server in service.app.servers:
            assert isinstance(server, GrpcServer)
            async with grpcio(server, authority) as channel:
                assert await channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=60) == b"\x08\x01"
    settings["tls_key_file"] = inner_key
    with pytest.raises(ConfigError, match="no certificate and key"):
        async with serving("notification", NotificationConfig, build_notification, settings=settings, **urls):
            pytest.fail("started")
