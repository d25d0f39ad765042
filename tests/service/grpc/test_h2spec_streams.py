"""h2spec's cases of sections 3 to 5: the preface, the format of frames, header blocks, the states of streams."""

import pytest

from tests.service.grpc.conftest import Bench
from tests.service.grpc.doors import RECORD, StepDoor
from tests.service.grpc.h2spec import (
    CANCEL,
    COMPRESSION,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_SIZE,
    HEADERS,
    MESSAGE,
    PING,
    PREFACE,
    PRIORITY,
    PROTOCOL,
    RST,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW,
    WITH_PRIORITY,
    Answered,
    Case,
    FramePeer,
    Lives,
    Outcome,
    broken,
    play,
    reset,
    table,
)
from tests.service.grpc.raw import frame, grpc_headers
from tests.support.waiting import until

BIG = bytes(16_385)
RESET = frame(RST, 0, 1, CANCEL.to_bytes(4, "big"))


def unfinished(peer: FramePeer) -> bytes:
    """A header block without its end."""
    return frame(HEADERS, 0, 1, peer.block(grpc_headers(RECORD))[:9])


def over(peer: FramePeer, stream: int = 1) -> bytes:
    """A stream whose client has half-closed, and that is still served."""
    return peer.head(stream, flags=END_HEADERS) + frame(DATA, END_STREAM, stream, b"")


def padding(length: int) -> bytes:
    return frame(DATA, 0, 1, MESSAGE + bytes(length - len(MESSAGE)))


CASES = [
    Case("4.1", "unknown type", lambda p: frame(0x16, 0, 0, b"whatever") + p.call(), Answered()),
    Case("4.1", "undefined flag", lambda p: frame(PING, 0x16, 0, b"h2spec!!") + p.call(), Answered()),
    Case("4.1", "reserved bit", lambda p: frame(PING, 0, 1 << 31, b"h2spec!!") + p.call(), Answered()),
    Case("4.2", "DATA of 2^14", lambda p: p.head() + frame(DATA, 0, 1, b"\0\0\0\x3f\xfb" + bytes(16_379)), Lives()),
    Case("4.2", "DATA over 2^14", lambda p: p.head() + frame(DATA, END_STREAM, 1, BIG), broken(FRAME_SIZE)),
    Case("4.2", "HEADERS over 2^14", lambda _: frame(HEADERS, END_HEADERS, 1, BIG), broken(FRAME_SIZE)),
    Case("4.3", "invalid block", lambda _: frame(HEADERS, 5, 1, b"\x40"), broken(COMPRESSION, PROTOCOL)),
    Case("4.3", "PRIORITY in a block", lambda p: unfinished(p) + frame(PRIORITY, 0, 1, bytes(5)), broken(PROTOCOL)),
    Case("4.3", "another stream's HEADERS in a block", lambda p: unfinished(p) + p.head(3), broken(PROTOCOL)),
    Case("5.1", "idle: DATA", lambda _: frame(DATA, END_STREAM, 1, b"test"), broken(PROTOCOL)),
    Case("5.1", "idle: RST_STREAM", lambda _: RESET, broken(PROTOCOL)),
    Case("5.1", "idle: WINDOW_UPDATE", lambda _: frame(WINDOW, 0, 1, b"\0\0\0\x64"), broken(PROTOCOL)),
    Case("5.1", "idle: CONTINUATION", lambda _: frame(CONTINUATION, END_HEADERS, 1, b"\x82"), broken(PROTOCOL)),
    Case("5.1", "half-closed: DATA", lambda p: over(p) + frame(DATA, END_STREAM, 1, MESSAGE), reset(STREAM_CLOSED)),
    Case("5.1", "half-closed: HEADERS", lambda p: over(p) + p.head(1, flags=5), reset(STREAM_CLOSED)),
    Case("5.1", "half-closed: CONTINUATION", lambda p: over(p) + frame(CONTINUATION, 4, 1, b"\x82"), broken(PROTOCOL)),
    Case(
        "5.1",
        "reset: DATA",
        lambda p: p.head() + RESET + frame(DATA, END_STREAM, 1, MESSAGE),
        reset(STREAM_CLOSED),
    ),
    Case("5.1", "reset: HEADERS", lambda p: p.head() + RESET + p.head(1, flags=5), reset(STREAM_CLOSED)),
    Case(
        "5.1",
        "reset: CONTINUATION",
        lambda p: p.head() + RESET + frame(CONTINUATION, END_HEADERS, 1, b"\x82"),
        broken(PROTOCOL, STREAM_CLOSED),
    ),
    Case("5.1.1", "even number", lambda p: p.head(2), broken(PROTOCOL)),
    Case("5.1.1", "lower number", lambda p: p.head(5) + p.head(3), broken(PROTOCOL, STREAM_CLOSED)),
    Case(
        "5.3.1",
        "HEADERS that depend on themselves",
        lambda p: frame(HEADERS, END_HEADERS | WITH_PRIORITY, 1, b"\0\0\0\1\xff" + p.block(grpc_headers(RECORD))),
        broken(PROTOCOL),
    ),
    Case(
        "5.3.1",
        "PRIORITY that depends on itself",
        lambda p: p.head() + frame(PRIORITY, 0, 1, b"\0\0\0\1\xff"),
        broken(PROTOCOL),
    ),
    Case("5.4.1", "a broken PING", lambda _: frame(PING, 0, 3, b"h2spec!!"), broken(PROTOCOL)),
    Case("5.5", "extension frame", lambda p: frame(0xFF, 0, 0, b"1234") + p.call(), Answered()),
    Case("5.5", "extension frame in a block", lambda p: unfinished(p) + frame(0xFF, 1, 0, b"1234"), broken(PROTOCOL)),
]


