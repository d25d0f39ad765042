import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime

import pytest

from firewalker.kernel.faults import DatabaseUnavailable, DeadlineExceeded, InvalidRequest
from firewalker.kernel.ids import EventId, new_uuid7
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox import Outbox, OutboxEvent, Relay, SinkFailed, inspection
from firewalker.runtime.outbox.lane import LEASE_S, Lane, Row, Taken
from firewalker.runtime.outbox.rounds import LATE_PROBES
from tests.support.databases import run_on
from tests.support.outboxes import make_outbox
from tests.support.waiting import until, until_true


class Sink:
    """Remembers what arrived, and fails as told."""

    def __init__(self) -> None:
        self.sent: list[Sequence[bytes]] = []
        self.seen: list[bytes] = []
        self.poison: set[bytes] = set()
        self.away = False
        self.bugs: set[bytes] | None = set()
        """Over which it fails; None: over any."""
        self.slow: set[bytes] | None = set()
        """For which it takes too long; None: for any."""
        self.on_arrival: Callable[[], None] = lambda: None
        self.hold: asyncio.Event | None = None
        self.arrived = asyncio.Event()

    async def deliver(self, payloads: Sequence[bytes]) -> None:
        self.sent.append(payloads)
        if self.away:
            raise DatabaseUnavailable
        if self.slow is None or self.slow & set(payloads):
            raise DeadlineExceeded
        if self.bugs is None or self.bugs & set(payloads):
            raise SinkFailed
        if self.poison & set(payloads):
            raise InvalidRequest
        self.seen += payloads
        self.arrived.set()
        self.on_arrival()
        if self.hold is not None:
            await self.hold.wait()

    @property
    def unique(self) -> list[bytes]:
        return list(dict.fromkeys(self.seen))


@pytest.fixture
async def url(mysql_url: str) -> str:
    await make_outbox(mysql_url)
    return mysql_url


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    async with Database(url, pool_size=6) as database:
        yield database


def event(name: str) -> OutboxEvent:
    return OutboxEvent(EventId(new_uuid7()), "Tested", name.encode(), datetime.now(UTC), new_uuid7())


async def append(db: Database, outbox: Outbox, *names: str) -> None:
    async with db.transaction() as tx:
        await outbox.append(tx, [event(name) for name in names])


async def left(db: Database) -> int:
    async with db.reading() as tx:
        return int((await tx.one("SELECT COUNT(*) FROM outbox"))[0])


async def emptied(db: Database) -> None:
    for _ in range(1_000):
        if not await left(db):
            return
        await asyncio.sleep(0.005)
    pytest.fail("something is left")


async def test_events_reach_each_destination_in_order_and_are_gone_then(db: Database) -> None:
    outbox, sinks = Outbox("step", "notification"), {"step": Sink(), "notification": Sink()}
    relay = Relay(db, sinks, outbox)
    names = [f"{n}" for n in range(250)]
    await append(db, outbox, *names)
    await relay.start()
    await emptied(db)
    await relay.stop()
    for sink in sinks.values():
        assert sink.seen == [name.encode() for name in names]


async def test_an_event_leaves_within_100_ms_of_its_commit(db: Database) -> None:
    outbox, sink = Outbox("step"), Sink()
    relay = Relay(db, {"step": sink}, outbox)
    await relay.start()
    await append(db, outbox, "first")
    await until(lambda: sink.seen)
    await emptied(db)
    loop = asyncio.get_running_loop()
    slowest = 0.0
    for number in range(10):
        sink.arrived.clear()
        await append(db, outbox, str(number))
        began = loop.time()
        await asyncio.wait_for(sink.arrived.wait(), 60)
        slowest = max(slowest, loop.time() - began)
    await relay.stop()
    assert slowest < 0.1


@pytest.mark.requirement("DLV-01")
async def test_a_rolled_back_change_leaves_no_event_and_wakes_nobody(db: Database) -> None:
    outbox, woken = Outbox("step"), []
    outbox.on_wake(lambda _: woken.append(1))
    with pytest.raises(ZeroDivisionError):
        async with db.transaction() as tx:
            await outbox.append(tx, [event("never")])
            raise ZeroDivisionError
    assert (await left(db), woken) == (0, [])
    await append(db, outbox, "once")
    assert (await left(db), woken) == (1, [1])


