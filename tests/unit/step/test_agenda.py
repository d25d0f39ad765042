"""One timer for many things."""

import asyncio
from collections.abc import Callable
from math import inf

import pytest
from structlog.testing import capture_logs

from firewalker.step.boards.agenda import FEWEST_DEAD, MAX_PER_TURN, MAX_TURN_S, Agenda
from tests.support.clock import FakeClock
from tests.support.waiting import until


class Item:
    def __init__(self, done: Callable[[float], None]) -> None:
        self.due = inf
        self._done = done

    def fall_due(self, now: float) -> None:
        self._done(now)


def test_an_item_is_looked_at_once_at_the_earliest_of_its_times() -> None:
    clock, seen = FakeClock(), list[float]()
    agenda, item = Agenda(clock.monotonic), Item(seen.append)
    start = clock.monotonic()
    agenda.put(item, start + 5)
    agenda.put(item, start + 2)
    agenda.put(item, start + 9)
    agenda.turn()
    assert seen == []
    clock.advance(2)
    agenda.turn()
    clock.advance(20)
    agenda.turn()
    assert seen == [start + 2]
    assert item.due == inf


def test_the_loop_gets_a_turn_between_many_items() -> None:
    clock, seen = FakeClock(), list[float]()
    agenda = Agenda(clock.monotonic)
    for _ in range(MAX_PER_TURN + 1):
        agenda.put(Item(seen.append), clock.monotonic())
    agenda.turn()
    assert len(seen) == MAX_PER_TURN
    agenda.turn()
    assert len(seen) == MAX_PER_TURN + 1


def test_a_broken_item_is_logged_and_the_others_have_their_time() -> None:
    clock, seen = FakeClock(), list[float]()
    agenda = Agenda(clock.monotonic)

    def break_down(_: float) -> None:
        raise ZeroDivisionError

    agenda.put(Item(break_down), clock.monotonic())
    agenda.put(Item(seen.append), clock.monotonic())
    with capture_logs() as logs:
        agenda.turn()
    assert len(seen) == 1
    assert [line["event"] for line in logs] == ["agenda_item_failed"]


def test_a_turn_is_over_after_its_time_and_the_next_goes_on() -> None:
    clock, seen = FakeClock(), list[float]()
    agenda = Agenda(clock.monotonic)

    def take_time(now: float) -> None:
        seen.append(now)
        clock.advance(MAX_TURN_S * 0.6)

    for _ in range(5):
        agenda.put(Item(take_time), clock.monotonic())
    turns = []
    while len(agenda):
        agenda.turn()
        turns.append(len(seen))
    assert turns == [2, 4, 5]


async def test_once_started_it_follows_the_loop_and_what_is_put_from_inside() -> None:
    loop, seen = asyncio.get_running_loop(), list[float]()
    agenda = Agenda(loop.time)
    second = Item(seen.append)
    agenda.put(Item(lambda now: agenda.put(second, now + 0.02)), loop.time() + 0.02)
    agenda.start()
    began = loop.time()
    await until(lambda: seen)
    assert seen[0] - began > 0.03
    agenda.stop()


@pytest.mark.parametrize("stop_first", [True, False])
async def test_a_stopped_agenda_calls_nothing(stop_first: bool) -> None:  # noqa: FBT001
    loop, seen = asyncio.get_running_loop(), list[float]()
    agenda, item = Agenda(loop.time), Item(seen.append)
    agenda.start()
    if stop_first:
        agenda.stop()
        agenda.put(item, loop.time())
    else:
        agenda.put(item, loop.time())
        agenda.stop()
    await asyncio.sleep(0.02)
    assert seen == []


def test_what_is_discarded_is_not_looked_at_and_may_come_back() -> None:
    clock, seen = FakeClock(), list[float]()
    agenda, item = Agenda(clock.monotonic), Item(seen.append)
    agenda.put(item, clock.monotonic() + 1)
    agenda.discard(item)
    agenda.discard(item)
    clock.advance(2)
    agenda.turn()
    assert seen == []
    agenda.put(item, clock.monotonic() + 1)
    clock.advance(2)
    agenda.turn()
    assert len(seen) == 1


def test_discarded_and_superseded_items_never_fill_more_than_half_of_it() -> None:
    clock, seen = FakeClock(), list[float]()
    agenda = Agenda(clock.monotonic)
    kept = [Item(seen.append) for _ in range(100)]
    for item in kept:
        agenda.put(item, clock.monotonic() + 10_000)
    for _ in range(1_000):
        item = Item(seen.append)
        agenda.put(item, clock.monotonic() + 5_000)
        agenda.put(item, clock.monotonic() + 4_000)
        agenda.discard(item)
        assert len(agenda) <= 2 * (100 + 1) + FEWEST_DEAD
    clock.advance(10_000)
    agenda.turn()
    assert len(seen) == 100
