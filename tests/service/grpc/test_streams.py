"""Open streams: back-pressure, idleness, and ends that are offered before they are forced."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from firewalker.kernel.faults import Draining, SessionRevoked
from firewalker.kernel.principal import Principal
from firewalker.runtime.grpc import call as calls
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.grpc.streams import HotStream
from tests.service.grpc.conftest import Bench
from tests.service.grpc.doors import RECORD, TRACK, WATCH, BoardDoor, StepDoor, TrackStepsRequest, WatchResponse
from tests.service.grpc.raw import RawClient, framed, grpc_headers
from tests.service.grpc.test_calls import reason
from tests.support.waiting import until


class Revocations:
    """Ends sessions when the test says so."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[], None]] = []

    def is_revoked(self, principal: Principal) -> bool:
        del principal
        return False

    def on_revoked(self, principal: Principal, callback: Callable[[], None]) -> Callable[[], None]:
        del principal
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)


async def error_of(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        while await call.read() is not grpc.aio.EOF:
            pass
    return raised.value


def is_end(message: bytes) -> bool:
    return bool(WatchResponse.FromString(message).HasField("end"))


class TestEnds:
    @pytest.mark.alone
    @pytest.mark.requirement("NET-20")
    async def test_a_stream_has_its_time_and_what_was_acknowledged_stays(self, bench: Bench) -> None:
        door = StepDoor(Rule(Caller.PUBLIC, stream_s=1.0))
        acknowledged = []

        async def track(stream: HotStream) -> None:
            """As the real door: it looks at the end between messages, and says goodbye."""
            while True:
                receiving = asyncio.ensure_future(stream.recv())
                await asyncio.wait([receiving, stream.ending], return_when=asyncio.FIRST_COMPLETED)
                if stream.ending.done():
                    receiving.cancel()
                    raise stream.ending.result()
                acknowledged.append(receiving.result().message_id)
                await stream.send(TrackStepsRequest(message_id=receiving.result().message_id))

        door.on_track = track
        server = await bench.serve(door)
        stream = bench.channel(server).stream_stream(TRACK)(timeout=60)
        for sent in range(3):
            await stream.write(TrackStepsRequest(message_id=str(sent)).SerializeToString())
            assert await stream.read() is not grpc.aio.EOF
        # No more is written: grpcio tells of its own failure to write, where the stream ends at that moment.
        with pytest.raises(grpc.aio.AioRpcError):
            await stream.read()
        error = await error_of(stream)
        assert (error.code(), reason(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STREAM_TOO_OLD")
        assert acknowledged == ["0", "1", "2"]

    @pytest.mark.requirement("NET-20")
    async def test_a_door_that_does_not_look_at_its_end_is_ended_a_second_later(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(calls, "END_GRACE_S", 0.1)
        server = await bench.serve(StepDoor(Rule(Caller.PUBLIC, stream_s=0.1)))
        stream = bench.channel(server).stream_stream(TRACK)(timeout=60)
        error = await error_of(stream)
        assert (error.code(), reason(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STREAM_TOO_OLD")

    @pytest.mark.requirement("AUTH-07")
    async def test_a_revoked_session_ends_its_streams_after_they_said_goodbye(self, bench: Bench) -> None:
        bench.revocations = Revocations()
        server = await bench.serve(BoardDoor())
        watch = bench.channel(server).unary_stream(WATCH)(b"", metadata=bench.bearer())
        await watch.read()
        bench.revocations.callbacks[0]()
        assert is_end(await watch.read())
        error = await error_of(watch)
        assert (error.code(), reason(error)) == (grpc.StatusCode.UNAUTHENTICATED, "SESSION_REVOKED")
        await until(lambda: not bench.revocations.callbacks)

    @pytest.mark.requirement("AUTH-07")
    async def test_a_stream_is_over_when_its_token_is(self, bench: Bench) -> None:
        server = await bench.serve(BoardDoor())
        claims = bench.signer.claims(datetime.now(UTC), timedelta(seconds=2))
        metadata = (("authorization", f"Bearer {bench.signer.sign(claims)}"),)
        watch = bench.channel(server).unary_stream(WATCH)(b"", metadata=metadata)
        await watch.read()
        assert is_end(await watch.read())
        error = await error_of(watch)
        assert (error.code(), reason(error)) == (grpc.StatusCode.UNAUTHENTICATED, "ACCESS_TOKEN_EXPIRED")
        assert datetime.now(UTC).timestamp() <= claims["exp"] + 0.1

    @pytest.mark.requirement("AUTH-07")
    async def test_a_door_that_does_not_take_the_offer_is_ended_all_the_same(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(calls, "END_GRACE_S", 0.05)
        bench.revocations = Revocations()
        door = StepDoor(Rule(Caller.USER))
        server = await bench.serve(door)
        track = bench.channel(server).stream_stream(TRACK)(metadata=bench.bearer())
        await track.write(b"")
        await track.read()
        bench.revocations.callbacks[0]()
        error = await error_of(track)
        assert reason(error) == SessionRevoked.reason
        await until(lambda: door.cancelled == 1)

    async def test_a_door_may_end_well_when_it_is_asked_to(self, bench: Bench) -> None:
        door = StepDoor()

        async def track(stream: HotStream) -> None:
            assert isinstance(await stream.ending, Draining)

        door.on_track = track
        server = await bench.serve(door)
        call = bench.channel(server).stream_stream(TRACK)()
        await until(lambda: door.running == 1)
        await server.drain(5)
        assert await call.code() is grpc.StatusCode.OK

    @pytest.mark.requirement("NET-20")
    async def test_a_stream_that_sends_nothing_is_ended(self, bench: Bench) -> None:
        server = await bench.serve(StepDoor(Rule(Caller.PUBLIC, idle_s=0.05)))
        track = bench.channel(server).stream_stream(TRACK)()
        await track.write(b"")
        await track.read()
        error = await error_of(track)
        assert (error.code(), reason(error)) == (grpc.StatusCode.DEADLINE_EXCEEDED, "STREAM_IDLE")

    @pytest.mark.alone
    async def test_a_stream_has_no_deadline_but_the_clients(self, bench: Bench) -> None:
        server = await bench.serve(BoardDoor(Rule(Caller.USER, deadline_s=0.01)))
        watch = bench.channel(server).unary_stream(WATCH)(b"", metadata=bench.bearer(), timeout=0.3)
        await watch.read()
        error = await error_of(watch)
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await until(lambda: server.open_calls == 0)

    @pytest.mark.requirement("NET-23")
    async def test_a_client_that_leaves_ends_the_door(self, bench: Bench) -> None:
        door = StepDoor()
        server = await bench.serve(door)
        channel = bench.channel(server)
        tracks = [channel.stream_stream(TRACK)() for _ in range(5)]
        await until(lambda: door.running == 5)
        tracks[0].cancel()
        await until(lambda: door.running == 4)
        await channel.close()
        await until(lambda: door.running == 0)
        assert server.open_calls == 0


class TestFlow:
    async def test_a_door_that_does_not_receive_stops_its_client_and_nobody_else(self, bench: Bench) -> None:
        door = StepDoor()
        go_on = asyncio.Event()
        received = 0

        async def track(stream: HotStream) -> None:
            nonlocal received
            await go_on.wait()
            while await stream.recv() is not None:
                received += 1

        door.on_track = track
        server = await bench.serve(door)
        channel = bench.channel(server)
        message = TrackStepsRequest(message_id="x" * 1000).SerializeToString()
        call = channel.stream_stream(TRACK)()
        sent = 0

        async def pour() -> None:
            nonlocal sent
            for _ in range(1000):
                await call.write(message)
                sent += 1
            await call.done_writing()

        pouring = asyncio.create_task(pour())
        for _ in range(20):
            await channel.unary_unary(RECORD)(b"", timeout=60)
        # 64 KiB of window, and what grpcio buffers itself.
        assert sent < 300
        go_on.set()
        await pouring
        assert await call.code() is grpc.StatusCode.OK
        assert received == 1000

    async def test_messages_that_are_there_are_received_without_giving_way(self, bench: Bench) -> None:
        door = StepDoor()
        order: list[str] = []

        async def track(stream: HotStream) -> None:
            await until(lambda: len(stream._call.inbox) == 3)
            asyncio.get_running_loop().call_soon(order.append, "other")
            order.extend([(await stream.recv()).message_id for _ in range(3)])

        door.on_track = track
        server = await bench.serve(door)
        call = bench.channel(server).stream_stream(TRACK)()
        for name in ("a", "b", "c"):
            await call.write(TrackStepsRequest(message_id=name).SerializeToString())
        assert await call.code() is grpc.StatusCode.OK
        assert order == ["a", "b", "c", "other"]

    @pytest.mark.requirement("NET-21")
    async def test_a_stream_that_is_not_read_is_ended(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(calls, "SEND_STALL_S", 0.1)
        door = StepDoor()

        async def track(stream: HotStream) -> None:
            while True:
                await stream.send(b"\x0a\x03abc" * 200)

        door.on_track = track
        server = await bench.serve(door)
        async with RawClient(server.port) as client:
            stream = await client.request(grpc_headers(TRACK), None, end=False)
            # The raw client never acknowledges data: its window of 64 KiB fills up.
            assert (await client.ended(stream))["grpc-status"] == "8"
            assert len(client.body(stream)) == 65_535

    async def test_a_window_that_opens_bit_by_bit_lets_a_message_through(self, bench: Bench) -> None:
        door = StepDoor()

        async def track(stream: HotStream) -> None:
            await stream.send(b"\x0a\x03abc" * 20_000)

        door.on_track = track
        server = await bench.serve(door)
        async with RawClient(server.port) as client:
            stream = await client.request(grpc_headers(TRACK), None, end=False)
            while not client.is_over(stream):
                client.h2.increment_flow_control_window(500)
                client.h2.increment_flow_control_window(500, stream)
                await client.flush()
                await asyncio.sleep(0)
            headers = await client.ended(stream)
            assert headers["grpc-status"] == "0"
            assert client.body(stream) == framed(b"\x0a\x03abc" * 20_000)

    async def test_open_streams_are_counted(self, bench: Bench) -> None:
        server = await bench.serve(StepDoor())
        call = bench.channel(server).stream_stream(TRACK)()
        await until(lambda: bench.measures._open[TRACK] == 1)
        await call.done_writing()
        await call.code()
        await until(lambda: bench.measures._open[TRACK] == 0)
