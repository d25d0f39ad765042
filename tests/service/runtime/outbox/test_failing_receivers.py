"""Receivers that refuse, fail or are away: nobody else waits, and what is to blame is set aside."""

import asyncio

import pytest

from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox import Outbox, Relay, inspection
from firewalker.runtime.outbox.lane import Lane
from tests.support.databases import run_on
from tests.support.outboxes import Sink, append, emptied, give_up_after, hurried, left
from tests.support.waiting import until


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


@pytest.mark.requirement("DLV-04")
async def test_a_receiver_that_fails_over_everything_has_no_event_set_aside(
    db: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_up_after(monkeypatch, 2)
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
    give_up_after(monkeypatch, 2)
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
