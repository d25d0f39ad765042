"""Whatever FCM, the network and the clocks do: every push arrives, none twice without cause, none too early."""

import asyncio
import random
from datetime import datetime, timedelta

import pytest

from firewalker.kernel.ids import new_uuid7
from tests.service.notification.conftest import Office, event
from tests.support.push_ledger import examine
from tests.support.waiting import until

ANSWERS = ("503", "503:45", "500", "502", "quota-device:75", "quota-device", "empty", "slow:.05")
FRAMES = (
    "accept-then-drop", "accept-then-partial", "accept-then-reset", "refuse-stream", "goaway-before", "goaway-at",
    "goaway-mid", "goaway-data", "goaway-after", "drip", "close",
)  # fmt: skip


async def told(office: Office, count: int) -> list[str]:
    """Tell *count* people of something that does not expire soon; the ids of their notifications."""
    people = [new_uuid7() for _ in range(count)]
    for number, user in enumerate(people):
        await office.register(user, f"phone {number}", token=f"token-number-{number:04}")
    events = [event(office.clock.now(), security_noticed={"user_id": str(user), "kind": 2}) for user in people]
    for start in range(0, count, 100):
        await office.tell(*events[start : start + 100])
    return [e.event_id for e in events]


async def in_the_end(office: Office, ids: list[str]) -> None:
    """Let time pass, until nothing waits any more: neither to be sent nor to be tried again."""
    for turn in range(400):
        ((left, due),) = await office.sql("SELECT COUNT(*), MIN(due_time) FROM delivery WHERE state = 'QUEUED'")
        if left == 0 and {record.nid for record in office.google.accepted} >= set(ids):
            return
        # What met many connections at their ends is tried again after minutes, in the end after an hour.
        until_due = (due - office.clock.now()).total_seconds() if isinstance(due, datetime) else 0
        office.advance(max(30, until_due))
        office.wake()
        # What is due is mostly done within this; what is not is done in the next half minute. A busy machine gets more and more.
        for _ in range(10 + turn):
            waiting = await office.sql("SELECT COUNT(*) FROM delivery WHERE due_time <= %s", office.clock.now())
            if waiting == [(0,)]:
                break
            await asyncio.sleep(0.01)
    states = await office.sql(
        "SELECT state, last_error, attempts, COUNT(*) FROM delivery GROUP BY state, last_error, attempts"
    )
    raise AssertionError(f"it never ends: {states}")


@pytest.mark.requirement("FCM-06", "FCM-07", "FCM-10", "FCM-11")
@pytest.mark.parametrize("faults", [ANSWERS, FRAMES], ids=["answers", "frames"])
async def test_nothing_is_lost_doubled_or_early(office: Office, faults: tuple[str, ...]) -> None:
    # Each of them befalls three people, twice in a row; others are under way at the same time.
    script = {f"token-number-{n * 5:04}": [faults[n % len(faults)]] * 2 + ["ok"] for n in range(3 * len(faults))}
    office.google.fcm.script.load({"targets": script})
    ids = await told(office, 5 * len(script))
    await in_the_end(office, ids)
    found = examine(ids, office.google.records)
    assert not found, found
    outcomes = {record.outcome for record in office.google.records}
    assert "exceeded_max_concurrent_streams" not in outcomes
    assert len(office.google.records) >= len(ids) + len(script)


@pytest.mark.requirement("FCM-07", "FCM-08")
async def test_a_spent_quota_slows_all_down_and_loses_nothing(office: Office) -> None:
    ids = await told(office, 1)
    await in_the_end(office, ids)
    office.google.fcm.script.load({"quota_a_minute": 20, "retry_after": "70"})
    ids += await told(office, 40)
    await until(lambda: any(record.outcome == "quota" for record in office.google.records))
    await in_the_end(office, ids)
    found = examine(ids, office.google.records)
    assert not found, found


async def test_clocks_that_jump_lose_nothing(office: Office) -> None:
    office.google.fcm.script.load({"every": [{"n": 3, "do": "503"}]})
    dice = random.Random(7)
    ids = await told(office, 20)
    for _ in range(12):
        office.advance(dice.uniform(5, 90))
        if dice.random() < 0.4:
            office.clock.set_back(timedelta(seconds=dice.uniform(1, 30)))
        office.wake()
        await office.settled()
    await in_the_end(office, ids)
    found = examine(ids, office.google.records)
    assert (found.lost, found.invented, found.doubled, found.stacked) == ([], [], [], [])


@pytest.mark.requirement("FCM-02", "FCM-17")
async def test_a_revoked_access_token_is_replaced_once(office: Office) -> None:
    ids = await told(office, 5)
    await in_the_end(office, ids)
    asked = office.google.fcm.tokens.asked
    office.google.fcm.tokens.revoke_all()
    ids += await told(office, 60)
    await in_the_end(office, ids)
    assert not examine(ids, office.google.records)
    assert office.google.fcm.tokens.asked == asked + 1
