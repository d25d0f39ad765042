"""One HTTP/1.1 connection, for senders that know nothing newer: Google's own SDK sends one by one that way."""

import asyncio
import contextlib

import h11

from firewalker.emulator.fcm import Fcm, Request

_READ = 65_536


async def serve_http1(fcm: Fcm, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer requests one by one until either side ends the connection."""
    connection = h11.Connection(h11.SERVER)
    with contextlib.suppress(ConnectionError, h11.RemoteProtocolError, OSError):
        while (request := await _next(number, connection, reader)) is not None:
            answer = fcm.answer(request)
            if answer.delay_s:
                await asyncio.sleep(answer.delay_s)
            reply = answer.reply
            if reply is None or answer.behaviour.name in {"accept-then-drop", "close", "refuse-stream"}:
                break
            headers = [*reply.headers.items(), ("content-length", str(len(reply.body)))]
            for event in (
                h11.Response(status_code=reply.status, headers=headers),
                h11.Data(data=reply.body),
                h11.EndOfMessage(),
            ):
                writer.write(connection.send(event) or b"")
            await writer.drain()
            if connection.our_state is h11.MUST_CLOSE:
                break
            connection.start_next_cycle()
    writer.close()


async def _next(number: int, connection: h11.Connection, reader: asyncio.StreamReader) -> Request | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        match event:
            case h11.NEED_DATA:
                data = await reader.read(_READ)
                if not data and head is None:
                    return None
                connection.receive_data(data)
            case h11.Request():
                head = event
            case h11.Data():
                body += event.data
            case h11.EndOfMessage() if head is not None:
                headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
                return Request(
                    head.method.decode(), head.target.decode(), headers.get("host", ""), headers, bytes(body), number
                )
            case _:
                return None
