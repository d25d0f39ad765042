"""Turns of a connection: nothing is lost or reordered, others have theirs in between, and suspects wait in one line."""

import asyncio
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from firewalker.runtime.grpc.intake import FEW_FRAMES, MANY_FRAMES, Intake, Line
from tests.support.waiting import until


class Protocol:
    """Works on frames of one byte each."""

    def __init__(self, *, suspect: bool = False, line: Line | None = None, tell: Callable[[], object] = list) -> None:
        self.turns: list[bytes] = []
        self.settled: list[bool] = []
        self.suspect = suspect
        self._rest = b""
        self._tell = tell
        self.intake = Intake(self._work, self._settle, suspect=lambda: self.suspect, line=line or Line())

    def _work(self, data: bytes, frames: int) -> bool:
        self._rest += data
        self.turns.append(self._rest[:frames])
        self._rest = self._rest[frames:]
        self._tell()
        return bool(self._rest)

    def _settle(self) -> None:
        self.settled.append(self.intake.pending)

    @property
    def seen(self) -> bytes:
        return b"".join(self.turns)


async def test_little_is_worked_on_at_once() -> None:
    protocol = Protocol()
    for _ in range(3):
        protocol.intake.take(b"x" * FEW_FRAMES)
    assert protocol.turns == [b"x" * FEW_FRAMES] * 3
    assert protocol.settled == []


async def test_much_is_worked_on_in_turns_and_reading_waits_meanwhile() -> None:
    protocol = Protocol()
    turns = 0

    def other() -> None:
        nonlocal turns
        turns += 1
        if protocol.intake.pending:
            asyncio.get_running_loop().call_soon(other)

    protocol.intake.take(b"x" * 1_000)
    other()
    assert len(protocol.turns) == 1
    await until(lambda: not protocol.intake.pending)
    assert protocol.seen == b"x" * 1_000
    assert turns >= len(protocol.turns) - 1
    assert protocol.settled == [True, False]


async def test_who_sends_without_end_gets_small_turns_until_it_ends() -> None:
    protocol = Protocol()
    protocol.intake.take(b"x" * 1_000)
    await until(lambda: not protocol.intake.pending)
    assert set(map(len, protocol.turns)) == {FEW_FRAMES}
    # There was an end of it.
    protocol.intake.take(b"x" * 1_000)
    assert len(protocol.turns[-1]) == 2 * FEW_FRAMES


async def test_who_always_ends_gets_larger_ones_until_it_is_suspect() -> None:
    protocol = Protocol()
    for _ in range(10):
        protocol.intake.take(b"x")
    protocol.intake.take(b"x" * 1_000)
    assert len(protocol.turns[-1]) == MANY_FRAMES
    protocol.suspect = True
    await asyncio.sleep(0)
    assert len(protocol.turns[-1]) == MANY_FRAMES
    await asyncio.sleep(0)
    assert len(protocol.turns[-1]) == FEW_FRAMES


async def test_suspects_wait_in_one_line() -> None:
    worked = [0]
    line = Line()

    def tell() -> None:
        worked[-1] += 1

    suspects = [Protocol(suspect=True, line=line, tell=tell) for _ in range(10)]
    for one in suspects:
        one.intake.take(b"x" * 3 * FEW_FRAMES)
    # Not even what is little is worked on at once.
    assert worked == [0]
    while any(one.intake.pending for one in suspects):
        worked.append(0)
        await asyncio.sleep(0)
        # However many they are; and nobody is ahead of another by more than a turn.
        assert worked[-1] <= 2
        counts = [len(one.turns) for one in suspects]
        assert max(counts) - min(counts) <= 1
    assert all(one.seen == b"x" * 3 * FEW_FRAMES for one in suspects)


async def test_a_suspect_has_its_turn_before_the_tasks_that_the_last_one_began() -> None:
    """So that streams which the next frames reset are never served."""
    happened = []

    async def call() -> None:
        happened.append("call")

    calls: list[asyncio.Task[None]] = []

    def tell() -> None:
        happened.append("turn")
        calls.append(asyncio.create_task(call()))

    protocol = Protocol(suspect=True, tell=tell)
    protocol.intake.take(b"x" * 2 * FEW_FRAMES)
    await until(lambda: len(happened) == 4)
    assert happened == ["turn", "turn", "call", "call"]


async def test_what_is_dropped_is_not_worked_on() -> None:
    for protocol in (Protocol(), Protocol(suspect=True)):
        protocol.intake.take(b"x" * 1_000)
        protocol.intake.drop()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(protocol.seen) <= FEW_FRAMES


@given(pieces=st.lists(st.binary(min_size=1, max_size=100), max_size=5), suspect=st.booleans())
def test_nothing_is_lost_or_reordered(pieces: list[bytes], *, suspect: bool) -> None:
    async def scenario() -> None:
        protocol = Protocol(suspect=suspect)
        for piece in pieces:
            protocol.intake.take(piece)
            protocol.suspect = not protocol.suspect
        await until(lambda: not protocol.intake.pending)
        assert protocol.seen == b"".join(pieces)

    asyncio.run(scenario())
