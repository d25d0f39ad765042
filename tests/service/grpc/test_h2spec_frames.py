"""h2spec's cases of sections 6 and 7: each kind of frame, what may be wrong with it, and unknown error codes."""

import asyncio
from typing import Any

import pytest
from hyperframe.frame import DataFrame, PingFrame, SettingsFrame

from tests.service.grpc.conftest import Bench
from tests.service.grpc.doors import TRACK, StepDoor, TrackStepsResponse
from tests.service.grpc.h2spec import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL,
    FRAME_SIZE,
    GOAWAY,
    HEADERS,
    MESSAGE,
    PADDED,
    PING,
    PRIORITY,
    PROTOCOL,
    RST,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW,
    Answered,
    Case,
    Closed,
    FramePeer,
    Lives,
    broken,
    play,
    reset,
    table,
)
from tests.service.grpc.raw import frame, grpc_headers

BLOCK = b"\x82\x87\x84"
WIDE_OPEN = frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff")


def setting(number: int, value: int) -> bytes:
    return frame(SETTINGS, 0, 0, number.to_bytes(2, "big") + value.to_bytes(4, "big"))


def started(peer: FramePeer) -> bytes:
    """A header block that goes on."""
    return frame(HEADERS, 0, 1, peer.block(grpc_headers(TRACK))[:7])


