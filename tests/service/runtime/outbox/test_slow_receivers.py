"""Receivers that take too long: over single events, over many in a row, over everything."""

import asyncio

import pytest

from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox import Outbox, Relay
from firewalker.runtime.outbox.lane import Lane
from firewalker.runtime.outbox.rounds import LATE_PROBES
from tests.support.databases import run_on
from tests.support.outboxes import Sink, append, emptied, give_up_after, hurried
from tests.support.waiting import until


@pytest.mark.requirement("DLV-04")
async def test_an_event_that_takes_too_long_holds_up_nobody_and_is_set_aside_in_the_end(
    db: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_up_after(monkeypatch, 3)
    outbox, sink, lane = Outbox("step"), Sink(), Lane(db, "step")
    sink.slow = {b"slow"}
    relay = Relay(db, {"step": sink}, outbox)
    await append(db, outbox, "slow", "one", "two")
    await relay.start()
    await until(lambda: sink.seen == [b"one", b"two"], 60)
    async with asyncio.timeout(60):
        while not (await lane.counts()).set_aside:
            await append(db, outbox, "another")
            await hurried(url, relay)
    assert await run_on(url, "SELECT attempts, last_error FROM outbox WHERE set_aside = 1") == [
        (3, "DEADLINE_EXCEEDED")
    ]
    await relay.stop()


@pytest.mark.requirement("DLV-04")
@pytest.mark.parametrize("before", [0, 1])
async def test_many_events_in_a_row_that_take_too_long_hold_up_nobody_and_are_set_aside_in_the_end(
    db: Database, url: str, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    give_up_after(monkeypatch, 2)
    outbox, sink, lane = Outbox("step"), Sink(), Lane(db, "step")
    slow = [f"slow {number}" for number in range(3 * LATE_PROBES)]
    good = [f"good {number}" for number in range(3)]
    sink.slow = {name.encode() for name in slow}
    relay = Relay(db, {"step": sink}, outbox)
    await append(db, outbox, *good[:before], *slow, *good[before:])
    await relay.start()
    await until(lambda: sink.seen == [name.encode() for name in good])
    async with asyncio.timeout(60):
        while (await lane.counts()).set_aside < len(slow):
            await append(db, outbox, "another")
            await hurried(url, relay)
    await relay.stop()
    assert await run_on(url, "SELECT DISTINCT attempts, last_error FROM outbox WHERE set_aside = 1") == [
        (2, "DEADLINE_EXCEEDED")
    ]


@pytest.mark.requirement("DLV-04")
async def test_a_receiver_that_is_slow_with_everything_gets_all_of_it_in_order_later(
    db: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_up_after(monkeypatch, 2)
    outbox, sink = Outbox("step"), Sink()
    sink.slow = None
    relay = Relay(db, {"step": sink}, outbox)
    names = [f"{number}" for number in range(9)]
    await append(db, outbox, *names)
    await relay.start()
    await until(lambda: relay._lanes["step"]._troubles >= 8, 60)
    sink.slow, sink.away = set(), True  # first it is slow, then away
    before = relay._lanes["step"]._troubles
    await until(lambda: relay._lanes["step"]._troubles >= before + 3, 60)
    assert await run_on(url, "SELECT SUM(attempts), SUM(set_aside) FROM outbox") == [(0, 0)]
    sink.away = False
    await emptied(db)
    await relay.stop()
    assert sink.seen == [name.encode() for name in names]


@pytest.mark.requirement("DLV-04")
async def test_what_came_too_late_while_the_receiver_was_slow_goes_next_once_it_is_not(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firewalker.runtime.outbox.delivery.PATIENCE", 1)
    outbox, sink = Outbox("step"), Sink()
    sink.slow = {b"0", b"1"}  # until the first of the others arrives
    relay = Relay(db, {"step": sink}, outbox)
    sink.on_arrival = sink.slow.clear
    await append(db, outbox, *(f"{number}" for number in range(5)))
    await relay.start()
    await emptied(db)
    await relay.stop()
    assert sink.seen == [b"2", b"0", b"1", b"3", b"4"]
