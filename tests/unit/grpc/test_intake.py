"""Turns of a connection: nothing is lost or reordered, and others have theirs in between."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from firewalker.runtime.grpc.intake import Intake
from tests.support.waiting import until


class Protocol:
    """Works on bytes; *events* is how many each share makes."""

    def __init__(self, events: int) -> None:
        self.shares: list[bytes] = []
        self.settled: list[bool] = []
        self._events = events
        self.intake = Intake(self._work, lambda: self.settled.append(self.intake.pending))

    def _work(self, data: bytes) -> int:
        self.shares.append(data)
        return self._events


async def test_little_is_worked_on_at_once() -> None:
    protocol = Protocol(1)
    protocol.intake.take(b"x" * 100)
    assert protocol.shares == [b"x" * 100]
    assert protocol.settled == []


async def test_much_is_worked_on_in_turns_and_reading_waits_meanwhile() -> None:
    protocol = Protocol(100)
    turns = 0

    def other() -> None:
        nonlocal turns
        turns += 1
        if protocol.intake.pending:
            asyncio.get_running_loop().call_soon(other)

    protocol.intake.take(b"x" * 100_000)
    other()
    assert len(protocol.shares) == 1
    await until(lambda: not protocol.intake.pending)
    assert b"".join(protocol.shares) == b"x" * 100_000
    assert max(map(len, protocol.shares)) <= 512
    assert turns >= len(protocol.shares) - 1
    assert (protocol.settled[0], protocol.settled[-1]) == (True, False)


async def test_bulk_gets_larger_turns() -> None:
    protocol = Protocol(1)
    protocol.intake.take(b"x" * 100_000)
    await until(lambda: not protocol.intake.pending)
    assert max(map(len, protocol.shares)) == 16_384


async def test_a_turn_is_as_long_as_its_work_not_as_its_bytes() -> None:
    protocol = Protocol(15)
    for size in (512, 1_024, 2_048, 4_096):
        protocol.intake.take(b"x" * size)
    assert list(map(len, protocol.shares)) == [512, 1_024, 2_048, 4_096]


async def test_what_is_dropped_is_not_worked_on() -> None:
    protocol = Protocol(100)
    protocol.intake.take(b"x" * 100_000)
    protocol.intake.drop()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sum(map(len, protocol.shares)) == 512


@given(pieces=st.lists(st.binary(min_size=1, max_size=40_000), max_size=5), events=st.integers(0, 20))
def test_nothing_is_lost_or_reordered(pieces: list[bytes], events: int) -> None:
    async def scenario() -> None:
        protocol = Protocol(events)
        for piece in pieces:
            protocol.intake.take(piece)
        await until(lambda: not protocol.intake.pending)
        assert b"".join(protocol.shares) == b"".join(pieces)

    asyncio.run(scenario())
