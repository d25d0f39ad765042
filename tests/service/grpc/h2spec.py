"""Cases in the manner of h2spec, a client's bytes and what a server must do, and the peer that plays them.

The cases are in `test_h2spec_*.py`, by sections of RFC 9113 (numbers as in h2spec, which follows RFC 7540) and RFC 7541.
Each opens a connection of its own, with the handshake done, and plays on real calls: `TRACK` is a stream that stays
open, `RECORD` a unary call whose answer has a body.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import pytest
from hpack import Decoder, Encoder
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame

from tests.service.grpc.doors import RECORD, TRACK
from tests.service.grpc.raw import Pairs, frame, framed, grpc_headers

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MESSAGE = framed(b"")

NO_ERROR, PROTOCOL, INTERNAL, FLOW_CONTROL, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE, REFUSED = range(8)
CANCEL, COMPRESSION = 8, 9

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20


class FramePeer:
    """A connection on which frames are written by hand and kept as they come."""

    def __init__(self, port: int) -> None:
        self.frames: list[Frame] = []
        self.closed = False
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._headers: dict[int, dict[str, str]] = {}
        self._changed = asyncio.Event()
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        self._writer.transport.abort()

    async def shake_hands(self) -> None:
        await self.write(PREFACE + frame(SETTINGS, 0, 0, b""))
        await self.until(lambda: self.count(SettingsFrame, flag="ACK"))
        await self.write(frame(SETTINGS, ACK, 0, b""))

    def block(self, headers: Pairs) -> bytes:
        """A header block; call it in the order of sending, for the table's sake."""
        return self._encoder.encode(headers)

    def head(self, stream: int = 1, path: str = TRACK, *more: tuple[str, str], flags: int = END_HEADERS) -> bytes:
        return frame(HEADERS, flags, stream, self.block(grpc_headers(path, *more)))

    def call(self, stream: int = 1, *more: tuple[str, str]) -> bytes:
        """A whole unary call."""
        return self.head(stream, RECORD, *more) + frame(DATA, END_STREAM, stream, MESSAGE)

    async def write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError:
            return

    async def until(self, condition: Callable[[], object], within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def of(self, kind: type[Frame], stream: int = 0) -> list[Any]:
        return [found for found in self.frames if isinstance(found, kind) and found.stream_id == stream]

    def count(self, kind: type[Frame], flag: str, stream: int = 0) -> int:
        return sum(flag in found.flags for found in self.of(kind, stream))

    def goaway_codes(self) -> list[int]:
        return [found.error_code for found in self.of(GoAwayFrame)]

    def reset_codes(self, stream: int) -> list[int]:
        return [found.error_code for found in self.of(RstStreamFrame, stream)]

    def headers(self, stream: int) -> dict[str, str]:
        return self._headers.get(stream, {})

    def body(self, stream: int) -> bytes:
        return b"".join(found.data for found in self.of(DataFrame, stream))

    async def _read(self) -> None:
        pending = b""
        while data := await self._some():
            pending += data
            while len(pending) >= 9:
                found, length = Frame.parse_frame_header(memoryview(pending[:9]))
                if len(pending) < 9 + length:
                    break
                found.parse_body(memoryview(pending[9 : 9 + length]))
                pending = pending[9 + length :]
                self.frames.append(found)
                if isinstance(found, HeadersFrame):
                    fields = self._headers.setdefault(found.stream_id, {})
                    fields.update((str(name), str(value)) for name, value in self._decoder.decode(found.data))
            self._changed.set()
        self.closed = True
        self._writer.close()
        self._changed.set()

    async def _some(self) -> bytes:
        try:
            return await self._reader.read(65_536)
        except OSError:
            return b""


@dataclass(frozen=True)
class Broken:
    """The connection is ended, with one of *codes*."""

    codes: tuple[int, ...]

    async def check(self, peer: FramePeer) -> None:
        await peer.until(lambda: peer.closed)
        assert peer.goaway_codes()[-1] in self.codes


@dataclass(frozen=True)
class Closed:
    """The connection is ended, whether or not with a word."""

    async def check(self, peer: FramePeer) -> None:
        await peer.until(lambda: peer.closed)


@dataclass(frozen=True)
class Reset:
    """The stream is ended with one of *codes*; the connection lives on."""

    codes: tuple[int, ...]
    stream: int = 1

    async def check(self, peer: FramePeer) -> None:
        await peer.until(lambda: peer.reset_codes(self.stream) or peer.closed)
        assert peer.reset_codes(self.stream)[0] in self.codes
        await Lives().check(peer)


@dataclass(frozen=True)
class Lives:
    """The connection is as good as before: it answers a ping and a new call."""

    async def check(self, peer: FramePeer) -> None:
        await peer.write(frame(PING, 0, 0, b"still ok") + peer.call(4001))
        await peer.until(lambda: [p for p in peer.of(PingFrame) if p.opaque_data == b"still ok"] or peer.closed)
        await Answered(4001).check(peer)


@dataclass(frozen=True)
class Answered:
    """The call on the stream ends with grpc-status *status*, or is refused as HTTP with *http*."""

    stream: int = 1
    status: str = "0"
    http: str = "200"

    async def check(self, peer: FramePeer) -> None:
        await peer.until(lambda: "grpc-status" in peer.headers(self.stream) or peer.closed)
        assert peer.headers(self.stream).get("grpc-status") == self.status
        assert peer.headers(self.stream)[":status"] == self.http


Outcome = Broken | Closed | Reset | Lives | Answered


@dataclass(frozen=True)
class Case:
    """One case of h2spec."""

    section: str
    title: str
    send: Callable[[FramePeer], bytes]
    must: Outcome
    exception: str = ""
    """Why ours does other than h2spec asks for."""


def broken(*codes: int) -> Broken:
    return Broken(codes)


def reset(*codes: int, stream: int = 1) -> Reset:
    return Reset(codes, stream)


def table(*cases: Case) -> pytest.MarkDecorator:
    """The cases as parameters of a test, each named by its section and title."""
    named = [f"{case.section}/{case.title}" for case in cases]
    assert len(set(named)) == len(named)
    return pytest.mark.parametrize("case", cases, ids=named)


async def play(case: Case, port: int) -> None:
    async with FramePeer(port) as peer:
        await peer.shake_hands()
        await peer.write(case.send(peer))
        await case.must.check(peer)
