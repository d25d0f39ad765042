"""Groups kept in memory: what is read is kept, whoever else reads it at the same moment."""

import asyncio
from datetime import UTC, datetime
from typing import cast

from firewalker.kernel.ids import UserId, new_uuid7
from firewalker.runtime.mysql import Database
from firewalker.step.domain.circle import Person
from firewalker.step.domain.group import GroupId, Stay
from firewalker.step.domain.period import Period
from firewalker.step.usecases.group_circles import GroupCircles, _Kept
from tests.support.waiting import until


class Slow(GroupCircles):
    """Reads when it is let."""

    def __init__(self) -> None:
        super().__init__(cast("Database", None), heard=lambda: True)
        self.reads: list[asyncio.Event] = []

    async def _load(self, key: tuple[bytes, bytes], now: float) -> _Kept:
        self.reads.append(gate := asyncio.Event())
        await gate.wait()
        stay = Stay(datetime(2026, 1, 1, tzinfo=UTC), None)
        return _Kept("Walkers", Person(key[1], ""), (), {key[1]: [stay]}, now)


async def test_a_group_that_several_ask_for_at_once_is_kept() -> None:
    circles, viewer, group = Slow(), UserId(new_uuid7()), GroupId(new_uuid7())
    first, second = (asyncio.create_task(circles.of(viewer, group, Period.DAY, None)) for _ in range(2))
    await until(lambda: len(circles.reads) == 2)
    for gate, asking in zip(circles.reads, (first, second), strict=True):
        gate.set()
        await asking
    async with asyncio.timeout(60):
        await circles.of(viewer, group, Period.DAY, None)
    assert len(circles.reads) == 2
