"""A server of a Redis Cluster that gives channels away when a test says so, and tells those who have subscribed to them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class MovingRedis:
    """Lets clients in and subscribe. `move` has it end all subscriptions, as one does whose slot went to another server."""

    def __init__(self) -> None:
        self.url = ""
        self.subscriptions = 0
        """How many there have been, each over a connection of its own."""
        self._subscribers: dict[asyncio.StreamWriter, bytes] = {}

    async def move(self) -> None:
        """Tell all who have subscribed, unasked, that they have no more."""
        for writer, channel in self._subscribers.items():
            writer.write(_message(b"sunsubscribe", channel, 0))
            await writer.drain()
        self._subscribers.clear()

    async def publish(self, data: bytes) -> None:
        """Send *data* to all who have subscribed."""
        for writer, channel in self._subscribers.items():
            writer.write(_message(b"smessage", channel, data))
            await writer.drain()

    @property
    def subscribers(self) -> int:
        """How many are subscribed now."""
        return len(self._subscribers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it ends."""
        try:
            while True:
                command, *words = await _command(reader)
                if command.upper() == b"SSUBSCRIBE":
                    self.subscriptions += 1
                    self._subscribers[writer] = words[0]
                    writer.write(_message(b"ssubscribe", words[0], 1))
                elif command.upper() == b"PING":
                    writer.write(_message(b"pong", words[0] if words else b""))
                else:
                    writer.write(b"+OK\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._subscribers.pop(writer, None)
            writer.close()


@asynccontextmanager
async def moving_redis() -> AsyncIterator[MovingRedis]:
    """One that runs during the block."""
    moving = MovingRedis()
    server = await asyncio.start_server(moving.serve, "127.0.0.1", 0)
    moving.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    try:
        yield moving
    finally:
        server.close()


async def _command(reader: asyncio.StreamReader) -> list[bytes]:
    words = []
    for _ in range(int((await reader.readuntil(b"\r\n"))[1:])):
        length = int((await reader.readuntil(b"\r\n"))[1:])
        words.append((await reader.readexactly(length + 2))[:-2])
    return words


def _message(*parts: bytes | int) -> bytes:
    told = b"".join(
        b":%d\r\n" % part if isinstance(part, int) else b"$%d\r\n%b\r\n" % (len(part), part) for part in parts
    )
    return b"*%d\r\n%b" % (len(parts), told)
