"""Hostile and broken clients: each is answered or cut off, its neighbours live on, nothing leaks, no traceback.

Every hazard of plain grpclib that this layer repairs (README of runtime/grpc) has its test here.
"""

import asyncio
import random
import resource
from typing import Any

import pytest

from firewalker.runtime.grpc.limits import Limits
from tests.service.grpc.conftest import LIMIT, Bench, Site
from tests.service.grpc.doors import RECORD, TRACK, RecordStepsRequest, RecordStepsResponse, StepDoor
from tests.service.grpc.raw import Pairs, RawClient, frame, framed, grpc_headers
from tests.support.waiting import until


@pytest.mark.requirement("NET-01")
class TestMessageSize:
    @pytest.mark.parametrize("length", [LIMIT + 1, 2**28, 2**32 - 1])
    async def test_an_announced_size_over_the_limit_ends_the_stream_alone(self, site: Site, length: int) -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        stream = await site.client.request(grpc_headers(RECORD), framed(b"x" * 1000, length=length), end=False)
        headers = await site.client.ended(stream)
        assert headers["grpc-status"] == "8"
        assert "MESSAGE_TOO_LARGE" not in headers["grpc-message"]
        assert site.client.reset_code(stream) == 0
        await site.assert_neighbours_live()
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4096
        assert site.bench.measures.calls(RECORD, "RESOURCE_EXHAUSTED") == 1

    async def test_what_is_sent_on_after_the_refusal_does_not_shut_the_connections_window(self, site: Site) -> None:
        stream = await site.client.request(grpc_headers(RECORD), framed(b"", length=2**31), end=False)
        await site.client.ended(stream)
        for _ in range(30):
            # Late data for an ended stream, 2 MiB in all: twice the connection's window.
            await site.client.write(b"".join(frame(0, 0, stream, b"x" * 16_000) for _ in range(4)))
            await site.assert_neighbours_live()

    async def test_a_message_of_just_the_limit_passes(self, site: Site) -> None:
        reading = RecordStepsRequest(readings=[{"device_id": "d" * (LIMIT - 8)}]).SerializeToString()
        assert len(reading) <= LIMIT
        stream = await site.client.request(grpc_headers(RECORD), None, end=False)
        data = framed(reading)
        for start in range(0, len(data), 16_000):
            piece = data[start : start + 16_000]
            await site.client.until(lambda: site.client.h2.local_flow_control_window(stream) >= 16_000)
            site.client.h2.send_data(stream, piece, end_stream=start + 16_000 >= len(data))
            await site.client.flush()
        assert (await site.client.ended(stream))["grpc-status"] == "0"


@pytest.mark.requirement("NET-02")
class TestUnknownFrames:
    @pytest.mark.parametrize("kind", [0x0B, 0x10, 0x4B, 0xFF])
    @pytest.mark.parametrize("on_stream", [False, True])
    async def test_an_unknown_frame_is_ignored(self, site: Site, kind: int, *, on_stream: bool) -> None:
        stream = await site.client.request(grpc_headers(TRACK), None, end=False)
        await site.client.write(frame(kind, 0xFF, stream if on_stream else 0, b"anything at all"))
        site.client.h2.send_data(stream, framed(b""), end_stream=True)
        await site.client.flush()
        assert (await site.client.ended(stream))["grpc-status"] == "0"

    async def test_an_unknown_setting_is_ignored(self, site: Site) -> None:
        await site.client.write(frame(0x4, 0, 0, (0xABCD).to_bytes(2, "big") + (7).to_bytes(4, "big")))
        await site.assert_neighbours_live()

    async def test_an_unknown_frame_inside_a_header_block_ends_the_connection(self, site: Site) -> None:
        block = site.client.h2.encoder.encode(grpc_headers(RECORD))
        await site.client.write(frame(0x1, 0, 1, block[:5]) + frame(0x0B, 0, 0, b""))
        await asyncio.wait_for(site.client.closed.wait(), 60)
        assert site.client.goaways[0][1] == 1


