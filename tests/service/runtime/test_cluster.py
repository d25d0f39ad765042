"""Asking servers of a cluster for its slots, one of which lets clients in and says nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

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


async def test_who_connects_while_others_do_is_told_what_those_found() -> None:
    questions = 0

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal questions
        with suppress(ConnectionError):
            while words := await reader.read(1_000):
                questions += words.count(b"SLOTS")
                writer.write(OK * words.count(b"SETINFO") + ANSWER * words.count(b"SLOTS"))
        writer.close()

    server = await asyncio.start_server(answering, "127.0.0.1", 0)
    cluster = parse(f"redis+cluster://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert cluster is not None
    leaving = asyncio.create_task(cluster.primary(TAGS[0]))
    await asyncio.sleep(0)
    staying = [asyncio.create_task(cluster.primary(tag)) for tag in TAGS]
    await asyncio.sleep(0)
    leaving.cancel()
    assert set(await asyncio.gather(*staying)) == {("10.0.0.1", 6379)}
    assert questions == 1
    assert await cluster.primary(TAGS[0]) == ("10.0.0.1", 6379)  # who comes later asks anew
    assert questions == 2
    server.close()


@pytest.mark.requirement("DATA-35")
@pytest.mark.parametrize("known", [b"*0\r\n", ANSWER.replace(b":16383", b":100")], ids=["none", "few"])
async def test_a_server_that_knows_no_slots_or_few_does_not_answer_for_the_cluster(known: bytes) -> None:
    asked = 0

    def telling(answer: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked
            with suppress(ConnectionError):
                while words := await reader.read(1_000):
                    asked += answer == known and b"SLOTS" in words
                    writer.write(OK * words.count(b"SETINFO") + answer * words.count(b"SLOTS"))
            writer.close()

        return serve

    servers = [await asyncio.start_server(telling(answer), "127.0.0.1", 0) for answer in (known, ANSWER)]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    cluster = parse("redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in ports))
    assert cluster is not None
    try:
        async with asyncio.timeout(60):
            while asked < 3:  # in any order
                assert await cluster.primary(TAGS[0]) == ("10.0.0.1", 6379)
        servers[1].close()
        if known == b"*0\r\n":
            with pytest.raises(RedisConnectionError):
                await cluster.primary(TAGS[0])
    finally:
        for server in servers:
            server.close()
