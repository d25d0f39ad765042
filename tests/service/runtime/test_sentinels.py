"""A primary that dies, and Sentinels that put another in its place: clients find it by themselves."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from firewalker.runtime import sentinels
from firewalker.runtime.redis import RedisUnavailable, calling, connect, connect_blocking
from tests.support.waiting import until, until_true
from tests.support.watched_redis import watched_redis


async def test_clients_follow_the_primary(tmp_path: Path) -> None:
    async with watched_redis(tmp_path) as redis:
        client, listener = connect(redis.url), connect_blocking(redis.url, longest_block_s=0.5)
        async with calling():
            await client.set("kept", b"1")
            await client.wait(1, 400)
        heard: list[bytes] = []

        async def listen() -> None:
            cursor: bytes | str = "0"
            while True:
                try:
                    async with calling():
                        answer: Any = await listener.xread({"news": cursor}, block=100)
                        for _, entries in answer:
                            cursor = entries[-1][0]
                            heard.extend(fields[b"n"] for _, fields in entries)
                except RedisUnavailable:
                    await asyncio.sleep(0.05)

        async def tell(number: bytes) -> bool:
            try:
                async with calling():
                    await client.xadd("news", {"n": number})
            except RedisUnavailable:
                return False
            return True

        listening = asyncio.create_task(listen())
        assert await tell(b"before")
        await until(lambda: heard == [b"before"])
        before = await redis.primary()
        # The one that is asked first goes too: the others are asked then.
        await redis.kill(redis.sentinels[2])
        await redis.kill(before)
        await until_true(lambda: tell(b"after"))
        assert await client.get("kept") == b"1"
        await until(lambda: b"after" in heard)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        assert await redis.primary() != before
        for each in (client, listener):
            await each.aclose()


async def test_who_is_cancelled_while_a_question_is_closed_leaves_no_connection_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a call is that its caller gives up, and whose time is up in the next moment."""
    begun, closed, close = asyncio.Event(), list[Redis](), Redis.aclose

    async def slowly(client: Redis) -> None:
        begun.set()
        await asyncio.sleep(0.05)
        await close(client)
        closed.append(client)

    async with watched_redis(tmp_path) as redis:
        _, watching = sentinels.parse(redis.url)
        assert watching is not None
        monkeypatch.setattr(Redis, "aclose", slowly)
        asking = asyncio.create_task(watching.primary())
        await begun.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert asking.cancelled()
        await until(lambda: closed)


async def test_without_any_sentinel_redis_is_unavailable() -> None:
    client = connect("redis+sentinel://127.0.0.1:1,127.0.0.1:2/firewalker")
    with pytest.raises(RedisUnavailable):
        async with calling():
            await client.ping()
    await client.aclose()
