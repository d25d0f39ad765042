"""One HTTP/2 connection, as Google's front end keeps it, and every way in which it can end."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Any, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, PingReceived, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame

from firewalker.emulator.bodies import Reply
from firewalker.emulator.fcm import Answer, Fcm, Request

MOST_STREAMS: Final = 100
IDLE_S: Final = 240.0
OLDEST_S: Final = 3_600.0
MOST_PINGS: Final = 3
"""Pings without a request between them; one more ends the connection."""

_LOOK_S = 0.2
_DRIP_S = 0.002
_READ = 65_536


@dataclass(slots=True)
class _Stream:
    headers: dict[str, str]
    body: bytearray = field(default_factory=bytearray)


class Http2:
    """Serves one connection."""

    def __init__(self, fcm: Fcm, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._fcm = fcm
        self._number = number
        self._reader = reader
        self._writer = writer
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._streams: dict[int, _Stream] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._highest = 0
        self._pings = 0
        self._began = self._used = fcm.clock.now()
        self._leaving = False
        self._room: dict[int, asyncio.Event] = {}

    async def serve(self) -> None:
        """Until either side ends it."""
        self._h2.initiate_connection()
        self._h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: MOST_STREAMS})
        self._flush()
        watch = asyncio.create_task(self._watch())
        try:
            while data := await self._reader.read(_READ):
                try:
                    events = self._h2.receive_data(data)
                except ProtocolError:
                    self._noted_fault("protocol_error")
                    self._flush()
                    break
                for event in events:
                    self._take(event)
                self._flush()
                with contextlib.suppress(ConnectionError):
                    await self._writer.drain()
        except (ConnectionError, OSError):
            pass
        finally:
            watch.cancel()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(watch, *self._tasks, return_exceptions=True)
            self._writer.close()

    def _take(self, event: Any) -> None:  # noqa: C901 - one case for each event
        match event:
            case RequestReceived():
                self._pings, self._used = 0, self._fcm.clock.now()
                self._highest = max(self._highest, event.stream_id)
                self._streams[event.stream_id] = _Stream({str(name): str(value) for name, value in event.headers})
                if len(self._streams) > MOST_STREAMS:
                    self._noted_fault("exceeded_max_concurrent_streams")
                    self._goaway(self._highest, ErrorCodes.ENHANCE_YOUR_CALM, b"exceeded_max_concurrent_streams")
            case DataReceived():
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if event.stream_id in self._streams:
                    self._streams[event.stream_id].body += event.data
            case StreamEnded():
                if event.stream_id in self._streams and not self._leaving:
                    task = asyncio.create_task(self._answer(event.stream_id))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
            case StreamReset():
                self._streams.pop(event.stream_id, None)
            case PingReceived():
                self._pings += 1
                if self._pings > MOST_PINGS:
                    self._noted_fault("too_many_pings")
                    self._goaway(self._highest, ErrorCodes.ENHANCE_YOUR_CALM, b"too_many_pings")
            case ConnectionTerminated():
                self._leaving = True
        for room in self._room.values():
            room.set()

    async def _answer(self, stream_id: int) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            return  # a GOAWAY has said meanwhile that it is not looked at
        headers = stream.headers
        request = Request(
            headers.get(":method", ""), headers.get(":path", ""), headers.get(":authority", ""), headers,
            bytes(stream.body), self._number,
        )  # fmt: skip
        answer = self._fcm.answer(request)
        if answer.delay_s:
            await asyncio.sleep(answer.delay_s)
        if stream_id not in self._streams:
            return
        try:
            await self._give(stream_id, answer)
        except ProtocolError:
            pass  # the sender has ended the stream
        finally:
            self._streams.pop(stream_id, None)
            self._room.pop(stream_id, None)
            self._flush()
            if self._leaving and not self._streams:
                self._writer.close()

    async def _give(self, stream_id: int, answer: Answer) -> None:  # noqa: C901, PLR0912 - one case for each way to end
        reply, name = answer.reply, answer.behaviour.name
        if reply is None:
            await asyncio.Event().wait()
            return
        match name:
            case "accept-then-drop" | "close":
                self._writer.transport.abort()
            case "accept-never-answer":
                await asyncio.Event().wait()
            case "accept-then-reset":
                self._h2.reset_stream(stream_id, ErrorCodes.INTERNAL_ERROR)
            case "refuse-stream":
                self._h2.reset_stream(stream_id, ErrorCodes.REFUSED_STREAM)
            case "accept-then-partial":
                self._head(stream_id, reply)
                self._h2.send_data(stream_id, reply.body[: len(reply.body) // 2])
                self._flush()
                self._writer.transport.abort()
            case "goaway-before":
                # This stream and those above it were not looked at; the others get their answers.
                self._goaway(max(0, stream_id - 2), ErrorCodes.NO_ERROR, b"max_age")
            case "goaway-at":
                self._goaway(self._highest, ErrorCodes.NO_ERROR, b"max_age")
                await self._whole(stream_id, reply)
            case "goaway-mid":
                self._head(stream_id, reply)
                self._goaway(self._highest, ErrorCodes.NO_ERROR, b"max_age")
                await self._body(stream_id, reply.body)
            case "goaway-data":
                self._head(stream_id, reply)
                self._h2.send_data(stream_id, reply.body)
                self._flush()
                self._goaway(self._highest, ErrorCodes.NO_ERROR, b"session_timed_out")
                self._h2.end_stream(stream_id)
            case "goaway-after":
                await self._whole(stream_id, reply)
                self._goaway(self._highest, ErrorCodes.NO_ERROR, b"max_age")
            case "drip":
                self._head(stream_id, reply)
                for at in range(len(reply.body)):
                    self._h2.send_data(stream_id, reply.body[at : at + 1])
                    self._flush()
                    await asyncio.sleep(_DRIP_S)
                self._h2.end_stream(stream_id)
            case _:
                await self._whole(stream_id, reply)

    async def _whole(self, stream_id: int, reply: Reply) -> None:
        self._head(stream_id, reply)
        await self._body(stream_id, reply.body)
        self._h2.ping(b"firewalk")  # the real one does it too
        self._flush()

    def _head(self, stream_id: int, reply: Reply) -> None:
        fields = [(":status", str(reply.status)), *reply.headers.items(), ("server", "scaffolding on HTTPServer2")]
        self._h2.send_headers(stream_id, fields)
        self._flush()

    async def _body(self, stream_id: int, body: bytes) -> None:
        """In as many frames as the sender has room for, and an empty one that ends it."""
        while body:
            room = min(self._h2.local_flow_control_window(stream_id), self._h2.max_outbound_frame_size)
            if room <= 0:
                event = self._room.setdefault(stream_id, asyncio.Event())
                event.clear()
                await event.wait()
                continue
            self._h2.send_data(stream_id, body[:room])
            self._flush()
            body = body[room:]
        self._h2.end_stream(stream_id)
        self._flush()

    def _goaway(self, last_stream: int, code: ErrorCodes, why: bytes) -> None:
        """Say goodbye, and close once the streams up to *last_stream* are answered."""
        self._flush()
        frame = GoAwayFrame(0, last_stream_id=last_stream, error_code=int(code), additional_data=why)
        self._writer.write(frame.serialize())
        self._leaving = True
        for stream_id in [number for number in self._streams if number > last_stream]:
            del self._streams[stream_id]
        if not self._streams or code is not ErrorCodes.NO_ERROR:
            self._writer.close()

    async def _watch(self) -> None:
        """End a connection that is idle or old, by the emulator's clock."""
        while True:
            await asyncio.sleep(_LOOK_S)
            now = self._fcm.clock.now()
            if self._leaving:
                continue
            if not self._streams and now - self._used > IDLE_S:
                self._goaway(self._highest, ErrorCodes.NO_ERROR, b"session_timed_out")
            elif now - self._began > OLDEST_S:
                self._goaway(self._highest, ErrorCodes.NO_ERROR, b"max_age")

    def _noted_fault(self, what: str) -> None:
        """The sender has done what it must not."""
        self._fcm.ledger.write(
            {
                "time": self._fcm.clock.now(), "project": "", "target": "", "nid": "", "tag": "", "priority": "", "ttl": "",
                "connection": self._number, "outcome": what, "accepted": False, "fault": "", "unknown": False, "validate_only": False,
                "retry_after": "", "body": "",
            }
        )  # fmt: skip

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and not self._writer.is_closing():
            self._writer.write(data)
