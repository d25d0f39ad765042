"""Shares of all walkers, as a cluster has them: the same in Python, in SQL and in the keys."""

import asyncio
from datetime import UTC, datetime, timedelta

from firewalker.kernel.ids import new_uuid7
from firewalker.step.domain.day import to_ms
from firewalker.step.domain.reading import Counted
from firewalker.step.live.shares import bucket_of, share_of, shares
from firewalker.step.store import days
from tests.service.step.conftest import Process

TODAY = datetime.now(UTC).date()
OF = len(shares("redis+cluster://one"))


async def test_every_walker_is_in_one_share_and_sql_agrees_on_which(process: Process) -> None:
    users = [new_uuid7().bytes[:-1] + bytes([last]) for last in range(0, 256, 5)]
    reading = Counted(TODAY, "phone", 9, 100, to_ms(datetime.now(UTC)), 1, late=False)
    await asyncio.gather(*(process.ingest.record(user, [reading]) for user in users))
    since = datetime.now(UTC) - timedelta(hours=1)
    for number in range(OF):
        mine = sorted(user for user in users if share_of(user, OF) == number)
        async with process.database.reading() as tx:
            share = (number, OF)
            assert await days.list_users(tx, TODAY, share=share) == mine
            assert await days.list_users(tx, TODAY, share=share, raised_since=since) == mine
            assert await days.list_users(tx, TODAY, share=share, after=mine[0], limit=1) == mine[1:2]


def test_all_users_of_a_bucket_are_in_one_share() -> None:
    ends = [bytes(14) + number.to_bytes(2, "big") for number in range(0x10000)]
    assert len({(bucket_of(end), share_of(end, OF)) for end in ends}) == 4_096
    assert {share_of(end, 1) for end in ends} == {0}