@pytest.mark.requirement("NET-03")
class TestMalformedHeads:
    @pytest.mark.parametrize(
        "headers",
        [
            grpc_headers(RECORD, drop=(":path",)),
            grpc_headers(RECORD, drop=(":method",)),
            grpc_headers(RECORD, drop=(":scheme",)),
            grpc_headers(""),
            [*grpc_headers(RECORD), (":path", RECORD)],
            [*grpc_headers(RECORD), ("X-Upper", "1")],
            [*grpc_headers(RECORD), ("connection", "close")],
            [*grpc_headers(RECORD), ("x", "a\r\nb")],
        ],
    )
    async def test_broken_http2_resets_the_stream(self, site: Site, headers: Pairs) -> None:
        stream = await site.client.request(headers, framed(b""))
        await site.client.ended(stream)
        assert site.client.reset_code(stream) == 1
        await site.assert_neighbours_live()

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            (grpc_headers(RECORD, drop=("te",)), "400"),
            (grpc_headers(RECORD, drop=("content-type",)), "415"),
            ([*grpc_headers(RECORD, drop=("content-type",)), ("content-type", "text/html")], "415"),
            ([(n, "GET" if n == ":method" else v) for n, v in grpc_headers(RECORD)], "405"),
        ],
    )
    async def test_what_is_no_grpc_gets_an_http_status(self, site: Site, headers: Pairs, status: str) -> None:
        for end in (True, False):
            stream = await site.client.request(headers, framed(b""), end=end)
            assert (await site.client.ended(stream))[":status"] == status
        await site.assert_neighbours_live()

    async def test_bytes_beyond_ascii_in_a_header_are_no_accident(self, site: Site) -> None:
        headers = [*grpc_headers(RECORD), ("x-name", "지수".encode().decode("latin-1")), ("authorization", "\xff\xfe")]
        stream = await site.client.request(headers, framed(b""))
        assert (await site.client.ended(stream))["grpc-status"] == "0"

    @pytest.mark.parametrize("name", ["x-bin", "grpc-trace-bin"])
    async def test_bad_base64_in_binary_metadata_is_no_accident(self, site: Site, name: str) -> None:
        stream = await site.client.request(grpc_headers(RECORD, (name, "!!!")), framed(b""))
        assert (await site.client.ended(stream))["grpc-status"] == "0"

    @pytest.mark.parametrize("value", ["", "5", "S", "-1S", "1.5S", "1" * 400 + "S", "123456789S"])
    async def test_a_bad_timeout_is_refused(self, site: Site, value: str) -> None:
        stream = await site.client.request(grpc_headers(RECORD, ("grpc-timeout", value)), framed(b""))
        assert (await site.client.ended(stream))["grpc-status"] == "3"

    @pytest.mark.requirement("NET-08")
    async def test_a_huge_header_list_ends_the_connection_with_a_reason(self, site: Site) -> None:
        await site.client.request(grpc_headers(RECORD, *[(f"x-{n}", "y" * 4000) for n in range(20)]), framed(b""))
        await asyncio.wait_for(site.client.closed.wait(), 60)
        assert site.client.goaways


@pytest.mark.requirement("NET-04")
class TestStatuses:
    async def test_an_expired_deadline(self, site: Site) -> None:
        stream = await site.client.request(grpc_headers(RECORD, ("grpc-timeout", "0n")), framed(b""))
        assert (await site.client.ended(stream))["grpc-status"] == "4"
        assert site.door.running == 0

    async def test_a_message_in_an_unknown_encoding(self, site: Site) -> None:
        stream = await site.client.request(grpc_headers(RECORD, ("grpc-encoding", "br")), framed(b"x", flag=1))
        headers = await site.client.ended(stream)
        assert headers["grpc-status"] == "12"
        assert headers["grpc-accept-encoding"] == "identity,gzip"

    async def test_an_unknown_method(self, site: Site) -> None:
        for path in ("/firewalker.step.v1.StepService/No", "/no.Such/Method", "nonsense", "/" + "x" * 2000):
            headers = await site.client.ended(await site.client.request(grpc_headers(path), framed(b"")))
            assert (headers["grpc-status"], headers["content-type"]) == ("12", "application/grpc")
        assert site.bench.measures.calls("unknown", "UNIMPLEMENTED") == 4

    @pytest.mark.parametrize(
        "body", [framed(b"\xff"), framed(b"x", length=9), framed(b"")[:3], b"", framed(b"") + framed(b"")]
    )
    async def test_a_body_that_is_not_one_message(self, site: Site, body: bytes) -> None:
        stream = await site.client.request(grpc_headers(RECORD), body)
        assert (await site.client.ended(stream))["grpc-status"] == "3"

    async def test_trailers_of_a_request_are_ignored(self, site: Site) -> None:
        stream = await site.client.request(grpc_headers(RECORD), framed(b""), end=False)
        site.client.h2.send_headers(stream, [("x", "y")], end_stream=True)
        await site.client.flush()
        assert (await site.client.ended(stream))["grpc-status"] == "0"
        await site.assert_neighbours_live()

    async def test_a_malformed_message_ends_its_stream_alone(self, site: Site) -> None:
        stream = await site.client.request(grpc_headers(TRACK), framed(b"") + framed(b"\xff"), end=False)
        assert (await site.client.ended(stream))["grpc-status"] == "3"
        assert site.client.body(stream) == framed(b"")
        await site.assert_neighbours_live()


