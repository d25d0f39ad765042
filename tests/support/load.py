"""Load for a server: as many kept-alive HTTP/1.1 connections as asked for, each sending its next request when answered."""

from __future__ import annotations

import asyncio
from itertools import count

CONNECTIONS = 8


async def keep_busy(port: int, target: str, body: bytes, *, requests: int, connections: int = CONNECTIONS) -> None:
    """Send *requests* in all; every answer must be a 200."""
    head = f"{'POST' if body else 'GET'} {target} HTTP/1.1\r\nhost: x\r\n"
    if body:
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
    message = head.encode() + b"\r\n" + body
    numbers = count()

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while next(numbers) < requests:
            writer.write(message)
            status, *lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
            assert b" 200 " in status, status
            headers = dict(line.split(b": ", 1) for line in lines if line)
            if b"content-length" in headers:
                await reader.readexactly(int(headers[b"content-length"]))
            else:
                while size := int(await reader.readline(), 16):
                    await reader.readexactly(size + 2)
                await reader.readline()
        writer.close()

    await asyncio.gather(*(connection() for _ in range(connections)))
