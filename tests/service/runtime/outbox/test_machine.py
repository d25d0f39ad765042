"""Relays that come, go and die, of this release and of one that knows no shares: what is about the same arrives in order.

FIREWALKER_TEST_RELAYS sets the number of examples.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from random import Random
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from firewalker.kernel.faults import InvalidRequest
from firewalker.kernel.ids import EventId, new_uuid7
from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox import Outbox, OutboxEvent, Relay
from firewalker.runtime.outbox.gate import TOGETHER
from tests.support.databases import Servers, fresh_database, run_on
from tests.support.outboxes import make_outbox
from tests.support.waiting import until_true

EXAMPLES = int(os.environ.get("FIREWALKER_TEST_RELAYS", "8"))
STEPS = 15
MOST = 3
"""Relays at the same time."""

REFUSED = 0.2
"""Part of the deliveries of several events."""

PEOPLE = [UUID(bytes=bytes(15) + bytes([number])) for number in (0, 1, 8)]
"""The first and the last share a lane."""


class Receiver:
    """Takes events in some time after they were sent, and answers some time after that; or wants them one by one."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.brought_twice: set[bytes] = set()
        """At the same moment."""
        self._under_way: set[bytes] = set()
        self._random = Random(1)

    async def deliver(self, payloads: Sequence[bytes]) -> None:
        if len(payloads) > 1 and self._random.random() < REFUSED:
            raise InvalidRequest
        self.brought_twice |= self._under_way & set(payloads)
        self._under_way |= set(payloads)
        try:
            await asyncio.sleep(self._random.uniform(0, 0.004))
            self.seen += payloads
            await asyncio.sleep(self._random.uniform(0, 0.004))
        finally:
            self._under_way -= set(payloads)


class Deliveries(RuleBasedStateMachine):
    """Everything is told as ``person:number``."""

    runner: ClassVar[asyncio.Runner]
    database: ClassVar[Database]
    url: ClassVar[str]

    @initialize()
    def begin(self) -> None:
        self.receiver = Receiver()
        self.told: dict[int, int] = defaultdict(int)
        self.relays: list[tuple[Relay, bool]] = []
        self.run(run_on(self.url, "DELETE FROM outbox", "DELETE FROM outbox_lane"))

    @rule(people=st.lists(st.integers(0, len(PEOPLE) - 1), min_size=1, max_size=6), older=st.booleans())
    def a_process_writes(self, people: list[int], older: bool) -> None:  # noqa: FBT001
        self.run(self.write(people, older=older))

    @precondition(lambda self: len(self.relays) < MOST)
    @rule(older=st.booleans())
    def a_relay_starts(self, older: bool) -> None:  # noqa: FBT001
        relay = Relay(self.database, {"step": self.receiver}, split=[] if older else ["step"])
        self.relays.append((relay, older))
        self.run(relay.start())

    @precondition(lambda self: self.relays)
    @rule(which=st.integers(0, MOST - 1))
    def a_relay_stops(self, which: int) -> None:
        self.run(self.relays.pop(which % len(self.relays))[0].stop())

    @precondition(lambda self: self.relays)
    @rule(which=st.integers(0, MOST - 1))
    def a_relay_dies(self, which: int) -> None:
        self.run(self.kill(which % len(self.relays)))

    @rule(ms=st.integers(0, 30))
    def time_passes(self, ms: int) -> None:
        self.run(asyncio.sleep(ms / 1000))

    def teardown(self) -> None:
        if not hasattr(self, "relays"):
            return
        self.run(self.end())
        arrived: dict[int, list[int]] = defaultdict(list)
        for name in dict.fromkeys(self.receiver.seen):
            person, number = map(int, name.split(b":"))
            arrived[person].append(number)
        assert not self.receiver.brought_twice
        assert arrived == {person: list(range(count)) for person, count in self.told.items()}

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    async def write(self, people: Sequence[int], *, older: bool) -> None:
        events = []
        for person in people:
            name = f"{person}:{self.told[person]}"
            self.told[person] += 1
            events.append(OutboxEvent(EventId(new_uuid7()), "Tested", name.encode(), datetime.now(UTC), PEOPLE[person]))
        async with self.database.transaction() as tx:
            await Outbox("step").append(tx, events)
            if older:
                statement = "UPDATE outbox SET share = 0, about_id = '' WHERE event_id = %s"
                for event in events:
                    await tx.execute(statement, (event.event_id,))

    async def kill(self, which: int) -> None:
        """As kill -9; then time passes until its leases have run out."""
        relay, older = self.relays.pop(which)
        for task in relay._tasks:
            task.cancel()
        await asyncio.gather(*relay._tasks, return_exceptions=True)
        owners = [worker.lane._owner for worker in relay._lanes.values()]
        if not older and all(other for _, other in self.relays):
            owners.append(TOGETHER)
        async with self.database.transaction() as tx:
            for owner in owners:
                await tx.execute("UPDATE outbox_lane SET lease_until = CURRENT_TIMESTAMP(3) WHERE owner = %s", (owner,))

    async def end(self) -> None:
        """Whatever is left is delivered by those who are there, and one of this release."""
        last = Relay(self.database, {"step": self.receiver}, split=["step"])
        self.relays.append((last, False))
        await last.start()
        await until_true(self.emptied)
        for relay, _ in self.relays:
            await relay.stop()

    async def emptied(self) -> bool:
        return not await run_on(self.url, "SELECT 1 FROM outbox LIMIT 1")


@pytest.mark.requirement("DLV-02", "DLV-03")
def test_what_is_about_the_same_arrives_in_order_whoever_delivers(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    paces = {"POLL_S": 0.02, "BUSY_POLL_S": 0.005, "LEAVE_S": 0.005, "TURN_S": 0.03}
    for name, seconds in paces.items():
        monkeypatch.setattr(f"firewalker.runtime.outbox.relay.{name}", seconds)
    monkeypatch.setattr("firewalker.runtime.outbox.delivery.GATHER_S", 0.002)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def opened() -> tuple[str, Database]:
            url = await stack.enter_async_context(fresh_database(servers))
            await make_outbox(url)
            return url, await stack.enter_async_context(Database(url, pool_size=10))

        Deliveries.runner = runner
        Deliveries.url, Deliveries.database = runner.run(opened())
        try:
            run_state_machine_as_test(
                Deliveries,
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(stack.aclose())
