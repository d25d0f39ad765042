"""A month that is filled in one go is the month that the ingest would have stored."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from firewalker.cli.walk import bulk
from firewalker.cli.walk.month import Habit, arrivals, device_days, habit
from firewalker.runtime.mysql import Database
from firewalker.step.domain.day import SLOTS
from firewalker.step.domain.reading import Counted
from firewalker.step.store import days
from tests.service.step.conftest import Process
from tests.service.step.reading import someone

NOW = datetime(2026, 5, 20, 15, 30, tzinfo=UTC)
DATES = [NOW.date() - timedelta(days=ago) for ago in range(6, -2, -1)]


async def stored(database: Database, users: Sequence[bytes]) -> list[tuple[Any, ...]]:
    """Everything in the rows of *users* but when totals rose: the ingest has its own clock; whether they did is left."""
    async with database.reading() as tx:
        rows = await tx.all("SELECT * FROM day_device ORDER BY user_id, date, device_id, late")
    return [(*row[:-1], row[-1].year > 1970) for row in rows if row[0] in users]


async def test_bulk_rows_are_those_of_the_same_readings_through_the_ingest(process: Process) -> None:
    people = [
        habit(someone().bytes, zone, Random(seed)) for seed, zone in enumerate(["Asia/Seoul", "America/Lima"] * 4)
    ]
    twins = [Habit(someone().bytes, one.zone, one.steps, one.up, one.watch, one.aggregator) for one in people]
    assert any(one.watch for one in people)
    assert any(one.aggregator for one in people)
    for seed, (one, twin) in enumerate(zip(people, twins, strict=True)):
        async with process.database.transaction() as tx:
            await days.raise_counts(tx, tuple(range(SLOTS)), device_days(one, DATES, NOW, Random(seed)))
        random = Random(seed)
        for day in DATES:
            for arrival in arrivals(twin, day, NOW, random):
                reading = Counted(
                    day, arrival.device_id, arrival.slot, arrival.steps, arrival.at_ms, arrival.source, late=False
                )
                await process.ingest.record(twin.user, [reading])
    bulk_rows = await stored(process.database, [one.user for one in people])
    ingested = await stored(process.database, [one.user for one in twins])
    order = {one.user: place for place, one in enumerate(people)} | {one.user: place for place, one in enumerate(twins)}

    def comparable(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return sorted((order[row[0]], *row[1:]) for row in rows)

    assert len(bulk_rows) > 50
    assert comparable(bulk_rows) == comparable(ingested)


async def test_a_filled_month_has_people_friends_and_days_and_tells_what_it_took(step_url: str) -> None:
    told: list[tuple[str, float, float]] = []
    filled = await bulk.fill(step_url, 60, 30, 7, say=lambda *what: told.append(what))
    async with Database(step_url) as database, database.reading() as tx:
        (rows, walkers, first, last) = await tx.one(
            "SELECT COUNT(*), COUNT(DISTINCT user_id), MIN(date), MAX(date) FROM day_device"
        )
        (friends,) = await tx.one("SELECT COUNT(*) FROM friend")
        (named,) = await tx.one("SELECT COUNT(*) FROM walker WHERE nickname <> ''")
        (most,) = await tx.one("SELECT MAX(GREATEST(h08, h18, whole_day)) FROM day_device")
    assert (rows, walkers, named) == (filled.rows, 60, 60)
    assert 30 * 60 * 0.9 < rows < 30 * 60 * 2
    assert friends > 60 * 6
    today = datetime.now(UTC).date()
    assert isinstance(first, date)
    assert first == today - timedelta(days=29)
    assert last in {today, today + timedelta(days=1)}
    assert 2_000 < most < 60_000
    assert told[-1] == ("walking", 60, 60)
    assert filled.row_bytes is None
    bulk.show(filled)
