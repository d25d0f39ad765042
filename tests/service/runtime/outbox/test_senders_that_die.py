"""Relays that die, stall or lose their lane: what they did is done again, and what they died of is not."""

import asyncio
from collections.abc import Sequence

import pytest

from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox import Outbox, Relay
from firewalker.runtime.outbox.lane import LEASE_S, Lane, Row, Taken
from tests.support.databases import run_on
from tests.support.outboxes import Sink, append, emptied, left
from tests.support.waiting import until, until_true


@pytest.mark.requirement("DLV-03")
async def test_what_a_dead_relay_had_delivered_but_not_marked_is_delivered_again(
    db: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firewalker.runtime.outbox.lane.LEASE_S", 1)
    outbox, sink = Outbox("step"), Sink()
    sink.hold = asyncio.Event()
    async with Database(url) as dying:
        doomed = Relay(dying, {"step": sink})
        await append(db, outbox, "a", "b", "c")
        await doomed.start()
        await until(lambda: sink.seen)
        for task in doomed._tasks:  # as kill -9 between delivery and mark
            task.cancel()
        await asyncio.gather(*doomed._tasks, return_exceptions=True)
    assert await left(db) == 3
    sink.hold = None
    heir = Relay(db, {"step": sink}, outbox)
    await heir.start()
    await emptied(db)
    await heir.stop()
    assert sink.unique == [b"a", b"b", b"c"]
    assert len(sink.seen) == 6


@pytest.mark.requirement("DLV-04")
async def test_an_event_that_whoever_delivers_it_dies_of_is_set_aside_without_being_tried_again(
    db: Database, url: str
) -> None:
    outbox, sink = Outbox("step"), Sink()
    await append(db, outbox, "deadly", "one")
    # Ten processes died while they tried it; the last one left its lease.
    await run_on(
        url,
        "UPDATE outbox SET attempts = 10 WHERE payload = 'deadly'",
        "INSERT INTO outbox_lane (destination, owner, lease_until) VALUES ('step', REPEAT('x', 16), '2020-01-01')",
    )
    relay = Relay(db, {"step": sink}, outbox)
    await relay.start()
    async with asyncio.timeout(60):
        while not (await Lane(db, "step").counts()).set_aside:  # noqa: ASYNC110 - MySQL tells no event
            await asyncio.sleep(0.01)
    await relay.stop()
    assert sink.seen == [b"one"]
    assert await run_on(url, "SELECT payload, last_error FROM outbox") == [(b"deadly", "ENDED_ITS_SENDER")]


@pytest.mark.requirement("DLV-04")
async def test_an_event_that_was_tried_too_often_is_not_sent_while_nothing_else_arrives(db: Database, url: str) -> None:
    outbox, sink = Outbox("step"), Sink()
    sink.away = True
    await append(db, outbox, "deadly", "one")
    await run_on(url, "UPDATE outbox SET attempts = 10 WHERE payload = 'deadly'")
    relay = Relay(db, {"step": sink}, outbox)
    await relay.start()
    await until(lambda: relay._lanes["step"]._troubles >= 3)
    assert (await Lane(db, "step").counts())[:2] == (2, 0)
    sink.away = False
    await until_true(lambda: _has_set_aside(db))
    await relay.stop()
    assert {name for names in sink.sent for name in names} == {b"one"}
    assert await run_on(url, "SELECT payload, last_error FROM outbox") == [(b"deadly", "ENDED_ITS_SENDER")]


async def _has_set_aside(db: Database) -> bool:
    return (await Lane(db, "step").counts()).set_aside > 0


@pytest.mark.requirement("DLV-04")
async def test_what_a_sender_may_have_died_of_goes_alone_also_if_the_receiver_was_away_at_first(
    db: Database, url: str
) -> None:
    outbox, sink = Outbox("step"), Sink()
    sink.away = True
    await append(db, outbox, "a", "b", "c")
    await run_on(
        url, "INSERT INTO outbox_lane (destination, owner, lease_until) VALUES ('step', REPEAT('x', 16), '2020-01-01')"
    )
    relay = Relay(db, {"step": sink}, outbox)
    await relay.start()
    await until(lambda: relay._lanes["step"]._troubles >= 3)
    await relay.stop()
    assert await run_on(url, "SELECT owner IS NULL FROM outbox_lane") == [(0,)]
    await expire(url)
    heir = Relay(db, {"step": sink}, outbox)
    await heir.start()
    await until(lambda: heir._lanes["step"]._troubles >= 3)
    sink.away = False
    await emptied(db)
    assert sink.seen == [b"a", b"b", b"c"]
    assert {len(names) for names in sink.sent} == {1}
    await append(db, outbox, "d", "e")
    await emptied(db)
    await heir.stop()
    assert sink.sent[-1] == [b"d", b"e"]
    assert await run_on(url, "SELECT owner FROM outbox_lane") == [(None,)]


async def expire(url: str) -> None:
    await run_on(url, "UPDATE outbox_lane SET lease_until = CURRENT_TIMESTAMP(3) - INTERVAL 1 SECOND")


@pytest.mark.requirement("DLV-03")
async def test_who_lost_the_lane_does_not_take_it_back(db: Database, url: str) -> None:
    await append(db, Outbox("step"), "a", "b")
    stalled, heir = Lane(db, "step"), Lane(db, "step")
    await stalled.prepare()
    first = await stalled.take()
    await expire(url)
    assert await heir.take() is not None
    assert first is not None
    assert not await stalled.begin_attempt(first.rows[0])
    assert not await stalled.finish(first.rows[0])
    assert await stalled.take() is None
    taken = await heir.take()
    assert taken is not None
    assert [(row.payload, row.attempts) for row in taken.rows] == [(b"b", 0)]


@pytest.mark.requirement("DLV-03")
async def test_a_relay_that_was_stopped_for_longer_than_its_lease_delivers_nothing_more(
    db: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox, sink, heir = Outbox("step"), Sink(), Lane(db, "step")
    sink.poison = {b"bad"}
    take = Lane.take

    async def slow(lane: Lane, delivered: Sequence[Row] = ()) -> Taken | None:
        """As if the process was stopped after it got its rows, until another had them."""
        taken = await take(lane, delivered)
        if lane is relay._lanes["step"].lane and taken is not None and taken.rows:
            lane._ours_until -= LEASE_S
            await expire(url)
            assert await take(heir) is not None
            stopped.set()
        return taken

    stopped = asyncio.Event()
    relay = Relay(db, {"step": sink}, outbox)
    monkeypatch.setattr(Lane, "take", slow)
    await append(db, outbox, "a", "bad", "b")
    await relay.start()
    await asyncio.wait_for(stopped.wait(), 60)
    await asyncio.sleep(0.2)
    await relay.stop()
    assert sink.seen == []
    assert await left(db) == 3