CASES = [
    Case("6.1", "DATA on stream 0", lambda _: frame(DATA, END_STREAM, 0, b"test"), broken(PROTOCOL)),
    Case(
        "6.1",
        "DATA after the end",
        lambda p: p.head() + frame(DATA, END_STREAM, 1, b"") + frame(DATA, END_STREAM, 1, b"test"),
        reset(STREAM_CLOSED),
    ),
    Case(
        "6.1", "DATA with too much padding", lambda p: p.head() + frame(DATA, PADDED, 1, b"\x06Test"), broken(PROTOCOL)
    ),
    Case(
        "6.2",
        "PRIORITY after HEADERS without end",
        lambda p: started(p) + frame(PRIORITY, 0, 1, bytes(5)),
        broken(PROTOCOL),
    ),
    Case(
        "6.2",
        "HEADERS of another stream",
        lambda p: started(p) + frame(HEADERS, END_HEADERS, 3, BLOCK),
        broken(PROTOCOL),
    ),
    Case("6.2", "HEADERS on stream 0", lambda _: frame(HEADERS, 5, 0, BLOCK), broken(PROTOCOL)),
    Case(
        "6.2",
        "HEADERS with too much padding",
        lambda _: frame(HEADERS, 5 | PADDED, 1, b"\xff" + BLOCK),
        broken(PROTOCOL),
    ),
    Case("6.3", "PRIORITY on stream 0", lambda _: frame(PRIORITY, 0, 0, bytes(5)), broken(PROTOCOL)),
    Case("6.3", "PRIORITY of 4 bytes", lambda p: p.head() + frame(PRIORITY, 0, 1, bytes(4)), broken(FRAME_SIZE)),
    Case("6.4", "RST_STREAM on stream 0", lambda _: frame(RST, 0, 0, bytes(4)), broken(PROTOCOL)),
    Case("6.4", "RST_STREAM on an idle stream", lambda _: frame(RST, 0, 1, bytes(4)), broken(PROTOCOL)),
    Case("6.4", "RST_STREAM of 3 bytes", lambda p: p.head() + frame(RST, 0, 1, bytes(3)), broken(FRAME_SIZE)),
    Case(
        "6.5",
        "SETTINGS ACK with a payload",
        lambda _: frame(SETTINGS, ACK, 0, b"\0"),
        broken(PROTOCOL),
        "FRAME_SIZE_ERROR asked for; hyperframe refuses the frame before its kind of error is known",
    ),
    Case("6.5", "SETTINGS on a stream", lambda _: frame(SETTINGS, 0, 1, b""), broken(PROTOCOL)),
    Case("6.5", "SETTINGS of 3 bytes", lambda _: frame(SETTINGS, 0, 0, bytes(3)), broken(FRAME_SIZE)),
    Case("6.5.2", "ENABLE_PUSH of 2", lambda _: setting(2, 2), broken(PROTOCOL)),
    Case("6.5.2", "INITIAL_WINDOW_SIZE of 2^31", lambda _: setting(4, 2**31), broken(FLOW_CONTROL)),
    Case("6.5.2", "MAX_FRAME_SIZE of 16383", lambda _: setting(5, 16_383), broken(PROTOCOL)),
    Case("6.5.2", "MAX_FRAME_SIZE of 2^24", lambda _: setting(5, 2**24), broken(PROTOCOL)),
    Case("6.5.2", "unknown setting", lambda _: setting(0xFF, 1), Lives()),
    Case("6.7", "PING on a stream", lambda _: frame(PING, 0, 1, bytes(8)), broken(PROTOCOL)),
    Case("6.7", "PING of 6 bytes", lambda _: frame(PING, 0, 0, bytes(6)), broken(FRAME_SIZE)),
    Case("6.8", "GOAWAY on a stream", lambda _: frame(GOAWAY, 0, 1, bytes(8)), broken(PROTOCOL)),
    Case("6.9", "WINDOW_UPDATE of 0", lambda _: frame(WINDOW, 0, 0, bytes(4)), broken(PROTOCOL)),
    Case(
        "6.9",
        "WINDOW_UPDATE of 0 on a stream",
        lambda p: p.head() + frame(WINDOW, 0, 1, bytes(4)),
        broken(PROTOCOL),
        "a stream error asked for; hyperframe refuses the frame, and a stream error may be treated as the connection's",
    ),
    Case("6.9", "WINDOW_UPDATE of 3 bytes", lambda _: frame(WINDOW, 0, 0, bytes(3)), broken(FRAME_SIZE)),
    Case("6.9.1", "connection window over 2^31-1", lambda _: WIDE_OPEN + WIDE_OPEN, broken(FLOW_CONTROL)),
    Case(
        "6.9.1",
        "stream window over 2^31-1",
        lambda p: p.head() + frame(WINDOW, 0, 1, b"\x7f\xff\xff\xff") * 2,
        reset(FLOW_CONTROL),
    ),
    Case("6.9.2", "initial window over the maximum", lambda _: setting(4, 2**31), broken(FLOW_CONTROL)),
    Case(
        "6.10",
        "CONTINUATION frames after HEADERS",
        lambda p: (
            frame(HEADERS, 0, 1, (block := p.block(grpc_headers("/x.Y/Z")))[:4])
            + frame(CONTINUATION, 0, 1, block[4:9])
            + frame(CONTINUATION, END_HEADERS, 1, block[9:])
        ),
        Answered(1, "12"),
    ),
    Case("6.10", "CONTINUATION and another frame", lambda p: started(p) + frame(DATA, 0, 1, MESSAGE), broken(PROTOCOL)),
    Case("6.10", "CONTINUATION on stream 0", lambda p: started(p) + frame(CONTINUATION, 4, 0, BLOCK), broken(PROTOCOL)),
    Case("6.10", "CONTINUATION after the end", lambda p: p.head() + frame(CONTINUATION, 4, 1, BLOCK), broken(PROTOCOL)),
    Case(
        "6.10",
        "CONTINUATION after the last",
        lambda p: (
            frame(HEADERS, 0, 1, (block := p.block(grpc_headers(TRACK)))[:4])
            + frame(CONTINUATION, END_HEADERS, 1, block[4:])
            + frame(CONTINUATION, END_HEADERS, 1, BLOCK)
        ),
        broken(PROTOCOL),
    ),
    Case(
        "6.10",
        "CONTINUATION after DATA",
        lambda p: p.head() + frame(DATA, 0, 1, MESSAGE) + frame(CONTINUATION, END_HEADERS, 1, BLOCK),
        broken(PROTOCOL),
    ),
    Case("7", "GOAWAY with an unknown code", lambda _: frame(GOAWAY, 0, 0, bytes(6) + b"\xff\xff"), Closed()),
    Case("7", "RST_STREAM with an unknown code", lambda p: p.head() + frame(RST, 0, 1, b"\0\0\xff\xff"), Lives()),
    Case(
        "8.2",
        "PUSH_PROMISE by a client",
        lambda p: p.head() + frame(5, END_HEADERS, 1, bytes(4) + BLOCK),
        broken(PROTOCOL),
    ),
]


