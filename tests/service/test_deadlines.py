"""A call's deadline reaches the database: work that nobody waits for is stopped there, or never begun."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import grpc
import pytest

from firewalker.kernel.faults import DeadlineExceeded
from firewalker.runtime import deadline
from firewalker.runtime.grpc.edge import Edge
from firewalker.runtime.grpc.measures import CallMeasures
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.runtime.mysql import Database
from firewalker.runtime.mysql.address import Address
from tests.service.grpc.doors import RECORD, RecordStepsRequest, RecordStepsResponse, StepDoor
from tests.service.grpc.raw import RawClient, framed, grpc_headers
from tests.support.databases import run_on
from tests.support.proxy import fault_proxy
from tests.support.waiting import until

pytestmark = pytest.mark.alone

SLOW = "SELECT SLEEP(30) AS deadline_test"
RUNNING = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%AS deadline_test' AND db = DATABASE()"


class SlowDoor(StepDoor):
    """RecordSteps that asks a database which takes half a minute."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.on_record = self._ask
        self.begun = 0
        self.left_s: float | None = None

    async def _ask(self, request: Any) -> Any:
        del request
        self.left_s = deadline.remaining()
        self.begun += 1
        async with self.database.reading() as tx:
            await tx.one(SLOW)
        return RecordStepsResponse()


class Wire(list[bytes]):
    """What goes to the database."""

    def note(self, data: bytes) -> bool:
        self.append(data)
        return False

    @property
    def asked(self) -> int:
        """How often the slow statement went there."""
        return sum(SLOW.encode() in data for data in self)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def door(mysql_url: str, wire: Wire, tmp_path: Path) -> AsyncIterator[SlowDoor]:
    address = Address.parse(mysql_url)
    async with fault_proxy(address.unix_socket or (address.host, address.port), tmp_path / "s") as proxy:
        proxy.set(cut_before=wire.note)
        url = f"{mysql_url.partition('?')[0]}?unix_socket={quote(str(proxy.listen), safe='')}"
        async with Database(url, pool_size=2) as database:
            yield SlowDoor(database)


@pytest.fixture
async def channel(door: SlowDoor) -> AsyncIterator[grpc.aio.Channel]:
    async with (
        GrpcServer([door], Edge(measures=CallMeasures())) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        await channel.channel_ready()
        yield channel


def record(channel: grpc.aio.Channel, **options: Any) -> Any:
    return channel.unary_unary(RECORD, RecordStepsRequest.SerializeToString)(RecordStepsRequest(), **options)


async def running(mysql_url: str) -> int:
    ((count,),) = await run_on(mysql_url, RUNNING)
    assert isinstance(count, int)
    return count


@pytest.mark.requirement("NET-30")
async def test_a_statement_ends_within_100_ms_of_the_deadline_of_its_call(
    door: SlowDoor, channel: grpc.aio.Channel, mysql_url: str
) -> None:
    async with door.database.reading() as tx:
        await tx.one("SELECT 1")  # connected: this is not about the first connection
    began = time.monotonic()
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await record(channel, timeout=0.05)
    assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    while await running(mysql_url):
        # 50 ms of the call, 100 ms for the statement; the rest is this busy machine's.
        assert time.monotonic() - began < 0.05 + 0.1 + 0.15
        await asyncio.sleep(0.005)
    assert door.left_s is not None
    assert door.left_s <= 0.06  # grpcio rounds up


@pytest.mark.requirement("NET-30")
async def test_a_call_that_has_expired_reaches_no_door(door: SlowDoor) -> None:
    async with (
        GrpcServer([door], Edge(measures=CallMeasures())) as server,
        RawClient(server.port) as client,
    ):
        for sent in ("0n", "1n"):
            stream = await client.request(grpc_headers(RECORD, ("grpc-timeout", sent)), framed(b""))
            assert (await client.ended(stream))["grpc-status"] == "4"
    assert door.begun == 0


@pytest.mark.requirement("NET-30")
async def test_a_use_case_past_its_deadline_sends_no_statement(door: SlowDoor, wire: Wire) -> None:
    async with door.database.reading() as tx:
        await tx.one("SELECT 1")
    wire.clear()
    with deadline.deadline(0.0), pytest.raises(DeadlineExceeded):
        await door._ask(None)
    assert wire.asked == 0


@pytest.mark.requirement("NET-30")
async def test_a_client_that_leaves_takes_its_statement_along(
    wire: Wire, channel: grpc.aio.Channel, mysql_url: str
) -> None:
    call = record(channel, timeout=60)
    asked = asyncio.ensure_future(call)
    await until(lambda: wire.asked)
    call.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    limit = time.monotonic() + 2
    while await running(mysql_url):
        assert time.monotonic() < limit
        await asyncio.sleep(0.01)
