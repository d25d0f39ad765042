"""Databases that have the outbox's tables and no others, and who takes the events in."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import resources

import pytest

from firewalker.kernel.faults import DatabaseUnavailable, DeadlineExceeded, InvalidRequest
from firewalker.kernel.ids import EventId, new_uuid7
from firewalker.runtime.migrations import statements_of
from firewalker.runtime.mysql import Database
from firewalker.runtime.outbox import Outbox, OutboxEvent, Relay, SinkFailed
from tests.support.databases import run_on


async def make_outbox(url: str) -> None:
    """Make them, as the runtime ships them."""
    schema = (resources.files("firewalker.runtime.outbox") / "schema.sql").read_text()
    await run_on(url, *statements_of(schema))


def give_up_after(monkeypatch: pytest.MonkeyPatch, attempts: int) -> None:
    """Events are set aside after *attempts*, and nobody waits for long in between."""
    monkeypatch.setattr("firewalker.runtime.outbox.lane.MAX_ATTEMPTS", attempts)
    monkeypatch.setattr("firewalker.runtime.outbox.relay._LONGEST_PAUSE_S", 0.02)


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


async def hurried(url: str, relay: Relay) -> None:
    """Time passes, as far as delayed rows are concerned."""
    await run_on(url, "UPDATE outbox SET due_time = CURRENT_TIMESTAMP(3)")
    relay.wake()
    await asyncio.sleep(0.02)
