"""A destination with a lane for each share: each keeps its order, and none holds up another, or is beside an older release."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest

from firewalker.kernel.faults import DeadlineExceeded, InvalidRequest
from firewalker.kernel.ids import EventId, new_uuid7
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox import Outbox, OutboxEvent, Relay, SinkFailed, inspection
from firewalker.runtime.outbox.gate import Gate
from firewalker.runtime.outbox.lane import Lane
from firewalker.runtime.outbox.shares import ALL, EVERYBODY, SHARES, share_of
from tests.support.databases import run_on
from tests.support.outboxes import give_up_after
from tests.support.waiting import until, until_true

PEOPLE = [UUID(bytes=bytes(15) + bytes([number])) for number in range(SHARES)]
"""One of each share, in their order."""

ANNA, BORA = PEOPLE[:2]


class Sink:
    """Remembers what arrived; holds up, refuses, fails over or is slow with some of it."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.held: set[bytes] = set()
        self.refused: set[bytes] = set()
        self.failing: set[bytes] = set()
        self.slow: set[bytes] = set()
        self.never = asyncio.Event()

    async def deliver(self, payloads: Sequence[bytes]) -> None:
        if self.held & set(payloads):
            await self.never.wait()
        if self.slow & set(payloads):
            raise DeadlineExceeded
        if self.refused & set(payloads):
            raise InvalidRequest
        if self.failing & set(payloads):
            raise SinkFailed
        self.seen += payloads


async def append(db: Database, outbox: Outbox, *facts: tuple[UUID, str]) -> None:
    async with db.transaction() as tx:
        now = datetime.now(UTC)
        events = [OutboxEvent(EventId(new_uuid7()), "Tested", name.encode(), now, about) for about, name in facts]
        await outbox.append(tx, events)


async def left(url: str) -> list[tuple[object, ...]]:
    return await run_on(url, "SELECT payload FROM outbox ORDER BY position")


def test_every_id_has_a_share_and_all_shares_have_ids() -> None:
    assert [share_of(person.bytes) for person in PEOPLE] == [*range(1, SHARES + 1)]
    assert {share_of(new_uuid7().bytes) for _ in range(1_000)} == set(ALL) - {EVERYBODY}


async def test_a_lane_that_gets_no_answer_holds_up_no_other(db: Database, url: str) -> None:
    outbox, sink = Outbox("step"), Sink()
    sink.held = {b"a"}
    relay = Relay(db, {"step": sink}, outbox, split=["step"])
    await relay.start()
    await append(db, outbox, (ANNA, "a"), (BORA, "b"), (ANNA, "c"), (PEOPLE[2], "d"))
    await until(lambda: set(sink.seen) == {b"b", b"d"})
    for number in range(20):
        await append(db, outbox, (BORA, f"b{number}"))
    await until(lambda: sink.seen[-1] == b"b19")
    assert [name for name in sink.seen if name.startswith(b"b")] == [b"b", *(f"b{n}".encode() for n in range(20))]
    sink.held = set()
    sink.never.set()
    await until(lambda: sink.seen[-2:] == [b"a", b"c"])
    await until_true(lambda: _emptied(url))
    await relay.stop()
    assert await run_on(url, "SELECT DISTINCT owner FROM outbox_lane WHERE destination <> 'step'") == [(None,)]


async def _emptied(url: str) -> bool:
    return not await left(url)


