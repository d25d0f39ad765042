"""h2spec's generic cases: what is allowed is taken. Every kind of frame, of request and of header field."""

from collections.abc import Callable

import pytest
from hyperframe.frame import PingFrame, SettingsFrame

from tests.service.grpc.conftest import Bench
from tests.service.grpc.doors import RECORD, StepDoor
from tests.service.grpc.h2spec import (
    ACK,
    CANCEL,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    MESSAGE,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    RST,
    SETTINGS,
    WINDOW,
    WITH_PRIORITY,
    Answered,
    Case,
    FramePeer,
    Lives,
    play,
    table,
)
from tests.service.grpc.raw import frame, grpc_headers


def priority(depends_on: int = 0, weight: int = 15, *, exclusive: bool = False) -> bytes:
    return (depends_on | exclusive << 31).to_bytes(4, "big") + bytes((weight,))


def last(stream: int = 1, message: bytes = MESSAGE) -> bytes:
    return frame(DATA, END_STREAM, stream, message)


def in_pieces(peer: FramePeer, pieces: int) -> bytes:
    """A header block in a HEADERS frame and *pieces* CONTINUATION frames."""
    block = peer.block(grpc_headers(RECORD))
    cut = [block[n * 8 : n * 8 + 8] for n in range(pieces)] + [block[pieces * 8 :]]
    wire = frame(HEADERS, 0, 1, cut[0])
    for number, piece in enumerate(cut[1:], 1):
        wire += frame(CONTINUATION, END_HEADERS if number == pieces else 0, 1, piece)
    return wire + last()


def with_field(representation: bytes) -> Callable[[FramePeer], bytes]:
    """A call whose header block ends with that field."""

    def send(peer: FramePeer) -> bytes:
        block = peer.block(grpc_headers(RECORD)) + representation
        return frame(HEADERS, END_HEADERS, 1, block) + last()

    return send


def request(method: str, flags: int = END_HEADERS | END_STREAM) -> Callable[[FramePeer], bytes]:
    def send(peer: FramePeer) -> bytes:
        pairs = [(name, method if name == ":method" else value) for name, value in grpc_headers(RECORD)]
        return frame(HEADERS, flags, 1, peer.block(pairs))

    return send


def once_closed(then: bytes) -> Callable[[FramePeer], bytes]:
    return lambda p: p.call() + frame(RST, 0, 1, bytes(3) + b"\x08") + then


PLAIN_TEXT = b"\x05value"
HUFFMAN = bytes.fromhex("84ee3a2d2f")  # the same in Huffman's code
OWN_NAME = b"\x06x-name"

