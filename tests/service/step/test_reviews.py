"""Suspect days on boards, and what becomes of them when a person has looked: two processes, real MySQL and Redis."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from firewalker.cli import review, terminal
from firewalker.cli.terminal import CommandError
from firewalker.kernel.ids import UserId
from firewalker.step.domain.suspicion import Verdict
from firewalker.step.usecases.corrections import Corrected, Corrections
from firewalker.step.usecases.reviews import NotSuspect, Reviews, reviewing
from tests.service.step import live_totals
from tests.service.step.reading import (
    Reader,
    ReadingProcess,
    all_ears,
    group_of_friends,
    reading_process,
    signed_up,
    someone,
)
from tests.support.clock import FakeClock

TODAY = datetime.now(UTC).date()
RANKED, UNDER_REVIEW = 1, 4


class Scene(NamedTuple):
    process: ReadingProcess
    other: ReadingProcess
    reviews: Reviews


@pytest.fixture
async def scene(step_url: str, redis_url: str) -> AsyncIterator[Scene]:
    async with (
        reading_process(step_url, redis_url) as process,
        reading_process(step_url, redis_url) as other,
        reviewing(step_url, redis_url) as reviews,
    ):
        await all_ears(process, other)
        yield Scene(process, other, reviews)


async def walk_far(process: ReadingProcess, user: UserId, hours: int = 6) -> None:
    """10 500 steps an hour: as a day that is more than anybody's."""
    for hour in range(hours):
        await process.walk(user, 10_500, TODAY, hour)


def seen(board: Any) -> dict[str, tuple[int, int, int]]:
    """Rank, state and steps by user id."""
    return {entry.user_id: (entry.rank, entry.state, entry.steps) for entry in board.entries}


@pytest.mark.requirement("DATA-24")
async def test_a_suspect_day_has_no_rank_until_somebody_approves_it(scene: Scene) -> None:
    process, other, reviews = scene
    me, cheat = someone(), someone()
    await process.tell(*group_of_friends(me, [cheat]))
    await process.walk(me, 1_000, TODAY)
    async with Reader(other, me) as reader:
        watch = reader.watch(date=str(TODAY))
        await watch.next()
        await walk_far(process, cheat)
        await watch.until({cheat: 63_000, me: 1_000})
        assert watch.entries[str(cheat)].state == UNDER_REVIEW
        expected = {str(me): (1, RANKED, 1_000), str(cheat): (0, UNDER_REVIEW, 63_000)}
        assert seen(await reader.board(date=str(TODAY))) == expected
        assert [(day.user, day.total) for day in await reviews.list(Verdict.PENDING, 10)] == [(cheat.bytes, 63_000)]
        await reviews.decide(cheat, TODAY, Verdict.APPROVED, "somebody")
        while watch.entries[str(cheat)].state != RANKED:
            assert await watch.next() is not None
        assert (watch.entries[str(cheat)].rank, watch.entries[str(me)].rank) == (1, 2)
        # It stands, whatever is walked, and wherever it is taken in.
        await other.walk(cheat, 12_000, TODAY, 8)
        await watch.until({cheat: 75_000})
        assert watch.entries[str(cheat)].state == RANKED
        watch.cancel()
    assert await reviews.list(Verdict.PENDING, 10) == []
    assert [day.total for day in await reviews.list(Verdict.APPROVED, 10)] == [75_000]


async def test_redis_rebuilt_from_mysql_says_the_same(scene: Scene) -> None:
    process, _, reviews = scene
    held, approved = (UserId(UUID(bytes=live_totals.someone())) for _ in range(2))
    for user in (held, approved):
        await walk_far(process, user)
    await reviews.decide(approved, TODAY, Verdict.APPROVED, "somebody")
    await process.live.hand_over()

    async def in_redis() -> list[tuple[int, int, bool]] | None:
        found = await process.live.parts[0].buckets.read(TODAY, [held.bytes, approved.bytes], 1.0)
        return (
            None
            if found is None
            else [(total.total, total.revision, total.held) for total in found if total is not None]
        )

    assert await in_redis() == [(63_000, 0, True), (63_000, 1, False)]
    await process.live.parts[0].buckets._redis.flushdb()
    async with asyncio.timeout(60):
        while (found := await in_redis()) is None:
            pass  # every read waits for an answer
    assert found == [(63_000, 0, True), (63_000, 1, False)]


async def test_a_refused_day_gets_a_rank_by_a_correction_alone(scene: Scene) -> None:
    process, _, reviews = scene
    cheat = someone()
    await process.tell(signed_up(cheat))
    await walk_far(process, cheat)
    await reviews.decide(cheat, TODAY, Verdict.REFUSED, "somebody")
    async with Reader(process, cheat) as reader:
        assert seen(await reader.board(date=str(TODAY)))[str(cheat)][:2] == (0, UNDER_REVIEW)
        evening = FakeClock(datetime(TODAY.year, TODAY.month, TODAY.day, 23, tzinfo=UTC))
        corrector = Corrections(process.database, process.ingest, process.part.zones, evening)
        await corrector.correct(cheat, TODAY, Corrected("phone", [300] * 24, "a joke"))

        async with asyncio.timeout(60):
            while seen(await reader.board(date=str(TODAY)))[str(cheat)] != (1, RANKED, 7_200):
                pass  # every read waits for an answer
    assert [(day.user, day.held) for day in await reviews.list(Verdict.REFUSED, 10)] == [(cheat.bytes, False)]


async def test_operators_see_and_decide_at_the_terminal(
    scene: Scene, step_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FIREWALKER_STEP_MYSQL_URL", step_url)
    monkeypatch.setenv("FIREWALKER_STEP_REDIS_URL", redis_url)
    monkeypatch.setattr(terminal.out, "width", 200)
    cheat = someone()
    await scene.process.tell(signed_up(cheat, "Flash"))
    await review.show("pending")
    await walk_far(scene.process, cheat)
    await review.show("pending")
    await review.decide(str(cheat), str(TODAY), "approved")
    await review.show("pending")
    # Other parts of the process may log meanwhile.
    shown = [line for line in capsys.readouterr().out.splitlines() if not re.match(r"[\d-]+ [\d:]+ \[", line)]
    assert shown[0] == shown[-1] == "No day is pending."
    assert re.split(r"\s{2,}", shown[2].strip())[:4] == [str(cheat), "Flash", str(TODAY), "63 000"]
    assert shown[3] == f"approved: 63 000 steps on {TODAY}, with a rank until the walker corrects the day"
    for walker, day, verdict in ((str(cheat), "today", "approved"), (str(someone()), str(TODAY), "refused")):
        with pytest.raises(CommandError):
            await review.decide(walker, day, verdict)
    with pytest.raises(CommandError):
        await review.show("guilty")


async def test_nothing_is_decided_of_a_day_like_any_other(scene: Scene) -> None:
    process, _, reviews = scene
    ann = someone()
    with pytest.raises(NotSuspect):
        await reviews.decide(ann, TODAY, Verdict.APPROVED, "somebody")
    await process.walk(ann, 9_000, TODAY)
    with pytest.raises(NotSuspect):
        await reviews.decide(ann, TODAY, Verdict.REFUSED, "somebody")
