from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any, cast

import pytest

from firewalker.runtime.grpc.admission import BUSY_WAIT_S, WAIT_S, Admission
from firewalker.runtime.grpc.concurrency import ConcurrencyLimit
from firewalker.runtime.grpc.policy import Caller, Priority, Rule
from firewalker.runtime.grpc.status import Outcome
from tests.support.waiting import until


@dataclass
class Kind:
    """What admission looks at of a method."""

    rule: Rule
    path: str = "/x.X/Y"
    streaming: bool = False


@dataclass(eq=False)
class Waiter:
    """What admission sees of a call."""

    method: Kind
    placed: float = 0.0
    started: bool = False
    outcome: Outcome | None = None
    left: bool = False

    def start(self) -> None:
        self.started = True

    def refuse(self, outcome: Outcome) -> None:
        self.outcome = outcome

    @property
    def done(self) -> bool:
        return self.left or self.outcome is not None


@dataclass
class House:
    """An admission with a clock of its own."""

    places: int = 10
    queue: int = 4
    time: float = 100.0
    admission: Admission = field(init=False)

    def __post_init__(self) -> None:
        limit = ConcurrencyLimit(self.places, adaptive=False)
        self.admission = Admission(limit, queue=self.queue, now=lambda: self.time)

    def call(self, priority: Priority = Priority.SIGN_IN, *, streaming: bool = False) -> Waiter:
        waiter = Waiter(Kind(Rule(Caller.PUBLIC, priority=priority), streaming=streaming))
        self.admission.enter(cast("Any", waiter))
        return waiter

    def fill(self) -> list[Waiter]:
        return [self.call() for _ in range(self.places)]

    def end(self, waiter: Waiter) -> None:
        self.admission.leave(cast("Any", waiter), 0.01, served=True)


@pytest.mark.requirement("NET-31")
async def test_no_more_calls_run_at_once_than_there_are_places() -> None:
    house = House(places=3)
    running = house.fill()
    surplus = house.call()
    assert all(call.started for call in running)
    assert not surplus.started
    house.end(running[0])
    assert surplus.started
    assert house.admission.running == 3


@pytest.mark.requirement("NET-31")
async def test_beyond_the_queue_calls_are_refused_at_once_with_a_time_to_come_back() -> None:
    house = House(places=1, queue=2)
    house.fill()
    waiting = [house.call(), house.call()]
    refused = house.call()
    assert refused.outcome is not None
    assert (refused.outcome.status.name, refused.outcome.reason) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
    assert any(b"grpc-status-details-bin" in header for header in refused.outcome.headers)
    assert not any(call.done for call in waiting)


@pytest.mark.requirement("NET-31")
@pytest.mark.alone
async def test_a_refusal_takes_far_less_than_a_millisecond() -> None:
    house = House(places=1, queue=0)
    house.fill()
    began = perf_counter()
    for _ in range(1_000):
        house.call()
    assert (perf_counter() - began) / 1_000 < 0.0005


@pytest.mark.requirement("NET-31")
async def test_what_matters_less_leaves_room_for_what_matters_more() -> None:
    house = House(places=20, queue=0)
    started = {}
    for priority in sorted(Priority, reverse=True):
        calls = [house.call(priority) for _ in range(20)]
        started[priority] = sum(call.started for call in calls)
    assert started[Priority.OTHER] == 14
    assert started[Priority.READ] == 3
    assert started[Priority.UPLOAD] == 2
    assert started[Priority.SIGN_IN] == 1
    assert started[Priority.HEALTH] == 20


@pytest.mark.requirement("NET-31")
async def test_a_place_goes_to_the_most_important_of_those_who_wait() -> None:
    house = House(places=10)
    running = house.fill()
    waiting = {priority: house.call(priority) for priority in (Priority.OTHER, Priority.READ, Priority.SIGN_IN)}
    house.end(running[0])
    assert waiting[Priority.SIGN_IN].started
    assert not waiting[Priority.READ].started


@pytest.mark.requirement("NET-31")
async def test_a_full_queue_gives_up_what_matters_less_than_the_newcomer() -> None:
    house = House(places=1, queue=2)
    house.fill()
    waiting = [house.call(Priority.OTHER), house.call(Priority.OTHER)]
    newcomer = house.call(Priority.UPLOAD)
    assert [call.done for call in waiting] == [True, False]
    assert not newcomer.done


@pytest.mark.requirement("NET-32")
async def test_who_has_waited_for_too_long_is_refused_not_served() -> None:
    house = House(places=1)
    (running,) = house.fill()
    late = house.call()
    house.time += WAIT_S + 0.001
    soon = house.call()
    house.end(running)
    assert late.outcome is not None
    assert not late.started
    assert soon.started


@pytest.mark.requirement("NET-32")
async def test_a_queue_that_stands_keeps_nobody_for_long() -> None:
    house = House(places=1, queue=100)
    (running,) = house.fill()
    first = house.call()
    for _ in range(25):  # somebody waits all the time
        house.time += 0.005
        house.call()
    assert first.done
    newcomer = house.call()
    house.time += BUSY_WAIT_S + 0.001
    house.end(running)
    assert newcomer.outcome is not None


async def test_who_left_while_waiting_takes_no_place() -> None:
    house = House(places=1)
    (running,) = house.fill()
    gone, next_one = house.call(), house.call()
    gone.left = True
    house.end(running)
    assert not gone.started
    assert next_one.started


async def test_streams_hold_no_place_but_none_begins_in_a_full_house() -> None:
    house = House(places=2)
    streams = [house.call(Priority.READ, streaming=True) for _ in range(50)]
    assert all(stream.started for stream in streams)
    assert house.admission.running == 0
    house.fill()
    refused = house.call(Priority.READ, streaming=True)
    assert refused.outcome is not None


async def test_a_place_is_given_back_once() -> None:
    house = House(places=2)
    (first, _) = house.fill()
    house.end(first)
    house.end(first)
    assert house.admission.running == 1


async def test_a_queue_is_cleared_by_time_alone() -> None:
    admission = Admission(ConcurrencyLimit(1, adaptive=False))
    kind = Kind(Rule(Caller.PUBLIC, priority=Priority.SIGN_IN))
    first, second = Waiter(kind), Waiter(replace(kind))
    admission.enter(cast("Any", first))
    admission.enter(cast("Any", second))
    await until(lambda: second.done)
    assert admission.waiting == 0
