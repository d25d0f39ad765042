import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from firewalker.kernel.faults import DeadlineExceeded
from firewalker.runtime.deadline import deadline
from firewalker.runtime.redis import RedisBusy, RedisUnavailable, calling, connect, connect_blocking
from tests.support.ways import RedisWay, redis_way


@pytest.fixture
async def way(redis_url: str) -> AsyncIterator[RedisWay]:
    async with redis_way(redis_url) as way:
        yield way


@pytest.mark.requirement("TEST-03")
async def test_a_command_whose_answer_is_lost_is_not_sent_again(redis_url: str, way: RedisWay) -> None:
    plain, client = connect(redis_url, "tag"), connect(way.url, "tag")
    way.set(cut_instead_of_answer_to=lambda chunk: b"INCR" in chunk)
    with pytest.raises(RedisUnavailable):
        async with calling():
            await client.incr("{tag}counter")
    assert await plain.get("{tag}counter") == b"1"
    await client.aclose()
    await plain.aclose()


@pytest.mark.alone
async def test_silence_is_noticed_in_time(way: RedisWay) -> None:
    client = connect(way.url)
    await client.ping()
    way.set(black_hole=True)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(RedisUnavailable):
        async with calling(0.05):
            await client.ping()
    assert loop.time() - began < 0.3
    with deadline(0.0), pytest.raises(DeadlineExceeded):
        async with calling():
            await client.ping()
    way.set()
    assert await client.ping()
    await client.aclose()


@pytest.mark.parametrize("url", ["unix:///nowhere/at/all.sock", "redis://127.0.0.1:1/0"])
async def test_no_server_is_one_kind_of_error(url: str) -> None:
    client = connect(url)
    with pytest.raises(RedisUnavailable):
        async with calling():
            await client.ping()
    await client.aclose()


async def test_no_free_connection_is_told_from_no_redis(redis_url: str) -> None:
    client = connect(redis_url, "tag", command_s=5, max_connections=1)

    async def wait() -> None:
        await client.xread({"{tag}nothing": "$"}, block=1_000)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0.02)
    with pytest.raises(RedisBusy):
        async with calling():
            await client.ping()
    await waiting
    async with calling():
        assert await client.ping()
    await client.aclose()


async def test_a_blocking_read_waits_longer_than_a_command(redis_url: str) -> None:
    client = connect_blocking(redis_url, "tag", longest_block_s=1)
    async with calling():
        assert not await client.xread({"{tag}stream": "$"}, block=700)
    await client.aclose()


@pytest.mark.requirement("DATA-34", "TEST-03", "M15")
async def test_cancelled_commands_never_show_one_user_the_answer_of_another(way: RedisWay) -> None:
    rng = random.Random(15)
    client = connect(way.url, "tag", max_connections=4)
    names = [f"{{tag}}user{n}" for n in range(20)]
    for name in names:
        await client.set(name, name)
    way.set(delay_s=0.001)
    wrong, right = [], 0

    async def read(name: str) -> None:
        nonlocal right
        async with calling():
            found = await client.get(name)
        right += 1
        if found != name.encode():
            wrong.append((name, found))

    for _ in range(300):
        tasks = [asyncio.create_task(read(rng.choice(names))) for _ in range(4)]
        await asyncio.sleep(rng.random() * 0.004)
        for task in tasks:
            if rng.random() < 0.5:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert not wrong
    assert right > 100
    await client.aclose()
