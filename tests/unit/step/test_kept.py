"""What is kept of walkers: read once, dropped, outdated, dropped while it is read, bounded."""

import asyncio

import pytest

from firewalker.kernel.faults import DatabaseUnavailable
from firewalker.kernel.ids import UserId, new_uuid7
from firewalker.step.usecases.kept import Kept
from tests.support.clock import FakeClock
from tests.support.waiting import until

ANN, BEN, CHO = (UserId(new_uuid7()) for _ in range(3))
TRUSTED_S = 60.0


class Shelf:
    """Values that name their walker and count how often that one was read; unknown are those who are *new*."""

    def __init__(self, *, most: int = 100, new: frozenset[UserId] = frozenset()) -> None:
        self.clock = FakeClock()
        self.new = set(new)
        self.met: list[UserId] = []
        self.gates: list[asyncio.Event] = []
        self.gated = self.broken = False
        self._reads: dict[UserId, int] = {}
        self.kept: Kept[tuple[UserId, int]] = Kept(
            self._read,
            known=lambda value: value[0] not in self.new,
            meet=self._meet,
            trusted_s=lambda _: TRUSTED_S,
            size=lambda value: 2 if value[0] == BEN else 1,
            most=most,
            monotonic=self.clock.monotonic,
        )

    async def _read(self, user: UserId) -> tuple[UserId, int]:
        self._reads[user] = count = self._reads.get(user, 0) + 1
        if self.gated:
            self.gates.append(gate := asyncio.Event())
            await gate.wait()
        if self.broken:
            raise DatabaseUnavailable
        return user, count

    async def _meet(self, user: UserId) -> bool:
        self.met.append(user)
        self.new.discard(user)
        self.kept.drop([user.bytes])  # as the news do
        return True

    async def reads(self, user: UserId) -> int:
        return (await self.kept.of(user))[1]


async def test_a_value_is_used_until_it_is_dropped_or_too_old() -> None:
    shelf = Shelf()
    value = await shelf.kept.of(ANN)
    assert await shelf.kept.of(ANN) is value
    assert shelf.kept.holds(ANN, value)
    shelf.kept.drop([ANN.bytes, BEN.bytes])
    assert not shelf.kept.holds(ANN, value)
    assert await shelf.reads(ANN) == 2
    shelf.clock.advance(TRUSTED_S)
    assert await shelf.reads(ANN) == 2
    shelf.clock.advance(0.001)
    assert await shelf.reads(ANN) == 3
    shelf.kept.drop_all()
    assert await shelf.reads(ANN) == 4


@pytest.mark.parametrize("everything", [True, False])
async def test_what_is_dropped_while_it_is_read_is_answered_and_not_kept(*, everything: bool) -> None:
    shelf = Shelf()
    shelf.gated = True
    asking = asyncio.create_task(shelf.kept.of(ANN))
    await until(lambda: shelf.gates)
    if everything:
        shelf.kept.drop_all()
    else:
        shelf.kept.drop([ANN.bytes])
    shelf.gates[0].set()
    value = await asking
    assert value == (ANN, 1)
    assert not shelf.kept.holds(ANN, value)
    shelf.gated = False
    assert [await shelf.reads(ANN) for _ in range(2)] == [2, 2]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_of_two_who_read_at_once_the_later_reading_is_kept(order: tuple[int, int]) -> None:
    shelf = Shelf()
    shelf.gated = True
    asking = [asyncio.create_task(shelf.kept.of(ANN)) for _ in range(2)]
    await until(lambda: len(shelf.gates) == 2)
    for number in order:
        shelf.gates[number].set()
        assert (await asking[number])[1] == number + 1
    assert await shelf.reads(ANN) == 2


async def test_who_begins_to_read_after_a_drop_keeps_what_was_read_though_an_older_reading_ends_later() -> None:
    shelf = Shelf()
    shelf.gated = True
    older = asyncio.create_task(shelf.kept.of(ANN))
    await until(lambda: len(shelf.gates) == 1)
    shelf.kept.drop([ANN.bytes])
    newer = asyncio.create_task(shelf.kept.of(ANN))
    await until(lambda: len(shelf.gates) == 2)
    for gate, asking in zip(reversed(shelf.gates), (newer, older), strict=True):
        gate.set()
        await asking
    assert shelf.kept.holds(ANN, newer.result())
    assert await shelf.reads(ANN) == 2


async def test_a_newcomer_is_met_and_read_again_whatever_the_news_drop() -> None:
    shelf = Shelf(new=frozenset({ANN}))
    assert [await shelf.reads(ANN) for _ in range(2)] == [2, 2]
    assert shelf.met == [ANN]


async def test_what_cannot_be_read_leaves_nothing_behind() -> None:
    shelf = Shelf()
    shelf.broken = True
    with pytest.raises(DatabaseUnavailable):
        await shelf.kept.of(ANN)
    assert shelf.kept._reading == {}
    shelf.broken = False
    assert [await shelf.reads(ANN) for _ in range(2)] == [2, 2]


async def test_those_asked_for_longest_ago_go_first_and_the_newest_stays_whatever_its_size() -> None:
    shelf = Shelf(most=3)
    values = {user: await shelf.kept.of(user) for user in (ANN, CHO, ANN, BEN)}
    assert [shelf.kept.holds(user, value) for user, value in values.items()] == [True, False, True]
    tight = Shelf(most=1)
    assert [await tight.reads(user) for user in (ANN, BEN, BEN, ANN)] == [1, 1, 1, 2]
