"""Corrections beside readings, in the same process and in one that does not know of them: on real MySQL and Redis."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from firewalker.kernel.clock import SystemClock
from firewalker.kernel.ids import UserId, new_uuid7
from firewalker.runtime.mysql import Database
from firewalker.runtime.mysql.address import Address
from firewalker.step.domain.day import HOURS, SLOTS, UserTotal, to_ms
from firewalker.step.domain.faults import CorrectionLimitReached
from firewalker.step.domain.reading import Counted, Outcome
from firewalker.step.ingest import Ingest
from firewalker.step.store import corrections, days
from firewalker.step.store.keys import UserDate
from firewalker.step.usecases.corrections import Corrected, Corrections
from firewalker.step.usecases.zones import Zones
from tests.service.step.conftest import Process
from tests.support.clock import FakeClock
from tests.support.proxy import fault_proxy
from tests.support.waiting import until

TODAY = datetime.now(UTC).date()

Start = Callable[..., Awaitable[Process]]


def at_noon(process: Process, day: date = TODAY) -> Corrections:
    """Corrects as if it were 12:00 UTC on *day*: the hours before are over, and those behind are not."""
    clock = FakeClock(datetime(day.year, day.month, day.day, 12, tzinfo=UTC))
    return Corrections(process.database, process.ingest, Zones(process.database), clock)


def counted(steps: int, hour: int, *, device: str = "phone", day: date = TODAY, late: bool = False) -> Counted:
    return Counted(day, device, hour, steps, to_ms(SystemClock().now()), 1, late)


def hours(**steps: int) -> list[int]:
    return [steps.get(f"h{hour}", 0) for hour in range(HOURS)]


async def owners_total(process: Process, user: UserId, day: date = TODAY) -> int:
    async with process.database.reading() as tx:
        return (await days.find_totals(tx, [(user.bytes, day)], late_included=True))[user.bytes, day].total


async def standing(process: Process, user: UserId, day: date = TODAY) -> tuple[int, int]:
    async with process.database.reading() as tx:
        total = (await days.find_totals(tx, [(user.bytes, day)]))[user.bytes, day]
    return total.total, total.revision


@pytest.mark.requirement("DATA-21")
async def test_a_correction_lowers_the_day_and_walking_raises_it_again(process: Process) -> None:
    user = UserId(new_uuid7())
    await process.ingest.record(user.bytes, [counted(9_000, 9), counted(8_000, 13)])
    await at_noon(process).correct(user, TODAY, Corrected("phone", hours(h9=1_000, h13=500), "in a bus"))
    assert await standing(process, user) == (1_500, 1)
    again = await process.ingest.record(user.bytes, [counted(9_000, 9), counted(9_100, 9), counted(8_000, 13)])
    assert again.outcomes == [Outcome.HOUR_CORRECTED, Outcome.HOUR_CORRECTED, Outcome.UNCHANGED]
    assert again.totals == {TODAY: 1_500}
    more = await process.ingest.record(user.bytes, [counted(8_200, 13), counted(300, 14)])
    assert more.outcomes == [Outcome.ACCEPTED, Outcome.ACCEPTED]
    assert more.totals == {TODAY: 2_000}


async def test_another_process_hears_of_it_before_it_merges_anything(process: Process, start_process: Start) -> None:
    other = await start_process()
    await until(lambda: other.live.healthy)
    user = UserId(new_uuid7())
    await other.ingest.record(user.bytes, [counted(8_000, 13)])
    await at_noon(process).correct(user, TODAY, Corrected("phone", hours(h13=500), ""))
    # Whether it has heard of it by now or not: what it stores is judged by the row as it is.
    told = await other.ingest.record(user.bytes, [counted(8_100, 13)])
    assert told.totals == {TODAY: 600}
    assert await standing(process, user) == (600, 1)


async def test_live_totals_go_down_by_it(process: Process) -> None:
    user = UserId(new_uuid7())
    await process.ingest.record(user.bytes, [counted(8_000, 13)])
    heard: list[int] = []
    process.live.subscribe(lambda frame: heard.extend(total.total for _, total in frame.totals))
    await at_noon(process).correct(user, TODAY, Corrected("phone", hours(h13=700), ""))
    await until(lambda: heard[-1:] == [700])
    await process.live.hand_over()
    assert (await process.live.read(TODAY, [user]))[user].total == 700


@pytest.mark.requirement("DATA-21")
async def test_boards_hear_of_a_correction_that_comes_while_an_older_total_is_on_its_way(
    start_process: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, user, heard = await start_process(lanes=1), UserId(new_uuid7()), list[int]()
    # What is announced here, not what a repair finds at some time.
    process.live.subscribe(lambda frame: heard.extend(total.total for _, total in frame.totals), others=False)
    totals = process.ingest._lanes[0]._totals
    standing_totals = totals._standing_totals

    async def corrected_meanwhile(keys: Iterable[UserDate]) -> dict[UserDate, UserTotal]:
        monkeypatch.undo()
        read = await standing_totals(keys)
        await at_noon(process).correct(user, TODAY, Corrected("phone", hours(h9=700), ""))
        return read

    monkeypatch.setattr(totals, "_standing_totals", corrected_meanwhile)
    assert (await process.ingest.record(user.bytes, [counted(8_000, 9)])).totals == {TODAY: 8_000}
    await until(lambda: heard[-1:] == [700])


@pytest.mark.requirement("DATA-21")
async def test_boards_hear_of_a_correction_though_what_comes_with_it_is_late(process: Process) -> None:
    user, heard = UserId(new_uuid7()), list[int]()
    # What is announced here, not what a repair finds at some time.
    process.live.subscribe(lambda frame: heard.extend(total.total for _, total in frame.totals), others=False)
    await process.ingest.record(user.bytes, [counted(8_000, 9)])
    gathering = Ingest(process.database, process.live, SystemClock(), lanes=1)
    await at_noon(process._replace(ingest=gathering)).correct(user, TODAY, Corrected("phone", hours(h9=700), ""))
    late = gathering.submit(user.bytes, [counted(900, 13, late=True)])
    await gathering.start()
    assert (await late).totals == {TODAY: 1_600}
    await until(lambda: heard[-1:] == [700])
    await gathering.stop()


async def test_the_other_devices_are_as_they_were(process: Process) -> None:
    user = UserId(new_uuid7())
    await process.ingest.record(user.bytes, [counted(8_000, 13), counted(5_000, 13, device="watch")])
    await at_noon(process).correct(user, TODAY, Corrected("phone", hours(h13=700), ""))
    assert await standing(process, user) == (5_000, 1)


@pytest.mark.requirement("DATA-21")
async def test_of_a_final_day_it_changes_the_history_and_no_standings(process: Process) -> None:
    day = TODAY - timedelta(days=4)
    user = UserId(new_uuid7())
    await process.ingest.record(user.bytes, [counted(8_000, 9, day=day)])
    await process.ingest.record(user.bytes, [counted(9_000, 9, day=day, late=True)])
    assert await owners_total(process, user, day) == 9_000
    corrector = Corrections(process.database, process.ingest, Zones(process.database), SystemClock())
    await corrector.correct(user, day, Corrected("phone", hours(h9=100), ""))
    assert await owners_total(process, user, day) == 100
    assert await standing(process, user, day) == (8_000, 0)
    late = await process.ingest.record(user.bytes, [counted(9_500, 9, day=day, late=True)])
    assert late.outcomes == [Outcome.HOUR_CORRECTED]
    assert late.totals == {day: 100}


@pytest.mark.requirement("DATA-03", "DATA-21")
async def test_the_last_correction_of_a_date_whose_commit_was_not_answered_has_happened(
    process: Process, step_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firewalker.step.usecases.corrections.MOST_CORRECTIONS", 1)
    user = UserId(new_uuid7())
    await process.ingest.record(user.bytes, [counted(9_000, 9)])
    address, losses = Address.parse(step_url), iter([True])
    async with fault_proxy(address.unix_socket or (address.host, address.port), tmp_path / "s") as proxy:
        url = f"{step_url.partition('?')[0]}?unix_socket={quote(str(proxy.listen), safe='')}"
        async with Database(url) as database:
            corrector = at_noon(process._replace(database=database))
            proxy.set(cut_instead_of_answer_to=lambda chunk: b"\x03COMMIT" in chunk and next(losses, False))
            await corrector.correct(user, TODAY, Corrected("phone", hours(h9=1_000), ""))
            assert next(losses, None) is None
            with pytest.raises(CorrectionLimitReached):
                await corrector.correct(user, TODAY, Corrected("phone", hours(h9=500), ""))
    assert (await standing(process, user))[0] == 1_000


@pytest.mark.requirement("DATA-20", "DATA-21")
async def test_readings_of_two_processes_around_corrections_end_in_one_day(
    process: Process, start_process: Start
) -> None:
    other = await start_process()
    chance = random.Random(11)
    user, slots = UserId(new_uuid7()), (7, 13, 15, 24)
    most = dict.fromkeys(slots, 0)
    corrector = at_noon(process)
    await process.ingest.record(user.bytes, [counted(0, 13)])

    async def walk(some: Process) -> None:
        for _ in range(30):
            slot = chance.choice(slots)
            steps = chance.randrange(10_000)
            most[slot] = max(most[slot], steps)
            await some.ingest.record(user.bytes, [counted(steps, slot)])

    async def correct() -> None:
        for _ in range(6):
            truth = [chance.randrange(2_000) for _ in range(HOURS)]
            await corrector.correct(user, TODAY, Corrected("phone", truth, ""))
            await asyncio.sleep(chance.random() / 50)

    await asyncio.gather(walk(process), walk(other), correct())
    async with process.database.reading() as tx:
        stored = (await days.find_devices(tx, [(user.bytes, TODAY)]))[user.bytes, TODAY]["phone"]
        latest = (await corrections.find_latest(tx, [(user.bytes, TODAY)]))[user.bytes, TODAY, "phone"]
    assert latest.revision == stored.revision == 6
    rules = latest.correction
    # The hour before noon is pinned; the others have all that was told beyond the base, whoever took it in, and when.
    for slot in range(SLOTS):
        assert stored.counts[slot] == rules.values[slot] + max(0, most.get(slot, 0) - rules.bases[slot])
    assert rules.pinned(7)
    for some in (process, other):
        repeat = await some.ingest.record(user.bytes, [counted(most[13], 13)])
        assert repeat.totals == {TODAY: (await standing(process, user))[0]}