@pytest.mark.requirement("NET-12")
@table(*CASES)
async def test_frames_and_streams(bench: Bench, case: Case) -> None:
    await play(case, (await bench.serve(StepDoor())).port)


async def once_closed(bench: Bench, late: bytes | None) -> FramePeer:
    """A connection with a call that is over, both ways, then *late* frames or new headers for it."""
    peer = await FramePeer((await bench.serve(StepDoor())).port).__aenter__()
    await peer.shake_hands()
    await peer.write(peer.call())
    await Answered().check(peer)
    await peer.write(peer.head(1, flags=5) if late is None else late)
    return peer


@pytest.mark.requirement("NET-12")
@pytest.mark.parametrize(
    ("late", "must"),
    [
        (frame(DATA, END_STREAM, 1, b"test"), reset(STREAM_CLOSED)),
        (None, broken(STREAM_CLOSED)),
        (frame(CONTINUATION, END_HEADERS, 1, b"\x82"), broken(STREAM_CLOSED, PROTOCOL)),
    ],
    ids=["DATA", "HEADERS", "CONTINUATION"],
)
async def test_5_1_closed_streams_take_nothing_more(bench: Bench, late: bytes | None, must: Outcome) -> None:
    peer = await once_closed(bench, late)
    await must.check(peer)
    await peer.__aexit__(None, None, None)


@pytest.mark.requirement("NET-12")
@pytest.mark.parametrize("preface", [b"INVALID CONNECTION PREFACE\r\n\r\n", PREFACE[:-2] + b"xx", b"\0" * 24])
async def test_3_5_an_invalid_preface_ends_the_connection(bench: Bench, preface: bytes) -> None:
    async with FramePeer((await bench.serve(StepDoor())).port) as peer:
        await peer.write(preface + frame(SETTINGS, 0, 0, b""))
        await peer.until(lambda: peer.closed)


@pytest.mark.requirement("NET-12")
async def test_5_1_2_streams_over_the_announced_number_are_refused_alone(bench: Bench) -> None:
    door = StepDoor()
    async with FramePeer((await bench.serve(door)).port) as peer:
        await peer.shake_hands()
        await peer.write(b"".join(peer.head(stream) for stream in range(1, 205, 2)))
        await peer.until(lambda: peer.reset_codes(201) and peer.reset_codes(203))
        assert (peer.reset_codes(201), peer.reset_codes(203), peer.reset_codes(199)) == ([7], [7], [])
        await until(lambda: door.running == 100)
