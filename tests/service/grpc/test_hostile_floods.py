"""Resets, control frames and streams beyond number: who sends them is cut off, and nobody else (NET-05, NET-06, NET-10)."""

import asyncio
from typing import Any

import pytest

from firewalker.runtime.grpc.arrivals import LOOPBACK, Network
from firewalker.runtime.grpc.limits import Limits
from tests.service.grpc.conftest import Bench, Site
from tests.service.grpc.doors import RECORD, TRACK, StepDoor
from tests.service.grpc.raw import RawClient, frame, framed, grpc_headers
from tests.support.waiting import until


@pytest.mark.requirement("NET-05")
class TestRapidReset:
    async def test_a_request_reset_in_the_same_read_leaks_nothing(self, site: Site) -> None:
        for _ in range(50):
            stream = site.client.h2.get_next_available_stream_id()
            site.client.h2.send_headers(stream, grpc_headers(TRACK))
            site.client.h2.reset_stream(stream)
        await site.client.flush()
        await site.assert_neighbours_live()
        await until(lambda: site.server.open_calls == 0)
        assert site.bench.measures.calls(TRACK, "CANCELLED") == 50
        assert site.door.running == 0

    async def test_a_flood_of_resets_ends_the_connection_and_no_other(self, site: Site) -> None:
        async with RawClient(site.server.port) as flood:
            sent = 0
            while not flood.closed.is_set() and sent < 5000:
                for _ in range(100):
                    stream = flood.h2.get_next_available_stream_id()
                    flood.h2.send_headers(stream, grpc_headers(TRACK))
                    flood.h2.reset_stream(stream)
                sent += 100
                try:
                    await flood.flush()
                except OSError:
                    break
                await asyncio.sleep(0)
            await asyncio.wait_for(flood.closed.wait(), 60)
            assert flood.goaways[-1][1] == 11
        await site.assert_neighbours_live()

    async def test_streams_that_the_client_breaks_count_as_well(self, site: Site) -> None:
        async with RawClient(site.server.port) as flood:
            for _ in range(300):
                stream = flood.h2.get_next_available_stream_id()
                flood.h2.send_headers(stream, grpc_headers(TRACK))
                # A window update of nothing is the client's error, and ours is the reset (MadeYouReset).
                await flood.write(flood.h2.data_to_send() + frame(0x8, 0, stream, bytes(4)))
                if flood.closed.is_set():
                    break
            await asyncio.wait_for(flood.closed.wait(), 60)
        await site.assert_neighbours_live()

    async def test_leaving_streams_that_were_answered_is_no_flood(self, site: Site) -> None:
        for _ in range(6):
            streams = [await site.client.request(grpc_headers(TRACK), framed(b""), end=False) for _ in range(60)]
            await site.client.until(lambda: all(site.client.body(s) for s in streams))  # noqa: B023
            for stream in streams:
                site.client.h2.reset_stream(stream)
            await site.client.flush()
        await site.assert_neighbours_live()

    @pytest.mark.parametrize(
        ("trusted", "resets", "ends"), [((), 10, False), ((), 11, True), (LOOPBACK, 50, False), (LOOPBACK, 51, True)]
    )
    async def test_behind_a_trusted_proxy_one_client_does_not_cut_off_the_others(
        self, bench: Bench, trusted: tuple[Network, ...], resets: int, *, ends: bool
    ) -> None:
        limits = Limits(streams=5, unanswered_burst=10, unanswered_per_s=0.001)
        server = await bench.serve(StepDoor(), limits=limits, trusted=trusted)
        async with RawClient(server.port) as proxy:
            for _ in range(resets):
                stream = proxy.h2.get_next_available_stream_id()
                proxy.h2.send_headers(stream, grpc_headers(TRACK))
                proxy.h2.reset_stream(stream)
            other = await proxy.request(grpc_headers(RECORD), framed(b""))
            assert (await proxy.ended(other)).get("grpc-status") == (None if ends else "0")
            assert [code for _, code in proxy.goaways] == ([11] if ends else [])


@pytest.mark.requirement("NET-10")
async def test_streams_over_the_limit_are_refused_and_the_others_live_on(bench: Bench) -> None:
    server = await bench.serve(StepDoor(), limits=Limits(streams=5))
    async with RawClient(server.port) as client:
        streams = []
        for _ in range(8):
            stream = client.h2.get_next_available_stream_id()
            client.h2.remote_settings.acknowledge()
            client.h2.remote_settings[3] = 100
            client.h2.remote_settings.acknowledge()
            client.h2.send_headers(stream, grpc_headers(TRACK))
            streams.append(stream)
        await client.flush()
        for stream in streams[5:]:
            await client.ended(stream)
            assert client.reset_code(stream) == 7
        for stream in streams[:5]:
            client.h2.send_data(stream, framed(b""), end_stream=True)
        await client.flush()
        for stream in streams[:5]:
            assert (await client.ended(stream))["grpc-status"] == "0"


@pytest.mark.requirement("NET-06")
class TestControlFloods:
    @pytest.mark.parametrize(
        "one",
        [frame(0x6, 0, 0, b"12345678"), frame(0x4, 0, 0, b""), frame(0x8, 0, 0, (1).to_bytes(4, "big"))],
        ids=["ping", "settings", "window_update"],
    )
    async def test_a_flood_ends_the_connection(self, site: Site, one: bytes) -> None:
        async with RawClient(site.server.port) as flood:
            for _ in range(20):
                try:
                    await flood.write(one * 100)
                except OSError:
                    break
            await asyncio.wait_for(flood.closed.wait(), 60)
            assert flood.goaways[-1][1] == 11
        await site.assert_neighbours_live()

    async def test_empty_data_frames_are_a_flood(self, site: Site) -> None:
        stream = await site.client.request(grpc_headers(TRACK), None, end=False)
        await site.client.write(frame(0, 0, stream, b"") * 1000)
        await asyncio.wait_for(site.client.closed.wait(), 60)
        assert site.client.goaways[-1][1] == 11

    async def test_a_client_that_acknowledges_what_it_reads_is_no_flood(self, site: Site) -> None:
        async def track(stream: Any) -> None:
            while (request := await stream.recv()) is not None:
                await stream.send(request.SerializeToString())

        site.door.on_track = track
        stream = await site.client.request(grpc_headers(TRACK), None, end=False)
        for number in range(1500):
            site.client.h2.send_data(stream, framed(b""))
            await site.client.write(site.client.h2.data_to_send() + frame(0x8, 0, stream, (5).to_bytes(4, "big")))
            if number % 100 == 0:
                await asyncio.sleep(0)
        await site.client.until(lambda: len(site.client.body(stream)) == 1500 * 5)

    @pytest.mark.parametrize(("trusted", "ends"), [((), True), (LOOPBACK, False)])
    async def test_behind_a_trusted_proxy_so_many_clients_may_send_them(
        self, bench: Bench, trusted: tuple[Network, ...], *, ends: bool
    ) -> None:
        limits = Limits(streams=5, control_burst=10, control_per_s=0.001)
        server = await bench.serve(StepDoor(), limits=limits, trusted=trusted)
        async with RawClient(server.port) as proxy:
            await proxy.write(frame(0x8, 0, 0, (1).to_bytes(4, "big")) * 30)
            call = await proxy.request(grpc_headers(RECORD), framed(b""))
            assert (await proxy.ended(call)).get("grpc-status") == (None if ends else "0")
            assert [code for _, code in proxy.goaways] == ([11] if ends else [])
