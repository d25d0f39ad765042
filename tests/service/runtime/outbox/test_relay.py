"""Events from their transaction to each destination, in order, soon, and once they are committed."""

import asyncio

import pytest

from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox import Outbox, Relay, inspection
from tests.support.databases import run_on
from tests.support.outboxes import Sink, append, emptied, event, left
from tests.support.waiting import until


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


async def test_a_database_without_an_outbox_has_no_lanes(mysql_url: str) -> None:
    assert await inspection.look(mysql_url) == []


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
