"""A client that writes HTTP/2 frames itself, for what no library would send."""

import asyncio
from collections import defaultdict
from types import TracebackType
from typing import Any, Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, StreamReset, TrailersReceived

Pairs = list[tuple[str, str]]


def grpc_headers(path: str, *more: tuple[str, str], drop: tuple[str, ...] = ()) -> Pairs:
    headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "test"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        *more,
    ]
    return [pair for pair in headers if pair[0] not in drop]


def framed(message: bytes, flag: int = 0, length: int | None = None) -> bytes:
    return bytes((flag,)) + (len(message) if length is None else length).to_bytes(4, "big") + message


def frame(kind: int, flags: int, stream_id: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes((kind, flags)) + stream_id.to_bytes(4, "big") + body


class RawClient:
    """One connection. Reads in the background; what came is in `events`."""

    def __init__(self, port: int) -> None:
        self.h2 = H2Connection(
            H2Configuration(
                client_side=True,
                header_encoding="latin-1",
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                validate_inbound_headers=False,
            )
        )
        self.events: list[Event] = []
        self._bodies: defaultdict[int, bytearray] = defaultdict(bytearray)
        self._over: set[int] = set()
        self.goaways: list[tuple[int, int]] = []
        self.closed = asyncio.Event()
        self._changed = asyncio.Event()
        self._port = port

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        self.h2.initiate_connection()
        await self.flush()
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        self.writer.transport.abort()

    async def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())
        await self.writer.drain()

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def request(self, headers: Pairs, body: bytes | None = None, *, end: bool = True) -> int:
        stream_id = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream_id, headers, end_stream=end and body is None)
        if body is not None:
            self.h2.send_data(stream_id, body, end_stream=end)
        await self.flush()
        return stream_id

    async def until(self, condition: Any, within_s: float = 60.0) -> Any:
        async with asyncio.timeout(within_s):
            while not (found := condition()):
                self._changed.clear()
                await self._changed.wait()
        return found

    async def ended(self, stream_id: int) -> dict[str, str]:
        """Wait for the stream's end; its headers and trailers together."""
        await self.until(lambda: self.is_over(stream_id) or self.closed.is_set())
        return self.headers(stream_id)

    def is_over(self, stream_id: int) -> bool:
        return stream_id in self._over

    def headers(self, stream_id: int) -> dict[str, str]:
        found: dict[str, str] = {}
        for event in self.events:
            if isinstance(event, ResponseReceived | TrailersReceived) and event.stream_id == stream_id:
                found.update(dict(event.headers or ()))  # type: ignore[arg-type]
        return found

    def body(self, stream_id: int) -> bytes:
        return bytes(self._bodies[stream_id])

    def reset_code(self, stream_id: int) -> int | None:
        codes = [int(e.error_code or 0) for e in self.events if isinstance(e, StreamReset) and e.stream_id == stream_id]
        return codes[0] if codes else None

    async def _read(self) -> None:
        pending = b""
        while data := await self._some():
            pending += data
            while len(pending) >= 9 and len(pending) >= 9 + (size := int.from_bytes(pending[:3], "big")):
                one, pending = pending[: 9 + size], pending[9 + size :]
                if one[3] == 0x7:
                    # Kept from h2, which would close itself.
                    self.goaways.append((int.from_bytes(one[9:13], "big"), int.from_bytes(one[13:17], "big")))
                else:
                    self._note(self.h2.receive_data(one))
            answer = self.h2.data_to_send()
            if answer and not self.writer.is_closing():
                self.writer.write(answer)
            self._changed.set()
        self.closed.set()
        self.writer.close()
        self._changed.set()

    def _note(self, events: list[Event]) -> None:
        self.events += events
        for event in events:
            if isinstance(event, DataReceived):
                self._bodies[event.stream_id or 0] += event.data or b""
            elif isinstance(event, StreamEnded | StreamReset):
                self._over.add(event.stream_id or 0)

    async def _some(self) -> bytes:
        try:
            return await self.reader.read(65_536)
        except OSError:
            return b""