@pytest.mark.requirement("DLV-04")
async def test_what_is_set_aside_in_one_lane_is_told_of_and_put_back_for_the_destination(
    db: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_up_after(monkeypatch, 2)
    outbox, sink = Outbox("step"), Sink()
    sink.refused, sink.failing = {b"refused"}, {b"failed"}
    relay = Relay(db, {"step": sink}, outbox, split=["step"])
    await append(db, outbox, (ANNA, "refused"), (BORA, "failed"))
    await relay.start()

    async def all_set_aside() -> bool:
        # What arrives in other lanes speaks against the one over which the receiver fails.
        await append(db, outbox, (PEOPLE[2], "other"))
        await run_on(url, "UPDATE outbox SET due_time = CURRENT_TIMESTAMP(3)")  # time passes
        relay.wake()
        return (await Lane(db, "step").counts()).set_aside == 2

    await until_true(all_set_aside)
    [state] = await inspection.look(url)
    assert state.destination == "step"
    reasons = {(reason.kind, reason.error, reason.facts) for reason in state.reasons}
    assert reasons == {("Tested", "INVALID_REQUEST", 1), ("Tested", "EVENT_SINK_FAILED", 1)}
    told = {
        sample.labels["destination"]
        for metric in REGISTRY.collect()
        if metric.name.startswith("firewalker_outbox")
        for sample in metric.samples
    }
    assert not [name for name in told if "/" in name]
    sink.refused = sink.failing = set()
    assert await inspection.replay(url, "step") == {"step": 2}
    with pytest.raises(LookupError):
        await inspection.replay(url, "step/1")
    await until(lambda: {b"refused", b"failed"} <= set(sink.seen))
    await relay.stop()


async def test_processes_have_lanes_in_turns(db: Database, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("TURN_S", 0.02), ("LEAVE_S", 0.005)):
        monkeypatch.setattr(f"firewalker.runtime.outbox.relay.{name}", seconds)
    outbox, one, other = Outbox("step"), Sink(), Sink()
    async with Database(url) as elsewhere:
        relays = [
            Relay(db, {"step": one}, outbox, split=["step"]),
            Relay(elsewhere, {"step": other}, outbox, split=["step"]),
        ]
        for relay in relays:
            await relay.start()
        number = 0

        async def both_had_it() -> bool:
            nonlocal number
            if len(await left(url)) < 500:
                await append(db, outbox, *((ANNA, f"{number + more}") for more in range(500)))
                number += 500
            return bool(one.seen and other.seen)

        await until_true(both_had_it)
        await until_true(lambda: _emptied(url))
        for relay in relays:
            await relay.stop()
    assert sorted(one.seen + other.seen, key=int) == [f"{n}".encode() for n in range(number)]
    assert one.seen == sorted(one.seen, key=int)
    assert other.seen == sorted(other.seen, key=int)


async def test_what_an_older_release_wrote_is_behind_all_before_it_and_before_all_behind_it(
    db: Database, url: str
) -> None:
    outbox, gate = Outbox("step"), Gate(db, "step")
    lanes = {share: Lane(db, "step", share, gate) for share in (EVERYBODY, 1, 2)}
    for lane in lanes.values():
        await lane.prepare()
    await append(db, outbox, (ANNA, "a"), (BORA, "old"), (ANNA, "b"), (BORA, "c"))
    await run_on(url, "UPDATE outbox SET share = 0, about_id = '' WHERE payload = 'old'")

    async def next_of(share: int) -> list[bytes]:
        taken = await lanes[share].take()
        assert taken is not None
        for row in taken.rows:
            await lanes[share].finish(row)
        return [row.payload for row in taken.rows]

    assert await next_of(2) == []
    assert await next_of(EVERYBODY) == []
    assert await next_of(1) == [b"a"]
    assert await next_of(1) == []
    assert await next_of(2) == []
    assert await next_of(EVERYBODY) == [b"old", b"b", b"c"]


async def test_an_upgrade_does_not_slow_delivery_down(db: Database, url: str) -> None:
    """Processes of both releases write in turns."""
    outbox, sink = Outbox("step"), Sink()
    await append(db, outbox, *zip([ANNA, BORA] * 100, map(str, range(200)), strict=True))
    await run_on(url, "UPDATE outbox SET share = 0, about_id = '' WHERE payload % 3 = 0")
    relay = Relay(db, {"step": sink}, outbox, split=["step"])
    await relay.start()
    await until_true(lambda: _emptied(url), 10)
    await relay.stop()
    for person in (0, 1):
        assert [int(name) for name in sink.seen if int(name) % 2 == person] == [*range(person, 200, 2)]


async def expire(url: str) -> None:
    await run_on(url, "UPDATE outbox_lane SET lease_until = CURRENT_TIMESTAMP(3) - INTERVAL 1 SECOND")


@pytest.mark.requirement("DLV-02", "DLV-03")
async def test_lanes_of_shares_and_a_lane_of_the_whole_destination_keep_off_each_other(db: Database, url: str) -> None:
    """Going to a release with shares, and back."""
    older, gate, other_gate = Lane(db, "step"), Gate(db, "step"), Gate(db, "step")
    lane, other = Lane(db, "step", 1, gate), Lane(db, "step", 2, other_gate)
    for each in (older, lane, other):
        await each.prepare()
    await append(db, Outbox("step"), (ANNA, "a"), (BORA, "b"))
    assert await older.take() is not None
    assert await lane.take() is None
    await expire(url)
    taken = await lane.take()
    assert taken is not None
    assert [row.payload for row in taken.rows] == [b"a"]
    assert await older.take() is None
    assert await other.take() is not None  # another process with shares
    assert await lane.begin_attempt(taken.rows[0])
    await expire(url)
    back = await older.take()
    assert back is not None
    assert [row.payload for row in back.rows] == [b"a", b"b"]
    gate._until = other_gate._until = 0  # so much later
    assert not await lane.begin_attempt(taken.rows[0])
    assert await other.take() is None


@pytest.mark.requirement("DLV-04")
async def test_what_an_older_release_left_and_takes_too_long_holds_up_no_lane_for_good(
    db: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_up_after(monkeypatch, 3)
    outbox, sink = Outbox("step"), Sink()
    sink.slow = {b"old"}
    relay = Relay(db, {"step": sink}, outbox, split=["step"])
    await append(db, outbox, (ANNA, "old"), (ANNA, "a"), (BORA, "b"))
    await run_on(url, "UPDATE outbox SET share = 0, about_id = '' WHERE payload = 'old'")
    await relay.start()
    await until(lambda: set(sink.seen) == {b"a", b"b"})
    await relay.stop()