@pytest.mark.requirement("NET-12")
@table(*CASES)
async def test_each_kind_of_frame(bench: Bench, case: Case) -> None:
    await play(case, (await bench.serve(StepDoor())).port)


async def test_6_7_a_ping_with_ack_is_not_answered(bench: Bench) -> None:
    async with FramePeer((await bench.serve(StepDoor())).port) as peer:
        await peer.shake_hands()
        await peer.write(frame(PING, ACK, 0, b"an echo?") + frame(PING, 0, 0, b"question"))
        await peer.until(lambda: peer.of(PingFrame))
        assert [found.opaque_data for found in peer.of(PingFrame)] == [b"question"]


class Talker(StepDoor):
    """Sends one message of 25 bytes, prefix included, on each TrackSteps."""

    async def track_steps(self, stream: Any) -> None:
        await stream.send(TrackStepsResponse(message_id="x" * 18))
        while await stream.recv() is not None:
            pass


@pytest.mark.requirement("NET-12")
class TestFlowControl:
    """The window cases need an answer with a body; here it is a message of 25 bytes."""

    async def talk(self, bench: Bench, window: int) -> FramePeer:
        peer = await FramePeer((await bench.serve(Talker())).port).__aenter__()
        await peer.shake_hands()
        await peer.write(setting(4, window))
        await peer.until(lambda: peer.count(SettingsFrame, "ACK") == 2)
        await peer.write(peer.head())
        return peer

    async def settle(self, peer: FramePeer) -> None:
        """Whatever the server would send now is here once it has answered a ping."""
        before = len(peer.of(PingFrame))
        for _ in range(3):
            await peer.write(frame(PING, 0, 0, b"settled?"))
            await asyncio.sleep(0)
        await peer.until(lambda: len(peer.of(PingFrame)) == before + 3)

    async def test_6_5_3_the_last_value_of_a_setting_counts(self, bench: Bench) -> None:
        async with FramePeer((await bench.serve(Talker())).port) as peer:
            await peer.shake_hands()
            two = b"".join((4).to_bytes(2, "big") + value.to_bytes(4, "big") for value in (100, 1))
            await peer.write(frame(SETTINGS, 0, 0, two))
            await peer.until(lambda: peer.count(SettingsFrame, "ACK") == 2)
            await peer.write(peer.head())
            await peer.until(lambda: peer.body(1))
            await self.settle(peer)
            assert len(peer.body(1)) == 1

    async def test_6_9_1_no_more_is_sent_than_the_window_holds(self, bench: Bench) -> None:
        peer = await self.talk(bench, 1)
        await peer.until(lambda: peer.body(1))
        await self.settle(peer)
        assert [len(found.data) for found in peer.of(DataFrame, 1)] == [1]
        await peer.__aexit__(None, None, None)

    async def test_6_9_2_a_new_initial_size_changes_the_windows_of_open_streams(self, bench: Bench) -> None:
        peer = await self.talk(bench, 0)
        await self.settle(peer)
        assert peer.body(1) == b""
        await peer.write(setting(4, 1))
        await peer.until(lambda: len(peer.body(1)) == 1)
        await peer.__aexit__(None, None, None)

    async def test_6_9_2_a_window_may_become_negative(self, bench: Bench) -> None:
        peer = await self.talk(bench, 3)
        await peer.until(lambda: len(peer.body(1)) == 3)
        await peer.write(setting(4, 2) + frame(WINDOW, 0, 1, b"\0\0\0\1"))
        await self.settle(peer)
        assert len(peer.body(1)) == 3
        await peer.write(frame(WINDOW, 0, 1, b"\0\0\0\1"))
        await peer.until(lambda: len(peer.body(1)) == 4)
        await peer.__aexit__(None, None, None)
