import asyncio
from datetime import UTC, datetime, timedelta
from importlib import resources

from firewalker.kernel.ids import EventId, new_uuid7
from firewalker.runtime.inbox import first_time, forget
from firewalker.runtime.migrations import statements_of
from firewalker.runtime.mysql import Database, retried
from tests.support.databases import run_on


def schema() -> list[str]:
    return statements_of((resources.files("firewalker.runtime") / "inbox.sql").read_text())


async def test_an_event_is_new_once(mysql_url: str) -> None:
    await run_on(mysql_url, *schema())
    ids = [EventId(new_uuid7()) for _ in range(5)]
    async with Database(mysql_url) as db:
        async with db.transaction() as tx:
            assert await first_time(tx, []) == set()
            assert await first_time(tx, [*ids[:3], ids[0]]) == set(ids[:3])
        async with db.transaction() as tx:
            assert await first_time(tx, ids) == set(ids[3:])
        async with db.transaction() as tx:
            assert await first_time(tx, ids) == set()
            assert await forget(tx, datetime.now(UTC) + timedelta(minutes=1), limit=4) == 4


async def test_of_two_deliveries_at_once_one_is_the_first(mysql_url: str) -> None:
    await run_on(mysql_url, *schema())
    async with Database(mysql_url, pool_size=8) as db:

        @retried
        async def take_in(ids: list[EventId]) -> int:
            async with db.transaction() as tx:
                return len(await first_time(tx, ids))

        for _ in range(10):
            ids = [EventId(new_uuid7()) for _ in range(20)]
            counts = await asyncio.gather(*(take_in(ids[at:] + ids[:at]) for at in range(0, 20, 4)))
            assert sum(counts) == 20
