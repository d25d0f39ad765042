import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from firewalker.kernel.faults import DeadlineExceeded
from firewalker.runtime.deadline import deadline
from firewalker.runtime.redis import RedisBusy, RedisUnavailable, calling, connect, connect_blocking
from tests.support.proxy import FaultProxy, fault_proxy


@pytest.fixture
async def proxy(redis_url: str, tmp_path: Path) -> AsyncIterator[FaultProxy]:
    parts = urlsplit(redis_url)
    upstream = parts.path if parts.scheme == "unix" else (parts.hostname or "", parts.port or 6379)
    async with fault_proxy(upstream, tmp_path / "s") as proxy:
        yield proxy


def proxied(redis_url: str, proxy: FaultProxy) -> str:
    database = parse_qs(urlsplit(redis_url).query).get("db", ["0"])[0]
    return f"unix://{proxy.listen}?db={database}"


@pytest.mark.requirement("TEST-03")
async def test_a_command_whose_answer_is_lost_is_not_sent_again(redis_url: str, proxy: FaultProxy) -> None:
    plain, client = connect(redis_url), connect(proxied(redis_url, proxy))
    proxy.set(cut_instead_of_answer_to=lambda chunk: b"INCR" in chunk)
    with pytest.raises(RedisUnavailable):
        async with calling():
            await client.incr("counter")
    assert await plain.get("counter") == b"1"
    await client.aclose()
    await plain.aclose()


@pytest.mark.alone
async def test_silence_is_noticed_in_time(redis_url: str, proxy: FaultProxy) -> None:
    client = connect(proxied(redis_url, proxy))
    await client.ping()
    proxy.set(black_hole=True)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(RedisUnavailable):
        async with calling(0.05):
            await client.ping()
    assert loop.time() - began < 0.3
    with deadline(0.0), pytest.raises(DeadlineExceeded):
        async with calling():
            await client.ping()
    proxy.set()
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
    client = connect(redis_url, command_s=5, max_connections=1)

    async def wait() -> None:
        await client.xread({"nothing": "$"}, block=1_000)

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
    client = connect_blocking(redis_url, longest_block_s=1)
    async with calling():
        assert not await client.xread({"stream": "$"}, block=700)
    await client.aclose()


@pytest.mark.requirement("DATA-34", "TEST-03", "M15")
async def test_cancelled_commands_never_show_one_user_the_answer_of_another(redis_url: str, proxy: FaultProxy) -> None:
    rng = random.Random(15)
    client = connect(proxied(redis_url, proxy), max_connections=4)
    names = [f"user{n}" for n in range(20)]
    for name in names:
        await client.set(name, name)
    proxy.set(delay_s=0.001)
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