async def test_several_relays_on_one_table_keep_the_order_and_deliver_everything(db: Database, url: str) -> None:
    outbox, sink = Outbox("step"), Sink()
    async with Database(url, pool_size=4) as other, Database(url, pool_size=4) as third:
        relays = [Relay(db, {"step": sink}, outbox), Relay(other, {"step": sink}, outbox), Relay(third, {"step": sink})]
        for relay in relays:
            await relay.start()
        names = [f"{n}" for n in range(400)]
        for at in range(0, 400, 4):
            await append(db, outbox, *names[at : at + 4])
        await emptied(db)
        for relay in relays:
            await relay.stop()
    assert sink.unique == [name.encode() for name in names]
    assert len(sink.seen) == 400


async def test_an_event_committed_elsewhere_is_found_by_looking(db: Database) -> None:
    sink = Sink()
    relay = Relay(db, {"step": sink})
    await relay.start()
    await append(db, Outbox("step"), "elsewhere")
    await until(lambda: sink.seen, within_s=60)
    await relay.stop()


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
async def test_a_refused_event_holds_up_nobody_and_is_set_aside_in_the_end(
    db: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firewalker.runtime.outbox.lane.MAX_ATTEMPTS", 3)
    outbox, sink = Outbox("step"), Sink()
    sink.poison = {b"bad"}
    relay = Relay(db, {"step": sink}, outbox)
    await append(db, outbox, "one", "bad", "two")
    await relay.start()
    await until(lambda: sink.seen == [b"one", b"two"])
    lane = Lane(db, "step")
    for _ in range(500):
        if (await lane.counts()).set_aside:
            break
        await run_on(url, "UPDATE outbox SET due_time = CURRENT_TIMESTAMP(3)")  # time passes
        relay.wake()
        await asyncio.sleep(0.01)
    assert (await lane.counts())[:2] == (0, 1)
    assert await run_on(url, "SELECT attempts, last_error FROM outbox") == [(3, "INVALID_REQUEST")]
    sink.poison = set()
    assert await lane.replay() == 1
    relay.wake()
    await emptied(db)
    await relay.stop()
    assert sink.seen == [b"one", b"two", b"bad"]


async def test_a_destination_that_is_away_blames_no_event_and_does_not_hold_up_others(db: Database, url: str) -> None:
    outbox, away, well = Outbox("step", "notification"), Sink(), Sink()
    away.away = True
    relay = Relay(db, {"step": away, "notification": well}, outbox)
    await relay.start()
    await append(db, outbox, "a", "b")
    await until(lambda: well.seen == [b"a", b"b"])
    await until(lambda: relay._lanes["step"]._troubles >= 3)
    assert await run_on(url, "SELECT DISTINCT destination, attempts, set_aside FROM outbox") == [("step", 0, 0)]
    away.away = False
    await until(lambda: away.seen == [b"a", b"b"])
    await relay.stop()


async def test_what_waits_for_a_destination_that_is_away_is_told_of(
    db: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firewalker.runtime.outbox.relay._COUNT_EVERY_S", 0.02)
    outbox, sink = Outbox("away"), Sink()
    sink.away = True
    await append(db, outbox, "a", "b")
    await run_on(url, "UPDATE outbox SET create_time = create_time - INTERVAL 90 SECOND")
    relay = Relay(db, {"away": sink}, outbox)
    await relay.start()

    def told(name: str) -> float | None:
        return REGISTRY.get_sample_value(f"firewalker_outbox_{name}", {"destination": "away"})

    await until(lambda: (told("oldest_seconds") or 0) > 60, 5)
    assert told("waiting") == 2
    sink.away = False
    await until(lambda: told("waiting") == 0)
    await relay.stop()


@pytest.mark.requirement("DLV-14")
async def test_stopping_finishes_the_delivery_under_way_and_gives_up_the_lane(db: Database, url: str) -> None:
    outbox, sink = Outbox("step"), Sink()
    sink.hold = asyncio.Event()
    relay = Relay(db, {"step": sink}, outbox)
    await append(db, outbox, "a")
    await relay.start()
    await until(lambda: sink.seen)
    stopping = asyncio.create_task(relay.stop())
    await asyncio.sleep(0)
    assert not stopping.done()
    sink.hold.set()
    await stopping
    assert await left(db) == 0
    assert await run_on(url, "SELECT owner FROM outbox_lane") == [(None,)]


async def hurried(url: str, relay: Relay) -> None:
    """Time passes, as far as delayed rows are concerned."""
    await run_on(url, "UPDATE outbox SET due_time = CURRENT_TIMESTAMP(3)")
    relay.wake()
    await asyncio.sleep(0.02)


@pytest.mark.requirement("DLV-04")
async def test_a_receiver_that_fails_over_everything_has_no_event_set_aside(
    db: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firewalker.runtime.outbox.lane.MAX_ATTEMPTS", 2)
    monkeypatch.setattr("firewalker.runtime.outbox.relay._LONGEST_PAUSE_S", 0.02)
    outbox, sink = Outbox("step"), Sink()
    sink.bugs = None
    relay = Relay(db, {"step": sink}, outbox)
    names = [f"{number}" for number in range(30)]
    await append(db, outbox, *names)
    await relay.start()
    for _ in range(20):
        await hurried(url, relay)
    assert (await Lane(db, "step").counts())[:2] == (30, 0)
    sink.bugs = set()
    for _ in range(100):
        if not await left(db):
            break
        await hurried(url, relay)
    await relay.stop()
    assert sorted(sink.unique) == sorted(name.encode() for name in names)


@pytest.mark.requirement("DLV-04")
@pytest.mark.parametrize("together", [True, False])
async def test_an_event_over_which_a_receiver_fails_that_takes_others_is_set_aside(
    db: Database,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    together: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setattr("firewalker.runtime.outbox.lane.MAX_ATTEMPTS", 2)
    monkeypatch.setattr("firewalker.runtime.outbox.relay._LONGEST_PAUSE_S", 0.02)
    outbox, sink, lane = Outbox("step"), Sink(), Lane(db, "step")
    sink.bugs = {b"bad"}
    relay = Relay(db, {"step": sink}, outbox)
    await append(db, outbox, "bad", *(["good"] if together else []))
    await relay.start()
    for number in range(100):
        if (await lane.counts()).set_aside:
            break
        await append(db, outbox, f"other {number}")
        await hurried(url, relay)
    await until(lambda: b"other 0" in sink.seen)
    await relay.stop()
    assert (await lane.counts()).set_aside == 1
    [state] = await inspection.look(url)
    assert (state.destination, [reason[:3] for reason in state.reasons]) == (
        "step",
        [("Tested", "EVENT_SINK_FAILED", 1)],
    )
    with pytest.raises(LookupError):
        await inspection.replay(url, "nowhere")
    assert await inspection.replay(url) == {"step": 1}
    assert (await lane.counts()).set_aside == 0


@pytest.mark.requirement("DLV-04")
async def test_an_event_that_takes_too_long_holds_up_nobody_and_is_set_aside_in_the_end(
    db: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firewalker.runtime.outbox.lane.MAX_ATTEMPTS", 3)
    monkeypatch.setattr("firewalker.runtime.outbox.relay._LONGEST_PAUSE_S", 0.02)
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
    monkeypatch.setattr("firewalker.runtime.outbox.lane.MAX_ATTEMPTS", 2)
    monkeypatch.setattr("firewalker.runtime.outbox.relay._LONGEST_PAUSE_S", 0.02)
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
    monkeypatch.setattr("firewalker.runtime.outbox.lane.MAX_ATTEMPTS", 2)
    monkeypatch.setattr("firewalker.runtime.outbox.relay._LONGEST_PAUSE_S", 0.02)
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


async def test_a_database_without_an_outbox_has_no_lanes(mysql_url: str) -> None:
    assert await inspection.look(mysql_url) == []


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


async def test_trouble_of_long_ago_does_not_slow_down_the_next_delivery(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firewalker.runtime.outbox.relay.POLL_S", 0.01)
    relay = Relay(db, {"step": Sink()}, Outbox("step"))
    worker = relay._lanes["step"]
    worker._troubles = 7
    await relay.start()
    await until(lambda: worker._troubles == 0)
    await relay.stop()
