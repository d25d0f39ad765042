"""Readings become durable: on real MySQL, with real Redis beside it."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from firewalker.kernel.faults import DatabaseUnavailable, Draining, Overloaded
from firewalker.kernel.ids import new_uuid7
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.mysql import Database, OutcomeUnknown
from firewalker.step.domain.day import MAX_DEVICES, SLOTS, WHOLE_DATE, UserTotal, to_ms, total
from firewalker.step.domain.reading import Counted, Outcome
from firewalker.step.ingest import Ingest, Recorded, lane
from firewalker.step.ingest.group import Group
from firewalker.step.live import Frame
from firewalker.step.store import days
from firewalker.step.store.keys import UserDate
from tests.service.step.conftest import Process
from tests.support.clock import FakeClock
from tests.support.databases import run_on
from tests.support.waiting import until

TODAY = datetime.now(UTC).date()
ACCEPTED, LATE, UNCHANGED = Outcome.ACCEPTED, Outcome.ACCEPTED_DAY_FINAL, Outcome.UNCHANGED

Start = Callable[..., Awaitable[Process]]


def counted(
    steps: int,
    slot: int = 9,
    *,
    day: date = TODAY,
    device_id: str = "phone",
    at_ms: int | None = None,
    late: bool = False,
) -> Counted:
    return Counted(day, device_id, slot, steps, to_ms(datetime.now(UTC)) if at_ms is None else at_ms, 1, late)


def someone() -> bytes:
    return new_uuid7().bytes


async def stored_total(database: Database, user: bytes, day: date = TODAY) -> int:
    async with database.reading() as tx:
        found = await days.find_totals(tx, [(user, day)])
    return found[user, day].total if found else -1


async def commits(database: Database) -> int:
    async with database.reading() as tx:
        return int((await tx.one("SHOW GLOBAL STATUS LIKE 'Com_commit'"))[1])


@pytest.mark.requirement("DATA-25")
async def test_what_is_acknowledged_is_in_the_table(process: Process) -> None:
    user = someone()
    recorded = await process.ingest.record(user, [counted(1_000), counted(200, 10), counted(900)])
    assert recorded == Recorded([ACCEPTED, ACCEPTED, UNCHANGED], {TODAY: 1_200})
    assert await stored_total(process.database, user) == 1_200


@pytest.mark.requirement("DLV-07")
async def test_a_repeat_is_unchanged_even_after_a_restart(process: Process, start_process: Start) -> None:
    user = someone()
    batch = [counted(1_000), counted(7_000, WHOLE_DATE)]
    assert (await process.ingest.record(user, batch)).outcomes == [ACCEPTED, ACCEPTED]
    assert await process.ingest.record(user, batch) == Recorded([UNCHANGED, UNCHANGED], {TODAY: 7_000})
    other = await start_process()
    assert await other.ingest.record(user, batch) == Recorded([UNCHANGED, UNCHANGED], {TODAY: 7_000})


async def test_a_first_reading_of_no_steps_is_news(process: Process) -> None:
    user = someone()
    assert (await process.ingest.record(user, [counted(0)])).outcomes == [ACCEPTED]
    assert (await process.ingest.record(user, [counted(0), counted(0, 11)])).outcomes == [UNCHANGED, UNCHANGED]
    assert await stored_total(process.database, user) == 0


@pytest.mark.requirement("DATA-20", "DLV-07")
async def test_any_order_over_two_processes_ends_in_the_same_day(process: Process, start_process: Start) -> None:
    other = await start_process()
    chance = random.Random(7)
    user, dates = someone(), [TODAY, TODAY - timedelta(days=1)]
    readings = [
        counted(chance.randrange(12_000), chance.randrange(SLOTS), day=chance.choice(dates), device_id=device)
        for device in ("phone", "watch")
        for _ in range(60)
    ]
    expected = {}
    for day in dates:
        best: dict[str, list[int]] = {"phone": [0] * SLOTS, "watch": [0] * SLOTS}
        for reading in readings:
            if reading.date == day:
                counts = best[reading.device_id]
                counts[reading.slot] = max(counts[reading.slot], reading.steps)
        expected[day] = total(best.values())
    seen: dict[date, int] = {}

    async def walk(some: Process) -> None:
        again = readings * 2
        chance.shuffle(again)
        while again:
            cut = chance.randint(1, 9)
            recorded = await some.ingest.record(user, again[:cut])
            for day, steps in recorded.totals.items():
                assert steps >= seen.get(day, 0) or some is not process
                if some is process:
                    seen[day] = steps
            del again[:cut]

    await asyncio.gather(walk(process), walk(other))
    for day in dates:
        assert await stored_total(process.database, user, day) == expected[day]


async def test_messages_that_come_during_a_commit_share_the_next(process: Process) -> None:
    users = [someone() for _ in range(400)]
    before = await commits(process.database)
    answers = await asyncio.gather(*(process.ingest.record(user, [counted(n + 1)]) for n, user in enumerate(users)))
    assert await commits(process.database) - before <= 20  # other tests may commit meanwhile
    assert [answer.totals[TODAY] for answer in answers] == list(range(1, 401))


async def test_one_message_may_name_every_slot_and_many_shapes_share_few_statements(process: Process) -> None:
    users = [someone() for _ in range(SLOTS)]
    answers = await asyncio.gather(
        *(process.ingest.record(user, [counted(10, slot) for slot in range(n + 1)]) for n, user in enumerate(users))
    )
    assert [answer.totals[TODAY] for answer in answers[:24]] == [10 * (n + 1) for n in range(24)]
    for n, user in enumerate(users[:24]):
        assert await stored_total(process.database, user) == 10 * (n + 1)


async def test_late_readings_are_the_owners_history_and_never_standings(process: Process) -> None:
    user, frames = someone(), list[Frame]()
    process.live.subscribe(frames.append)
    await process.ingest.record(user, [counted(1_000)])
    recorded = await process.ingest.record(user, [counted(5_000, late=True)])
    assert recorded == Recorded([LATE], {TODAY: 5_000})
    assert await stored_total(process.database, user) == 1_000
    assert (await process.live.read(TODAY, [user]))[user].total == 1_000
    assert {known.total for frame in frames for _, known in frame.totals} == {1_000}  # may repeat
    assert (await process.ingest.record(user, [counted(5_000, late=True)])).outcomes == [UNCHANGED]


async def test_a_cancelled_caller_does_not_hurt_its_group(process: Process) -> None:
    users = [someone() for _ in range(50)]
    calls = [process.ingest.submit(user, [counted(100)]) for user in users]
    for call in calls[::2]:
        call.cancel()
    assert [(await call).outcomes for call in calls[1::2]] == [[ACCEPTED]] * 25
    await until(lambda: all(call.done() for call in calls))
    assert [await stored_total(process.database, user) for user in users] == [100] * 50


async def test_a_failed_commit_fails_its_group_and_the_next_one_works(process: Process, step_url: str) -> None:
    user = someone()
    await process.ingest.record(user, [counted(100)])
    await run_on(step_url, "RENAME TABLE day_device TO elsewhere")
    with pytest.raises(DatabaseUnavailable):
        await process.ingest.record(user, [counted(200)])
    await run_on(step_url, "RENAME TABLE elsewhere TO day_device")
    assert (await process.ingest.record(user, [counted(200)])).outcomes == [ACCEPTED]
    assert await stored_total(process.database, user) == 200


async def test_a_commit_whose_answer_is_lost_is_told_to_everybody_and_to_who_repeats(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    repeats, silent = someone(), someone()
    for user in (repeats, silent):
        await process.ingest.record(user, [counted(1_000)])
    for each in process.ingest._lanes:
        monkeypatch.setattr(each, "_store", losing_the_answer(each._store))
    for user in (repeats, silent):
        with pytest.raises(OutcomeUnknown):
            await process.ingest.record(user, [counted(2_500)])
    monkeypatch.undo()
    assert await process.ingest.record(repeats, [counted(2_500)]) == Recorded([UNCHANGED], {TODAY: 2_500})
    async with asyncio.timeout(60):
        for user in (repeats, silent):
            while (await process.live.read(TODAY, [user]))[user].total != 2_500:  # noqa: ASYNC110 - asked of Redis
                await asyncio.sleep(0.01)


async def test_what_is_merged_again_waits_for_that_and_is_counted_once(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, waiting = someone(), list[float]()
    for each in process.ingest._lanes:
        monkeypatch.setattr(each, "_outdated", outdated_once(each._outdated, waiting))
    before = measured("readings_total")
    assert (await process.ingest.record(user, [counted(100), counted(200, 10)])).totals == {TODAY: 300}
    assert measured("readings_total") - before == 2
    assert waiting == [0, 0]
    assert measured("readings_waiting") == 0


def outdated_once(outdated: Callable[..., set[UserDate]], waiting: list[float]) -> Callable[..., set[UserDate]]:
    """As if the dates of the first group had been corrected while it was under way."""

    def found(group: Group, totals: Mapping[UserDate, UserTotal]) -> set[UserDate]:
        waiting.append(measured("readings_waiting"))
        return outdated(group, totals) | (set(group.touched) if len(waiting) == 1 else set())

    return found


def measured(name: str) -> float:
    return REGISTRY.get_sample_value(f"firewalker_step_{name}") or 0.0


async def test_an_acknowledgement_is_measured_from_when_the_oldest_of_its_own_group_was_taken(
    process: Process,
) -> None:
    clock, user = FakeClock(datetime.now(UTC)), someone()
    backlogged = Ingest(process.database, process.live, clock, lanes=1, max_group=1)
    before = measured("acknowledge_seconds_sum")
    answers = []
    for steps in range(1, 4):
        answers.append(backlogged.submit(user, [counted(steps)]))
        clock.advance(10)
    await backlogged.start()
    await asyncio.gather(*answers)
    await backlogged.stop()
    assert measured("acknowledge_seconds_sum") - before == 30 + 20 + 10


def losing_the_answer(store: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def stored(*args: object) -> None:
        await store(*args)
        raise OutcomeUnknown

    return stored


async def test_what_a_dead_process_committed_is_told_by_who_hears_the_repeat(
    process: Process, start_process: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, dies = someone(), await start_process()
    await until(lambda: process.live.parts[0].rebuilder.trusted)
    await process.ingest.record(user, [counted(1_000, device_id="watch")])
    monkeypatch.setattr(dies.live.parts[0].writer, "put", list[Frame]().append)  # between COMMIT and Redis
    await dies.ingest.record(user, [counted(4_000)])
    assert await process.ingest.record(user, [counted(4_000)]) == Recorded([UNCHANGED], {TODAY: 4_000})
    await process.live.parts[0].writer.flush()
    assert (await process.live.read(TODAY, [user]))[user].total == 4_000


async def test_a_busy_lane_gathers_what_comes_before_its_next_group(
    start_process: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, user = await start_process(lanes=1, max_group=5), someone()
    await process.ingest.record(user, [counted(1)])
    monkeypatch.setattr(lane, "PACE_S", 60.0)  # as if a group had only just begun
    before = await commits(process.database)
    first = process.ingest.submit(user, [counted(2)])
    for _ in range(20):
        await asyncio.sleep(0)
    assert not first.done()
    full = [process.ingest.submit(user, [counted(steps)]) for steps in range(3, 7)]  # that many need not wait
    assert [recorded.totals[TODAY] for recorded in await asyncio.gather(first, *full)] == [6] * 5
    assert await commits(process.database) - before == 1


async def test_a_phone_that_comes_back_from_another_process_repeats_without_news(
    process: Process, start_process: Start
) -> None:
    user, other, heard = someone(), await start_process(), list[Frame]()
    process.live.subscribe(heard.append, own=False)
    await process.ingest.record(user, [counted(1_000)])
    await other.ingest.record(user, [counted(2_000)])
    # What a repair found of the first reading is told too.
    await until(lambda: any(who == user and total.total == 2_000 for frame in heard for who, total in frame.totals))
    assert await process.ingest.record(user, [counted(2_000)]) == Recorded([UNCHANGED], {TODAY: 2_000})


async def test_a_device_that_counts_less_than_another_does_not_move_the_tie_break(process: Process) -> None:
    user = someone()
    await process.ingest.record(user, [counted(5_000)])
    async with process.database.reading() as tx:
        before = (await days.find_totals(tx, [(user, TODAY)]))[user, TODAY]
    await asyncio.sleep(0.01)
    await process.ingest.record(user, [counted(4_000, device_id="watch")])
    await process.ingest.record(user, [counted(4_500, device_id="watch")])
    async with process.database.reading() as tx:
        after = (await days.find_totals(tx, [(user, TODAY)]))[user, TODAY]
    assert (after.total, after.reached_ms) == (before.total, before.reached_ms)
    await process.ingest.record(user, [counted(5_001, device_id="watch")])
    async with process.database.reading() as tx:
        assert (await days.find_totals(tx, [(user, TODAY)]))[user, TODAY].reached_ms > before.reached_ms


async def test_a_full_queue_refuses_calls_and_makes_streams_wait(start_process: Start) -> None:
    process = await start_process(lanes=1, max_waiting=10)
    user = someone()
    first = process.ingest.submit(user, [counted(n) for n in range(1, 11)])
    with pytest.raises(Overloaded):
        process.ingest.submit(user, [counted(20)])
    await process.ingest.room(user)
    second = process.ingest.submit(user, [counted(20)])
    assert (await first).outcomes == [ACCEPTED] * 10
    assert (await second).totals == {TODAY: 20}


async def test_stopping_answers_what_was_taken_and_takes_no_more(process: Process) -> None:
    users = [someone() for _ in range(100)]
    calls = [process.ingest.submit(user, [counted(100)]) for user in users]
    await process.ingest.stop()
    assert all(call.done() for call in calls)
    with pytest.raises(Draining):
        process.ingest.submit(users[0], [counted(200)])
    assert [await stored_total(process.database, user) for user in users] == [100] * 100


async def test_only_what_changes_costs_a_query(process: Process) -> None:
    user = someone()
    await process.ingest.record(user, [counted(100)])
    await until(lambda: all(part.rebuilder.trusted for part in process.live.parts))  # and asks no more
    async with process.database.reading() as tx:
        before = (await tx.one("SHOW GLOBAL STATUS LIKE 'Questions'"))[1]
        for _ in range(200):
            await process.ingest.record(user, [counted(100)])
        after = (await tx.one("SHOW GLOBAL STATUS LIKE 'Questions'"))[1]
    assert int(after) - int(before) < 100  # the server is shared: other tests ask it too


async def test_one_device_too_many_is_refused_and_the_others_go_on(process: Process, start_process: Start) -> None:
    user = someone()
    many = [counted(n + 1, device_id=f"device-{n:02d}") for n in range(MAX_DEVICES + 4)]
    recorded = await process.ingest.record(user, many)
    assert recorded.outcomes == [ACCEPTED] * MAX_DEVICES + [Outcome.INVALID_READING] * 4
    assert recorded.totals == {TODAY: MAX_DEVICES}
    other = await start_process()
    again = await other.ingest.record(user, [counted(900, device_id="another"), counted(800, device_id="device-03")])
    assert again == Recorded([Outcome.INVALID_READING, ACCEPTED], {TODAY: 800})
    assert await process.ingest.record(someone(), [counted(5)]) == Recorded([ACCEPTED], {TODAY: 5})
    assert (await process.ingest.record(user, [many[-1]])).outcomes == [Outcome.INVALID_READING]


@pytest.mark.parametrize("lanes", [1, 2, 3])
async def test_the_messages_of_a_user_are_merged_in_their_order(start_process: Start, lanes: int) -> None:
    process = await start_process(lanes=lanes, max_group=7)
    user = someone()
    calls: Sequence[asyncio.Future[Recorded]] = [
        process.ingest.submit(user, [counted(n), counted(n, 10)]) for n in range(1, 60)
    ]
    answers = await asyncio.gather(*calls)
    assert all(answer.outcomes == [ACCEPTED, ACCEPTED] for answer in answers)
    reached = [answer.totals[TODAY] for answer in answers]
    assert reached == sorted(reached)
    assert reached[-1] == 2 * 59
