"""Frames into our protocol: whatever comes, no exception, no bug in the log, bounded output, nothing left behind."""

import asyncio
from ipaddress import ip_network
from typing import Any

import structlog
from structlog.testing import LogCapture

from firewalker.runtime.grpc.edge import Edge
from firewalker.runtime.grpc.measures import CallMeasures
from firewalker.runtime.grpc.proxy_header import SIGNATURE
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.runtime.grpc.wire import Wire
from tests.service.grpc.doors import StepDoor
from tests.service.grpc.raw import frame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_MAX_OUTPUT_BYTES = 1_500_000
_TURNS = 30
_ANYBODY = ip_network("0.0.0.0/0")
_CHUNK = 977
"""Bytes handed over at once in the second mode; a prime, so that frames are cut anywhere."""


class _Transport(asyncio.Transport):
    """A socket whose peer reads everything."""

    def __init__(self, protocol: Any) -> None:
        super().__init__({"peername": ("203.0.113.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written = 0
        self._protocol = protocol
        self._over = False

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def get_protocol(self) -> Any:
        return self._protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += len(data)

    def is_closing(self) -> bool:
        return self._over

    def abort(self) -> None:
        if not self._over:
            self._over = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    close = abort

    def write_eof(self) -> None:
        """The server has said all; this peer closes at some later time."""

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """Nothing more is read by itself."""

    def resume_reading(self) -> None:
        """Nothing more is read by itself."""


def run(data: bytes) -> None:
    """Bit 0 of the first byte chooses the wire, bit 1 whether bytes are frames as they are, bit 2 how they arrive.

    Bit 3 puts a balancer in front, whose PROXY header the bytes begin with, less its signature. Else each frame is written as kind, flags, stream, length of one byte each and its body, so that a change of some
    bytes mostly gives frames again. Raises AssertionError where the server did wrong.
    """
    if not data:
        return
    mode, body = data[0], data[1:]
    wire = SIGNATURE + body if mode & 8 else PREFACE + (body if mode & 2 else frame(4, 0, 0, b"") + built(body))
    log = LogCapture()
    before = structlog.get_config()
    structlog.configure(processors=[log])
    try:
        which = Wire.FAST if mode & 1 else Wire.PLAIN
        asyncio.run(_connect(wire, which, in_pieces=bool(mode & 4), proxied=bool(mode & 8)))
    finally:
        structlog.configure(**before)
    bugs = [entry for entry in log.entries if entry["event"] == "bug"]
    if bugs:
        error: Any = bugs[0]["exc_info"]
        raise AssertionError("a bug was logged") from error[1]


def built(script: bytes) -> bytes:
    """The frames that a script of short descriptions stands for."""
    frames = []
    while len(script) >= 4:
        kind, flags, stream, length = script[:4]
        frames.append(frame(kind, flags, stream, script[4 : 4 + length]))
        script = script[4 + length :]
    return b"".join(frames)


async def _connect(wire: bytes, which: Wire, *, in_pieces: bool, proxied: bool) -> None:
    failures: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    proxies = [_ANYBODY] if proxied else []
    server = GrpcServer([StepDoor()], Edge(measures=CallMeasures()), wire=which, proxies=proxies)
    protocol = server._protocol()
    transport = _Transport(protocol)
    protocol.connection_made(transport)
    assert server._arrivals.open == 1
    size = _CHUNK if in_pieces else len(wire)
    for start in range(0, len(wire), size):
        if not transport.is_closing():
            transport.get_protocol().data_received(wire[start : start + size])
        await asyncio.sleep(0)
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    transport.abort()
    for _ in range(_TURNS):
        await asyncio.sleep(0)
    assert not failures, failures
    assert not server.open_calls, "calls outlive their connection"
    assert not server.open_connections, "the connection is still counted"
    assert not server._arrivals.open, "its place is still taken"
    assert transport.written <= _MAX_OUTPUT_BYTES, "more was answered than was asked"
