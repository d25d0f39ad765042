"""A Redis that answers and does nothing: a replica by now, one whose disk is full, a cluster. It is as good as away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from firewalker.kernel.ids import new_uuid7
from firewalker.runtime.redis import RedisUnavailable, calling, connect
from firewalker.step.domain.day import to_ms
from firewalker.step.domain.reading import Counted
from tests.service.step.conftest import Process
from tests.support.waiting import until

TODAY = datetime.now(UTC).date()

REFUSALS = (
    b"-READONLY You can't write against a read only replica.",
    b"-MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist to disk.",
    b"-MOVED 3999 127.0.0.1:1",
)
CLUSTERDOWN = b"-CLUSTERDOWN Hash slot not served"


class Refusing(NamedTuple):
    """A server that answers every command with the same error, but lets clients in."""

    port: int
    commands: list[int]
    """How many each connection has sent."""


@pytest.fixture
async def refusing(request: pytest.FixtureRequest) -> AsyncIterator[Refusing]:
    commands: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(commands)
        commands.append(0)
        try:
            while True:
                count = int((await reader.readuntil(b"\r\n"))[1:])
                words = []
                for _ in range(count):
                    length = int((await reader.readuntil(b"\r\n"))[1:])
                    words.append((await reader.readexactly(length + 2))[:-2])
                letting_in = words[0].upper() in {b"CLIENT", b"SELECT"}
                commands[number] += not letting_in
                writer.write((b"+OK" if letting_in else request.param) + b"\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield Refusing(server.sockets[0].getsockname()[1], commands)
    server.close()


@pytest.mark.requirement("DATA-35")
@pytest.mark.parametrize("refusing", REFUSALS, indirect=True, ids=lambda refusal: refusal.split()[0][1:].decode())
async def test_readings_are_taken_and_read_by_mysql(
    start_process: Callable[..., Awaitable[Process]], refusing: Refusing
) -> None:
    process = await start_process(redis=f"redis://127.0.0.1:{refusing.port}/0")
    user = new_uuid7().bytes
    for steps in (700, 900):
        reading = Counted(TODAY, "phone", 9, steps, to_ms(datetime.now(UTC)), 1, late=False)
        assert (await process.ingest.record(user, [reading])).totals == {TODAY: steps}
        assert (await process.live.read(TODAY, [user]))[user].total == steps
    await until(lambda: process.live.parts[0].writer.behind)
    assert not process.live.parts[0].rebuilder.trusted


@pytest.mark.requirement("DATA-35")
@pytest.mark.parametrize("refusing", [REFUSALS[0], REFUSALS[-1], CLUSTERDOWN], indirect=True)
async def test_a_server_that_serves_no_more_is_left(refusing: Refusing) -> None:
    """The name may lead to another one by now."""
    client = connect(f"redis://127.0.0.1:{refusing.port}/0")
    for _ in range(5):
        with pytest.raises(RedisUnavailable):
            async with calling():
                await client.get("key")
    await client.aclose()
    assert refusing.commands == [1] * 5