CASES = [
    Case("generic 2", "PRIORITY on an idle stream", lambda p: frame(PRIORITY, 0, 1, priority()) + p.call(), Answered()),
    Case(
        "generic 2",
        "WINDOW_UPDATE on a half-closed stream",
        lambda p: p.call() + frame(WINDOW, 0, 1, b"\0\0\0\x64"),
        Answered(),
    ),
    Case(
        "generic 2",
        "PRIORITY on a half-closed stream",
        lambda p: p.call() + frame(PRIORITY, 0, 1, priority()),
        Answered(),
    ),
    Case(
        "generic 2",
        "RST_STREAM on a half-closed stream",
        lambda p: p.call() + frame(RST, 0, 1, CANCEL.to_bytes(4, "big")),
        Lives(),
    ),
    Case("generic 2", "PRIORITY on a closed stream", once_closed(frame(PRIORITY, 0, 1, priority())), Lives()),
    Case("generic 3.1", "DATA", lambda p: p.head(1, RECORD) + last(), Answered()),
    Case(
        "generic 3.1",
        "several DATA",
        lambda p: p.head(1, RECORD) + frame(DATA, 0, 1, MESSAGE[:2]) + last(1, MESSAGE[2:]),
        Answered(),
    ),
    Case(
        "generic 3.1",
        "DATA with padding",
        lambda p: p.head(1, RECORD) + frame(DATA, PADDED | END_STREAM, 1, b"\x06" + MESSAGE + bytes(6)),
        Answered(),
    ),
    Case("generic 3.2", "HEADERS", lambda p: p.call(), Answered()),
    Case(
        "generic 3.2",
        "HEADERS with padding",
        lambda p: frame(HEADERS, END_HEADERS | PADDED, 1, b"\x06" + p.block(grpc_headers(RECORD)) + bytes(6)) + last(),
        Answered(),
    ),
    Case(
        "generic 3.2",
        "HEADERS with priority",
        lambda p: (
            frame(HEADERS, END_HEADERS | WITH_PRIORITY, 1, priority(0, 255) + p.block(grpc_headers(RECORD))) + last()
        ),
        Answered(),
    ),
    Case("generic 3.3", "PRIORITY of 1", lambda p: frame(PRIORITY, 0, 1, priority(0, 0)) + p.call(), Answered()),
    Case("generic 3.3", "PRIORITY of 256", lambda p: frame(PRIORITY, 0, 1, priority(0, 255)) + p.call(), Answered()),
    Case("generic 3.3", "PRIORITY that depends", lambda p: frame(PRIORITY, 0, 1, priority(3)) + p.call(), Answered()),
    Case(
        "generic 3.3",
        "PRIORITY exclusively",
        lambda p: frame(PRIORITY, 0, 1, priority(3, exclusive=True)) + p.call(),
        Answered(),
    ),
    Case(
        "generic 3.3",
        "PRIORITY of an idle stream, then a lower one",
        lambda p: frame(PRIORITY, 0, 7, priority()) + p.call(3),
        Answered(3),
    ),
    Case("generic 3.4", "RST_STREAM", lambda p: p.head() + frame(RST, 0, 1, CANCEL.to_bytes(4, "big")), Lives()),
    Case("generic 3.8", "GOAWAY", lambda p: p.call() + frame(GOAWAY, 0, 0, bytes(8)), Answered()),
    Case("generic 3.9", "WINDOW_UPDATE of the connection", lambda _: frame(WINDOW, 0, 0, b"\0\0\0\1"), Lives()),
    Case("generic 3.9", "WINDOW_UPDATE of a stream", lambda p: p.head() + frame(WINDOW, 0, 1, b"\0\0\0\1"), Lives()),
    Case("generic 3.10", "one CONTINUATION", lambda p: in_pieces(p, 1), Answered()),
    Case("generic 3.10", "several CONTINUATION", lambda p: in_pieces(p, 4), Answered()),
    Case("generic 4", "GET", request("GET"), Answered(1, "2", "405"), "no gRPC call; answered as HTTP"),
    Case("generic 4", "HEAD", request("HEAD"), Answered(1, "2", "405"), "no gRPC call; answered as HTTP"),
    Case("generic 4", "POST", lambda p: p.call(), Answered()),
    Case(
        "generic 4",
        "POST with trailers",
        lambda p: (
            p.head(1, RECORD)
            + frame(DATA, 0, 1, MESSAGE)
            + frame(HEADERS, END_HEADERS | END_STREAM, 1, p.block([("x-test", "ok")]))
        ),
        Answered(),
    ),
    Case("generic 5", "indexed", with_field(b"\x90"), Answered()),
    Case("generic 5", "incremental, indexed name", with_field(b"\x7a" + PLAIN_TEXT), Answered()),
    Case("generic 5", "incremental, indexed name, Huffman", with_field(b"\x7a" + HUFFMAN), Answered()),
    Case("generic 5", "incremental, new name", with_field(b"\x40" + OWN_NAME + PLAIN_TEXT), Answered()),
    Case("generic 5", "incremental, new name, Huffman", with_field(b"\x40" + OWN_NAME + HUFFMAN), Answered()),
    Case("generic 5", "not indexed, indexed name", with_field(b"\x0f\x2b" + PLAIN_TEXT), Answered()),
    Case("generic 5", "not indexed, indexed name, Huffman", with_field(b"\x0f\x2b" + HUFFMAN), Answered()),
    Case("generic 5", "not indexed, new name", with_field(b"\x00" + OWN_NAME + PLAIN_TEXT), Answered()),
    Case("generic 5", "not indexed, new name, Huffman", with_field(b"\x00" + OWN_NAME + HUFFMAN), Answered()),
    Case("generic 5", "never indexed, indexed name", with_field(b"\x1f\x2b" + PLAIN_TEXT), Answered()),
    Case("generic 5", "never indexed, indexed name, Huffman", with_field(b"\x1f\x2b" + HUFFMAN), Answered()),
    Case("generic 5", "never indexed, new name", with_field(b"\x10" + OWN_NAME + PLAIN_TEXT), Answered()),
    Case("generic 5", "never indexed, new name, Huffman", with_field(b"\x10" + OWN_NAME + HUFFMAN), Answered()),
    Case(
        "generic 5",
        "one table size update",
        lambda p: frame(HEADERS, END_HEADERS, 1, b"\x3f\xe1\x1f" + p.block(grpc_headers(RECORD))) + last(),
        Answered(),
    ),
    Case(
        "generic 5",
        "two table size updates",
        lambda p: frame(HEADERS, END_HEADERS, 1, b"\x20\x3f\xe1\x1f" + p.block(grpc_headers(RECORD))) + last(),
        Answered(),
    ),
]


@pytest.mark.requirement("NET-12")
@table(*CASES)
async def test_what_is_allowed_is_taken(bench: Bench, case: Case) -> None:
    await play(case, (await bench.serve(StepDoor())).port)


async def test_generic_1_the_servers_first_frame_is_settings(bench: Bench) -> None:
    async with FramePeer((await bench.serve(StepDoor())).port) as peer:
        await peer.write(PREFACE + frame(SETTINGS, 0, 0, b""))
        await peer.until(lambda: peer.frames)
        assert isinstance(peer.frames[0], SettingsFrame)
        assert "ACK" not in peer.frames[0].flags


async def test_generic_3_5_and_3_7_settings_and_pings_are_acknowledged(bench: Bench) -> None:
    async with FramePeer((await bench.serve(StepDoor())).port) as peer:
        await peer.shake_hands()
        setting = (3).to_bytes(2, "big") + (100).to_bytes(4, "big")
        await peer.write(
            frame(SETTINGS, 0, 0, setting) + frame(PING, 0, 0, b"h2spec!!") + frame(PING, ACK, 0, b"no ping!")
        )
        await peer.until(lambda: peer.count(SettingsFrame, "ACK") == 2 and peer.of(PingFrame))
        (pong,) = peer.of(PingFrame)
        assert (pong.opaque_data, "ACK" in pong.flags) == (b"h2spec!!", True)
