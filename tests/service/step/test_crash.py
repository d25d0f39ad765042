"""kill -9 at any moment loses nothing that was acknowledged: of the step service, and of MySQL under it."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from firewalker.kernel.ids import new_uuid7
from firewalker.local.secrets import Secrets, make_secrets
from firewalker.local.servers import PrivateServers
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.migrations import migrate
from tests.support.crashing import crashing, signer_of
from tests.support.databases import run_on

METHOD = "/firewalker.step.v1.StepService/TrackSteps"
TrackStepsRequest = message_class("firewalker.step.v1.TrackStepsRequest")
TrackStepsResponse = message_class("firewalker.step.v1.TrackStepsResponse")
TODAY = datetime.now(UTC).date()
WALKERS, ROUNDS = 20, 3
SOON = [(f"grpc.{which}_reconnect_backoff_ms", 200) for which in ("initial", "min", "max")]
"""Connect again quickly."""


class Ledger:
    """What was acknowledged, on disk before anything else happens: a line of user, hour and steps each."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a")
        self.path = path

    def note(self, user: str, hour: int, steps: int) -> None:
        self._file.write(f"{user} {hour} {steps}\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    def highest(self) -> dict[tuple[str, int], int]:
        highest: dict[tuple[str, int], int] = {}
        for line in self.path.read_text().splitlines():
            user, hour, steps = line.split()
            key = user, int(hour)
            highest[key] = max(highest.get(key, 0), int(steps))
        return highest


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with contextlib.closing(Ledger(tmp_path / "ledger")) as ledger:
        yield ledger


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    return make_secrets(tmp_path / "secrets")


async def lost(ledger: Ledger, mysql_url: str) -> list[tuple[str, int, int]]:
    """Entries of the ledger above what is stored."""
    columns = ",".join(f"h{hour:02d}" for hour in range(24))
    rows = await run_on(mysql_url, f"SELECT LOWER(HEX(user_id)), {columns} FROM day_device")  # noqa: S608
    stored = {str(row[0]): row[1:] for row in rows}
    nothing = (0,) * 24
    return [
        (user, hour, steps)
        for (user, hour), steps in ledger.highest().items()
        if int(str(stored.get(user, nothing)[hour])) < steps
    ]


async def walk(port: int, metadata: Any, user: str, ledger: Ledger, stop: asyncio.Event) -> None:
    """Stream rising counts and note what is acknowledged; come back after every loss and go on."""
    chance = random.Random(user)
    counts = [0] * 24
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=SOON) as channel:
        while not stop.is_set():
            call = channel.stream_stream(METHOD, TrackStepsRequest.SerializeToString, TrackStepsResponse.FromString)(
                metadata=metadata, wait_for_ready=True
            )
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                while not stop.is_set():
                    hours = chance.sample(range(24), 3)
                    for hour in hours:
                        counts[hour] += chance.randint(1, 20)
                    message = TrackStepsRequest(
                        readings=[
                            {"device_id": "phone", "date": str(TODAY), "hour": hour, "steps": counts[hour]}
                            for hour in hours
                        ]
                    )
                    await call.write(message)
                    answer = await call.read()
                    if answer is grpc.aio.EOF:
                        break
                    assert len(answer.results) == 3
                    assert all(result.verdict in {1, 2} for result in answer.results)
                    for hour in hours:
                        ledger.note(user, hour, counts[hour])
            call.cancel()


@contextlib.asynccontextmanager
async def walking(port: int, secrets: Secrets, ledger: Ledger) -> AsyncIterator[Callable[[], int]]:
    """Walkers on the move in the block; calling what it gives tells how many lines the ledger has."""
    stop = asyncio.Event()
    users = [new_uuid7() for _ in range(WALKERS)]
    signer = signer_of(secrets)
    tasks = [
        asyncio.create_task(
            walk(port, [("authorization", f"Bearer {signer.token(sub=str(user))}")], user.hex, ledger, stop)
        )
        for user in users
    ]
    try:
        yield lambda: ledger.path.read_text().count("\n")
    finally:
        stop.set()
        done, late = await asyncio.wait(tasks, timeout=60)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    for task in done:
        task.result()


async def more(count: Callable[[], int], task_s: float = 60.0) -> None:
    """Wait until some more was acknowledged."""
    goal = count() + 10 * WALKERS
    async with asyncio.timeout(task_s):
        while count() < goal:  # noqa: ASYNC110 - a file is asked
            await asyncio.sleep(0.01)


@pytest.mark.requirement("DATA-25")
async def test_kill_9_of_the_service_loses_nothing_acknowledged(
    mysql_url: str, redis_url: str, tmp_path: Path, secrets: Secrets, ledger: Ledger
) -> None:
    await migrate(mysql_url, files("firewalker.step.store") / "schema")
    with crashing("step", mysql_url, redis_url, secrets, tmp_path / "log") as service:
        async with walking(service.port, secrets, ledger) as count:
            for _ in range(ROUNDS):
                await more(count)
                service.end(signal.SIGKILL)
                assert await lost(ledger, mysql_url) == []
                service.start()
            await more(count)
    assert await lost(ledger, mysql_url) == []


async def test_sigterm_answers_what_was_taken_and_ends_with_0(
    mysql_url: str, redis_url: str, tmp_path: Path, secrets: Secrets, ledger: Ledger
) -> None:
    await migrate(mysql_url, files("firewalker.step.store") / "schema")
    with crashing("step", mysql_url, redis_url, secrets, tmp_path / "log") as service:
        async with walking(service.port, secrets, ledger) as count:
            await more(count)
            assert await asyncio.to_thread(service.end, signal.SIGTERM) == 0
            assert await lost(ledger, mysql_url) == []
            service.start()
            await more(count)


@pytest.mark.requirement("DATA-25")
async def test_kill_9_of_mysql_loses_nothing_acknowledged(tmp_path: Path, secrets: Secrets, ledger: Ledger) -> None:
    with PrivateServers.start(tmp_path / "servers", databases=("step",)) as servers:
        mysql_url = servers.mysql_url("step")
        await migrate(mysql_url, files("firewalker.step.store") / "schema")
        with crashing("step", mysql_url, servers.redis_url(), secrets, tmp_path / "log") as service:
            async with walking(service.port, secrets, ledger) as count:
                for _ in range(ROUNDS):
                    await more(count)
                    servers.mysql.kill()
                    await asyncio.sleep(0.1)  # let the service meet it
                    servers.mysql.start()
                    assert await lost(ledger, mysql_url) == []
                await more(count)
        assert await lost(ledger, mysql_url) == []