class TestConnections:
    async def test_another_protocol_is_cut_off(self, site: Site) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(reader.read(), 60)
        writer.close()
        await site.assert_neighbours_live()

    async def test_a_connection_that_never_speaks_is_cut_off(self, bench: Bench) -> None:
        server = await bench.serve(StepDoor(), limits=Limits(opening_s=0.05))
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.wait_for(reader.read(), 60)
        writer.close()
        assert bench.measures.connections("never_opened") == 1

    async def test_an_overlong_frame_is_refused_before_it_is_gathered(self, site: Site) -> None:
        stream = await site.client.request(grpc_headers(TRACK), None, end=False)
        await site.client.write(
            (2**24 - 1).to_bytes(3, "big") + bytes((0, 0)) + stream.to_bytes(4, "big") + b"x" * 40_000
        )
        await asyncio.wait_for(site.client.closed.wait(), 60)
        assert site.client.goaways[-1][1] == 6

    @pytest.mark.requirement("NET-07")
    async def test_a_client_that_does_not_read_is_cut_off(self, bench: Bench) -> None:
        door = StepDoor()
        answer = RecordStepsResponse(results=[{"reason": "x" * 50_000}]).SerializeToString()

        async def track(stream: Any) -> None:
            while True:
                await stream.send(answer)

        door.on_track = track
        server = await bench.serve(door, limits=Limits(unread_s=0.2))
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with RawClient(server.port) as composer:
            h2 = composer.h2
            h2.send_headers(1, grpc_headers(TRACK))
            preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(
                0x4, 0, 0, (4).to_bytes(2, "big") + (2**31 - 1).to_bytes(4, "big")
            )
            wide_open = frame(0x8, 0, 0, (2**30).to_bytes(4, "big"))
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(preface + wide_open + h2.data_to_send())
            await until(lambda: door.running == 1)
            await until(lambda: bench.measures.connections("unread") == 1)
            await until(lambda: door.running == 0)
        del reader
        writer.transport.abort()

    async def test_a_closing_connection_does_not_wait_for_ever(self, bench: Bench) -> None:
        server = await bench.serve(StepDoor(), limits=Limits(closing_s=0.05, control_burst=2000))
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        pings = frame(0x6, 0, 0, b"12345678") * 1000
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + pings * 400)
        await until(lambda: bench.measures.connections("opened") == 1)
        await until(lambda: server.open_connections == 0)
        del reader
        writer.transport.abort()

    async def test_a_closed_connection_leaves_no_timer(self, bench: Bench) -> None:
        server = await bench.serve(StepDoor())
        loop: Any = asyncio.get_running_loop()
        async with RawClient(server.port) as client:
            await client.ended(await client.request(grpc_headers(RECORD), framed(b"")))
        await until(lambda: server.open_connections == 0)
        waiting = [timer for timer in loop._scheduled if not timer.cancelled() and "grpclib" in repr(timer)]
        assert not waiting

    async def test_random_bytes_after_the_preface_end_that_connection_alone(self, site: Site) -> None:
        chance = random.Random(7)
        for _ in range(30):
            reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
            writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + chance.randbytes(2000))
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 60)
            writer.close()
        await site.assert_neighbours_live()
