"""Totals that are kept: what frames tell while they are being read is not lost, nor kept of a reading that failed."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date
from typing import cast

import pytest

from firewalker.kernel.faults import DatabaseUnavailable
from firewalker.step.domain.day import UserTotal
from firewalker.step.live import Frame, LiveTotals
from firewalker.step.live.known import RENEWED_S, KnownTotals
from tests.support.clock import FakeClock
from tests.support.waiting import until

DAY = date(2026, 5, 20)
ANN, BEN = b"a" * 16, b"b" * 16


def total(steps: int) -> UserTotal:
    return UserTotal(steps, steps, steps)


class Live:
    """Answers questions when it is let, with what it is told to; tells frames."""

    healthy = True

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[dict[bytes, UserTotal]]] = []
        self.hear: Callable[[Frame], None]
        self.gap: Callable[[], None]

    def subscribe(self, hear: Callable[[Frame], None]) -> None:
        self.hear = hear

    def on_gap(self, gap: Callable[[], None]) -> None:
        self.gap = gap

    async def read(self, _: date, users: Sequence[bytes]) -> dict[bytes, UserTotal]:
        self.asked.append(answer := asyncio.get_running_loop().create_future())
        return {user: found for user, found in (await answer).items() if user in users}


class Scene:
    def __init__(self) -> None:
        self.live, self.clock = Live(), FakeClock()
        self.known = KnownTotals(cast("LiveTotals", self.live), self.clock)

    async def asking(self, *users: bytes) -> asyncio.Task[dict[bytes, UserTotal]]:
        """A reading that waits for its answer."""
        before = len(self.live.asked)
        task = asyncio.create_task(self.known.read(DAY, users))
        await until(lambda: len(self.live.asked) > before)
        return task

    def told(self, user: bytes, steps: int) -> None:
        self.live.hear(Frame(DAY, [(user, total(steps))]))


async def test_what_was_read_is_kept_and_frames_raise_it() -> None:
    scene = Scene()
    reading = await scene.asking(ANN, BEN)
    scene.live.asked[0].set_result({ANN: total(100)})
    assert await reading == {ANN: total(100)}
    assert await scene.known.read(DAY, [ANN, BEN]) == {ANN: total(100)}
    scene.told(ANN, 200)
    scene.told(BEN, 300)
    assert await scene.known.read(DAY, [ANN, BEN]) == {ANN: total(200), BEN: total(300)}
    assert len(scene.live.asked) == 1


@pytest.mark.parametrize("answer", [{}, {ANN: total(100)}, {ANN: total(300)}])
async def test_a_frame_that_comes_while_it_is_read_is_not_lost(answer: dict[bytes, UserTotal]) -> None:
    scene = Scene()
    reading = await scene.asking(ANN)
    scene.told(ANN, 200)
    scene.live.asked[0].set_result(answer)
    steps = max(200, *(found.total for found in answer.values()), 0)
    assert [
        (found[ANN].total, len(scene.live.asked)) for found in (await reading, await scene.known.read(DAY, [ANN]))
    ] == [
        (steps, 1),
        (steps, 1),
    ]


async def test_a_reading_that_fails_keeps_nothing_but_what_was_heard() -> None:
    scene = Scene()
    reading = await scene.asking(ANN, BEN)
    scene.told(BEN, 50)
    scene.live.asked[0].set_exception(DatabaseUnavailable())
    with pytest.raises(DatabaseUnavailable):
        await reading
    again = await scene.asking(ANN, BEN)
    scene.live.asked[1].set_result({ANN: total(10)})
    assert await again == {ANN: total(10), BEN: total(50)}


async def test_what_is_read_while_another_reading_of_it_fails_is_answered_and_not_kept() -> None:
    # From then on frames were not heard for it.
    scene = Scene()
    first, second = await scene.asking(ANN), await scene.asking(ANN)
    scene.live.asked[0].set_exception(DatabaseUnavailable())
    with pytest.raises(DatabaseUnavailable):
        await first
    scene.told(ANN, 900)
    scene.live.asked[1].set_result({ANN: total(100)})
    assert await second == {ANN: total(100)}
    third = await scene.asking(ANN)
    scene.live.asked[2].set_result({ANN: total(900)})
    assert await third == {ANN: total(900)}


async def test_of_two_readings_at_once_neither_takes_from_the_other() -> None:
    scene = Scene()
    first, second = await scene.asking(ANN), await scene.asking(ANN)
    scene.live.asked[1].set_result({ANN: total(200)})
    assert await second == {ANN: total(200)}
    scene.live.asked[0].set_result({})
    assert await first == {ANN: total(200)}
    assert await scene.known.read(DAY, [ANN]) == {ANN: total(200)}


async def test_after_a_gap_everything_is_read_again_also_what_was_being_read() -> None:
    scene = Scene()
    reading = await scene.asking(ANN)
    scene.live.gap()
    scene.live.asked[0].set_result({ANN: total(100)})
    assert await reading == {ANN: total(100)}
    again = await scene.asking(ANN)
    scene.live.asked[1].set_result({ANN: total(150)})
    assert await again == {ANN: total(150)}


async def test_what_is_kept_is_renewed() -> None:
    scene = Scene()
    reading = await scene.asking(ANN)
    scene.live.asked[0].set_result({})
    await reading
    scene.clock.advance(RENEWED_S)
    assert await scene.known.read(DAY, [ANN]) == {}
    scene.told(ANN, 70)
    assert await scene.known.read(DAY, [ANN]) == {ANN: total(70)}
    scene.clock.advance(RENEWED_S)
    again = await scene.asking(ANN)
    scene.live.asked[1].set_result({ANN: total(80)})
    assert await again == {ANN: total(80)}
