"""Boards are frozen once, with those of the owner's midnight, whoever does it and however often: on real MySQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from firewalker.gen.pb.firewalker.event.v1 import Event
from firewalker.kernel.faults import DatabaseUnavailable
from firewalker.kernel.ids import EventId, UserId, new_uuid7
from firewalker.runtime.mysql import Transaction
from firewalker.runtime.outbox import Outbox
from firewalker.step.domain.facts import Moved
from firewalker.step.domain.leaderboard import State
from firewalker.step.domain.reading import Counted
from firewalker.step.domain.settling import Result
from firewalker.step.events import OutboxFacts
from firewalker.step.store import boards
from firewalker.step.usecases import settling
from firewalker.step.usecases.corrections import Corrected, Corrections
from firewalker.step.usecases.leaderboards import Leaderboards
from firewalker.step.usecases.settling import Settling
from tests.service.step.reading import (
    Reader,
    ReadingProcess,
    all_ears,
    befriended,
    reading_process,
    signed_up,
    someone,
)
from tests.support.clock import FakeClock
from tests.support.databases import run_on

DAY = date(2026, 5, 20)
AFTER_ALL = datetime(2026, 5, 22, 0, 2, tzinfo=UTC)
SEOUL_FINAL = datetime(2026, 5, 21, 3, 0, tzinfo=UTC)
BEFORE = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
async def process(step_url: str, redis_url: str) -> AsyncIterator[ReadingProcess]:
    async with reading_process(step_url, redis_url) as process:
        await all_ears(process)
        yield process


def settler(process: ReadingProcess, now: datetime) -> Settling:
    clock = FakeClock(now)
    return Settling(process.database, OutboxFacts(Outbox("notification"), clock), clock)


async def walk(process: ReadingProcess, user: UserId, steps: int, *, late: bool = False) -> None:
    at_ms = int(datetime(2026, 5, 20, 11, tzinfo=UTC).timestamp() * 1000)
    await process.ingest.record(user.bytes, [Counted(DAY, "phone", 9, steps, at_ms, 1, late)])


async def board(process: ReadingProcess, user: UserId, now: datetime = AFTER_ALL) -> list[tuple[bytes, int, int]]:
    """Rows as the door gets them: who, rank, steps."""
    reading = Leaderboards(process.database, process.part.circles, process.part.known, FakeClock(now))
    rows = (await reading.of_friends(user, DAY)).rows
    return [(row.standing.user_id, row.rank, -row.standing.behind) for row in rows]


async def frozen(url: str) -> set[bytes]:
    return {bytes(user) for (user,) in await run_on(url, "SELECT user_id FROM frozen_board") if isinstance(user, bytes)}


async def results(url: str) -> dict[str, tuple[int, int, int]]:
    """Steps, rank and how many had one, by user; everybody told at most once."""
    found = {}
    for (payload,) in await run_on(url, "SELECT payload FROM outbox ORDER BY position"):
        assert isinstance(payload, bytes)
        result = Event.parse(payload).day_result
        assert result is not None
        assert result.user_id not in found
        found[result.user_id] = (result.steps, result.rank, result.ranked)
    return found


@pytest.mark.requirement("DATA-22")
async def test_a_board_is_frozen_when_the_days_of_all_its_members_are_final(
    process: ReadingProcess, step_url: str
) -> None:
    ann, ben, cat, far = (someone() for _ in range(4))
    await process.tell(
        *(signed_up(user, zone="Asia/Seoul", told=BEFORE) for user in (ann, ben, cat)),
        signed_up(far, zone="America/Los_Angeles", told=BEFORE),
        befriended(ann, ben, BEFORE),
        befriended(cat, far, BEFORE),
    )
    for user, steps in ((ann, 900), (ben, 1_200), (cat, 700)):
        await walk(process, user, steps)
    await settler(process, SEOUL_FINAL).settle()
    assert await frozen(step_url) == set()
    await settler(process, SEOUL_FINAL + timedelta(minutes=1)).settle()
    assert await frozen(step_url) == {ann.bytes, ben.bytes}
    assert await results(step_url) == {str(ann): (900, 2, 2), str(ben): (1_200, 1, 2)}
    await settler(process, AFTER_ALL).settle()
    # Nobody is told of a day on which nothing was counted.
    assert await results(step_url) == {str(ann): (900, 2, 2), str(ben): (1_200, 1, 2), str(cat): (700, 1, 1)}
    assert await frozen(step_url) == {ann.bytes, ben.bytes, cat.bytes, far.bytes}
    assert await settler(process, AFTER_ALL).settle() == 0


@pytest.mark.requirement("DATA-22")
async def test_who_has_moved_is_told_when_the_day_is_final_where_they_live_now(
    process: ReadingProcess, step_url: str
) -> None:
    east, west = someone(), someone()
    seoul, honolulu = "Asia/Seoul", "Pacific/Honolulu"
    await process.tell(
        signed_up(east, zone=honolulu, told=BEFORE),
        signed_up(west, zone=seoul, told=BEFORE),
        # The last one's begins after the day: it says nothing of it.
        *(
            Moved(EventId(new_uuid7()), user, zone, first, BEFORE)
            for user, zone, first in (
                (east, seoul, date(2026, 5, 10)),
                (west, honolulu, date(2026, 5, 10)),
                (west, seoul, date(2026, 5, 21)),
            )
        ),
    )
    await walk(process, east, 900)
    await walk(process, west, 700)
    await settler(process, SEOUL_FINAL + timedelta(minutes=1)).settle()
    assert await results(step_url) == {str(east): (900, 1, 1)}
    await settler(process, datetime(2026, 5, 21, 22, 1, tzinfo=UTC)).settle()
    assert await results(step_url) == {str(east): (900, 1, 1), str(west): (700, 1, 1)}


@pytest.mark.requirement("DATA-21")
async def test_a_frozen_board_never_changes(process: ReadingProcess, step_url: str) -> None:
    ann, ben, new = someone(), someone(), someone()
    await process.tell(*(signed_up(user, told=BEFORE) for user in (ann, ben, new)), befriended(ann, ben, BEFORE))
    await walk(process, ann, 900)
    await walk(process, ben, 1_200)
    await settler(process, AFTER_ALL).settle()
    stands = [(ben.bytes, 1, 1_200), (ann.bytes, 2, 900)]
    assert await board(process, ann) == stands
    await walk(process, ann, 5_000, late=True)
    await walk(process, new, 9_000)
    corrector = Corrections(process.database, process.ingest, process.part.zones, FakeClock(AFTER_ALL))
    await corrector.correct(ben, DAY, Corrected("phone", [0] * 24, ""))
    await process.tell(befriended(ann, new, BEFORE), signed_up(ben, "Benjamin"))
    # Even what ought not to happen, a reading in time that comes afterwards, does not change it.
    await walk(process, ben, 1_900)
    await settler(process, AFTER_ALL + timedelta(days=1)).settle()
    assert await board(process, ann, AFTER_ALL + timedelta(days=300)) == stands
    assert await results(step_url) == {str(ann): (900, 2, 2), str(ben): (1_200, 1, 2)}


async def test_who_watches_a_frozen_board_sees_it_as_it_was_frozen(step_url: str, redis_url: str) -> None:
    clock = FakeClock(AFTER_ALL)
    async with reading_process(step_url, redis_url, clock=clock) as process:
        await all_ears(process)
        ann, ben = someone(), someone()
        await process.tell(*(signed_up(user, told=BEFORE) for user in (ann, ben)), befriended(ann, ben, BEFORE))
        await walk(process, ann, 900)
        await walk(process, ben, 1_200)
        await settler(process, AFTER_ALL).settle()
        # What ought not to happen, a reading in time that comes afterwards: what is known of totals is others now.
        await walk(process, ann, 5_000)
        async with Reader(process, ann) as reader:
            read = await reader.board(date=str(DAY))
            for resume in ("", read.version):
                watch = reader.watch(date=str(DAY), resume_version=resume)
                snapshot = (await watch.next()).snapshot
                assert snapshot == read
                assert [(entry.user_id, entry.rank, entry.steps) for entry in snapshot.entries] == [
                    (str(ben), 1, 1_200),
                    (str(ann), 2, 900),
                ]
                await watch.next()
                assert type(watch.end).Reason.Name(watch.end.reason) == "DAY_OVER"
                assert (watch.end.version, await watch.next()) == (read.version, None)


async def test_a_board_that_nobody_has_frozen_yet_shows_what_will_be(process: ReadingProcess) -> None:
    ann, ben, new = someone(), someone(), someone()
    await process.tell(
        *(signed_up(user, told=BEFORE) for user in (ann, ben, new)),
        befriended(ann, ben, BEFORE),
        befriended(ann, new, AFTER_ALL),
    )
    await walk(process, ann, 900)
    await walk(process, new, 9_000)
    before = await board(process, ann)
    assert before == [(ann.bytes, 1, 900), (ben.bytes, 0, 0)]
    await settler(process, AFTER_ALL).settle()
    assert await board(process, ann) == before


async def test_two_processes_share_the_work_and_tell_everybody_once(
    process: ReadingProcess, step_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "WALKERS_PER_PORTION", 3)
    users = [someone() for _ in range(25)]
    await process.tell(*(signed_up(user, told=BEFORE) for user in users))
    await asyncio.gather(*(walk(process, user, 100 + number) for number, user in enumerate(users)))

    async def work() -> None:
        while await settler(process, AFTER_ALL).settle():
            pass

    await asyncio.gather(work(), work(), work())
    await work()
    assert await results(step_url) == {str(user): (100 + number, 1, 1) for number, user in enumerate(users)}
    assert await frozen(step_url) == {user.bytes for user in users}


async def test_nobody_is_looked_at_for_dates_on_which_nobody_walked(process: ReadingProcess, step_url: str) -> None:
    ann, ben = someone(), someone()
    await process.tell(*(signed_up(user, told=BEFORE) for user in (ann, ben)))
    assert await settler(process, AFTER_ALL - timedelta(days=1)).settle() == 0
    await walk(process, ann, 900)
    # In its own round and in the last one; of the 13 dates before, nobody.
    assert await settler(process, AFTER_ALL).settle() <= 4
    assert await frozen(step_url) == {ann.bytes}


@pytest.mark.requirement("DLV-01")
async def test_who_dies_over_it_leaves_the_rest_to_others(
    process: ReadingProcess, step_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "WALKERS_PER_PORTION", 3)
    users = [someone() for _ in range(8)]
    await process.tell(*(signed_up(user, told=BEFORE) for user in users))
    for user in users:
        await walk(process, user, 100)
    clock = FakeClock(AFTER_ALL)

    class Dies(OutboxFacts):
        """The database goes away over the second portion, behind its events."""

        portions = 0

        async def add_results(self, tx: Transaction, results: Sequence[Result]) -> None:
            await super().add_results(tx, results)
            self.portions += bool(results)
            if self.portions == 2:
                raise DatabaseUnavailable

    with pytest.raises(DatabaseUnavailable):
        await Settling(process.database, Dies(Outbox("notification"), clock), clock).settle()
    assert len(await frozen(step_url)) == len(await results(step_url)) == 3
    await settler(process, AFTER_ALL).settle()
    assert set(await results(step_url)) == {str(user) for user in users}


async def test_it_rests_for_as_long_as_it_worked(process: ReadingProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "WALKERS_PER_PORTION", 1)
    users = [someone() for _ in range(3)]
    await process.tell(*(signed_up(user, told=BEFORE) for user in users))
    for user in users:
        await walk(process, user, 100)
    clock = FakeClock(AFTER_ALL)

    class Slow(OutboxFacts):
        """Each portion takes a while, by the clock that is looked at."""

        async def add_results(self, tx: Transaction, results: Sequence[Result]) -> None:
            await super().add_results(tx, results)
            clock.advance(0.05 * len(results))

    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await Settling(process.database, Slow(Outbox("notification"), clock), clock).settle() >= 3
    assert loop.time() - began > 3 * 0.05


async def test_what_is_held_at_the_end_stands_without_a_rank(process: ReadingProcess, step_url: str) -> None:
    ann, cheat = someone(), someone()
    await process.tell(signed_up(ann, told=BEFORE), signed_up(cheat, told=BEFORE), befriended(ann, cheat, BEFORE))
    await walk(process, ann, 900)
    at_ms = int(datetime(2026, 5, 20, 11, tzinfo=UTC).timestamp() * 1000)
    await process.ingest.record(cheat.bytes, [Counted(DAY, "phone", 24, 90_000, at_ms, 1, late=False)])
    await settler(process, AFTER_ALL).settle()
    reading = Leaderboards(process.database, process.part.circles, process.part.known, FakeClock(AFTER_ALL))
    rows = (await reading.of_friends(ann, DAY)).rows
    assert [(row.rank, row.standing.state) for row in rows] == [(1, State.RANKED), (0, State.UNDER_REVIEW)]
    assert await results(step_url) == {str(ann): (900, 1, 1), str(cheat): (90_000, 0, 1)}


async def test_few_are_found_among_many(
    process: ReadingProcess, step_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few walkers are left to look at, no statement searches more than a stretch for them."""
    monkeypatch.setattr(boards, "WALKERS_PER_STRETCH", 4)
    monkeypatch.setattr(settling, "WALKERS_PER_PORTION", 2)
    users = sorted(someone() for _ in range(22))
    far = {users[0], users[13], users[21]}
    zones = {user: "Europe/Lisbon" if user in far else "Asia/Seoul" for user in users}
    await process.tell(*(signed_up(user, zone=zone, told=BEFORE) for user, zone in zones.items()))
    for user in (*far, users[5], users[20]):
        await walk(process, user, 100)
    searched = []
    found = boards.list_unfrozen

    async def spied(tx: Transaction, day: date, stretch: boards.Stretch, **rest: Any) -> list[bytes]:
        found_users = await found(tx, day, stretch, **rest)
        searched.append(sum(stretch.after < user.bytes <= stretch.end for user in users))
        return found_users

    monkeypatch.setattr(boards, "list_unfrozen", spied)
    await settler(process, SEOUL_FINAL + timedelta(minutes=1)).settle()
    assert await frozen(step_url) == {users[5].bytes, users[20].bytes}
    await settler(process, AFTER_ALL).settle()
    assert await frozen(step_url) == {user.bytes for user in (*far, users[5], users[20])}
    assert set(await results(step_url)) == {str(user) for user in (*far, users[5], users[20])}
    assert 0 < max(searched) <= 4
