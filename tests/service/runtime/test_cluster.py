"""Asking servers of a cluster for its slots, one of which lets clients in and says nothing."""

import asyncio
from contextlib import suppress

from firewalker.runtime.cluster import TAGS, parse

ANSWER = b"*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$8\r\n10.0.0.1\r\n:6379\r\n$1\r\na\r\n"
OK = b"+OK\r\n"


async def test_a_server_that_says_nothing_holds_up_nobody_and_its_connection_is_closed() -> None:
    asked, closed = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        with suppress(ConnectionError):
            await reader.read(-1)
        closed.set()
        writer.close()

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while words := await reader.read(1_000):
                writer.write(OK * words.count(b"SETINFO") + ANSWER * words.count(b"SLOTS"))
        writer.close()

    servers = [await asyncio.start_server(serve, "127.0.0.1", 0) for serve in (silent, answering)]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    cluster = parse("redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in ports))
    assert cluster is not None
    try:
        async with asyncio.timeout(60):
            while not asked.is_set():  # in any order
                assert await cluster.primary(TAGS[0]) == ("10.0.0.1", 6379)
            await closed.wait()
    finally:
        for server in servers:
            server.close()
