"""The lane in which passwords are hashed: bounded, fair, and never for nobody."""

import asyncio
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from argon2 import extract_parameters
from argon2.low_level import Type

from firewalker.kernel.faults import DeadlineExceeded, Overloaded
from firewalker.runtime.deadline import deadline
from firewalker.user.passwords import Bounds, Cost, PasswordLane
from tests.support.waiting import until

pytestmark = pytest.mark.alone


@pytest.fixture
def lane() -> Iterator[PasswordLane]:
    made = PasswordLane(bounds=Bounds(threads=1, queue=3, wait_s=2.0))
    yield made
    made.close()


class Busy:
    """Occupies the lane's thread until let go."""

    def __init__(self, lane: PasswordLane) -> None:
        self._go = threading.Event()
        self.task = asyncio.create_task(lane._run(self._go.wait))

    def let_go(self) -> None:
        self._go.set()


@pytest.mark.requirement("AUTH-30")
async def test_hashes_are_argon2id_at_the_floor(lane: PasswordLane) -> None:
    stored = await lane.hash("mist and gates")
    parameters = extract_parameters(stored)
    assert parameters.type is Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19_456, 2, 1)
    assert (parameters.salt_len, parameters.hash_len) == (16, 32)


@pytest.mark.requirement("AUTH-30")
@pytest.mark.parametrize("weaker", [{"memory_kib": 19_455}, {"passes": 1}, {"lanes": 0}])
def test_a_weaker_cost_is_refused(weaker: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least"):
        Cost(**weaker)


@pytest.mark.requirement("AUTH-33")
async def test_passwords_count_to_the_last_byte(lane: PasswordLane) -> None:
    long = "x" * 100
    stored = await lane.hash(long + "y ")
    assert await lane.verify(stored, long + "y ")
    assert not await lane.verify(stored, long + "y")
    assert not await lane.verify(stored, long + "z ")
    assert not await lane.verify(await lane.hash("a\x00b"), "a\x00c")


@pytest.mark.requirement("AUTH-34")
async def test_nobody_has_a_password(lane: PasswordLane) -> None:
    assert not await lane.verify(None, "mist and gates")
    assert not await lane.verify("no hash at all", "mist and gates")


@pytest.mark.requirement("AUTH-34")
async def test_checking_nobodys_password_costs_what_checking_anybodys_does(lane: PasswordLane) -> None:
    stored = await lane.hash("mist and gates")
    costs: dict[str | None, list[float]] = {None: [], stored: []}
    for _ in range(15):
        for password_hash, seconds in costs.items():
            begun = time.perf_counter()
            assert not await lane.verify(password_hash, "wrong")
            seconds.append(time.perf_counter() - begun)
    nobody, somebody = (statistics.median(seconds) for seconds in costs.values())
    # Without the work it would be a hundredth. How close it really is shows where the machine is quiet.
    assert 0.5 < nobody / somebody < 2


async def test_a_hash_of_other_cost_is_outdated(lane: PasswordLane) -> None:
    dearer = PasswordLane(Cost(passes=3), Bounds(threads=1))
    assert dearer.is_outdated(await lane.hash("mist and gates"))
    assert not lane.is_outdated(await lane.hash("mist and gates"))
    dearer.close()


@pytest.mark.requirement("AUTH-32")
async def test_a_full_queue_refuses_at_once_and_says_for_how_long(lane: PasswordLane) -> None:
    busy = Busy(lane)
    waiting = [asyncio.create_task(lane.verify(None, "x")) for _ in range(3)]
    await until(lambda: lane.waiting == 3)
    with pytest.raises(Overloaded) as refused:
        await lane.verify(None, "x")
    assert refused.value.retry_after == timedelta(seconds=2)
    busy.let_go()
    await asyncio.gather(busy.task, *waiting)


@pytest.mark.requirement("AUTH-32")
async def test_who_waits_too_long_is_refused_and_nothing_is_hashed() -> None:
    lane = PasswordLane(bounds=Bounds(threads=1, queue=3, wait_s=0.02))
    busy = Busy(lane)
    worked = threading.Event()
    await until(lambda: lane._free == 0)
    with pytest.raises(Overloaded):
        await lane._run(worked.set)
    busy.let_go()
    await busy.task
    await until(lambda: lane._free == 1)
    assert not worked.is_set()
    lane.close()


@pytest.mark.requirement("AUTH-32")
async def test_a_deadline_that_passes_in_the_queue_ends_the_wait(lane: PasswordLane) -> None:
    busy = Busy(lane)
    await until(lambda: lane._free == 0)
    with deadline(0.02), pytest.raises(DeadlineExceeded):
        await lane.verify(None, "x")
    with deadline(0.0), pytest.raises(DeadlineExceeded):
        await lane.verify(None, "x")
    assert lane.waiting == 0
    busy.let_go()
    await busy.task


@pytest.mark.requirement("AUTH-32")
async def test_who_is_cancelled_leaves_the_queue_before_being_hashed_for(lane: PasswordLane) -> None:
    busy = Busy(lane)
    worked = threading.Event()
    gone = asyncio.create_task(lane._run(worked.set))
    await until(lambda: lane.waiting == 1)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    assert lane.waiting == 0
    busy.let_go()
    await busy.task
    assert not await lane.verify(None, "x")
    assert not worked.is_set()


@pytest.mark.requirement("AUTH-32")
async def test_a_hash_that_nobody_waits_for_keeps_its_thread_until_it_is_done(lane: PasswordLane) -> None:
    busy = Busy(lane)
    await until(lambda: lane._free == 0)
    busy.task.cancel()
    await asyncio.gather(busy.task, return_exceptions=True)
    next_one = asyncio.create_task(lane.verify(None, "x"))
    await until(lambda: lane.waiting == 1)
    busy.let_go()
    assert not await next_one
    await until(lambda: lane._free == 1)


NICE_PROCESS = """
import asyncio, os, sys, threading
from firewalker.user.passwords import Bounds, PasswordLane
os.nice(10)
if os.geteuid() == 0:
    os.setuid(65534)  # root may do what nobody else may
lane = PasswordLane(bounds=Bounds(threads=1))
# Only on Linux have threads a priority of their own; elsewhere it is the process's.
one = threading.get_native_id if sys.platform == "linux" else os.getpid
print(asyncio.run(lane._run(lambda: os.getpriority(os.PRIO_PROCESS, one()))))
"""


def test_a_process_that_is_nicer_still_hashes_and_stays_so() -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    ran = subprocess.run([sys.executable, "-c", NICE_PROCESS], capture_output=True, text=True, check=False)  # noqa: S603 - of this file
    assert (ran.stdout.strip(), ran.returncode) == (str(min(own + 10, 19)), 0), ran.stderr


@pytest.mark.requirement("AUTH-32")
async def test_no_storm_of_cancellations_loses_the_thread(lane: PasswordLane) -> None:
    for round_ in range(60):
        tasks = [asyncio.create_task(lane._run(lambda: None)) for _ in range(3)]
        for _ in range(round_ % 5):
            await asyncio.sleep(0)
        for task in tasks[round_ % 3 :]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await until(lambda: lane._free == 1)
    assert lane.waiting == 0
