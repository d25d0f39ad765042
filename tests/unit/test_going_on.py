"""Background work goes on after what nobody expected."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from firewalker.kernel.clock import SystemClock
from firewalker.kernel.ids import UserId, new_uuid7
from firewalker.notification import database_clock, live, measures, planner, sender
from firewalker.notification.database_clock import DatabaseClock
from firewalker.notification.fcm.breakers import Breakers
from firewalker.notification.fcm.pace import Pace
from firewalker.notification.live import WatchedInboxes
from firewalker.notification.measures import Measures
from firewalker.notification.planner import Planner
from firewalker.notification.sender import Sender
from firewalker.runtime.personal_data import Erasure, erasure
from firewalker.runtime.process import Part
from firewalker.user.post import Post
from tests.support.clock import FakeClock
from tests.support.waiting import until


class Broken:
    """Whatever is asked of it fails in a way that nobody expects, and is counted."""

    def __init__(self) -> None:
        self.asked = 0

    def __getattr__(self, _name: str) -> Callable[..., Awaitable[Any]]:
        async def fail(*_: object, **__: object) -> Any:
            self.asked += 1
            raise LookupError

        return fail

    def reading(self) -> Any:
        self.asked += 1
        raise LookupError

    pubsub = reading

    def on_wake(self, waken: Callable[[], None]) -> None:
        del waken  # nothing ever happens here

    async def aclose(self) -> None:
        pass


def a_planner(broken: Any) -> Part:
    made = Planner()
    made.attach(broken)
    return made


def a_sender(broken: Any, pace: Pace | None = None) -> Part:
    clock = SystemClock()
    pace = pace or Pace(clock, ramp_s=0)
    return Sender(broken, broken, broken, clock, pace=pace, breakers=Breakers(clock), most_in_flight=10)


def inboxes(broken: Any) -> Part:
    made = WatchedInboxes("redis://127.0.0.1:1/0")
    made.attach(broken)
    made.watch(UserId(new_uuid7()))
    return made


PARTS: dict[str, Callable[[Any], Part]] = {
    "planner": a_planner,
    "sender": a_sender,
    "database clock": lambda broken: DatabaseClock(broken, SystemClock()),
    "measures": lambda broken: Measures(broken, SystemClock()),
    "inboxes": inboxes,
    "post": lambda broken: Post(broken, broken, poll_s=0.01),
    "erasure": lambda broken: Erasure(broken, (), SystemClock()),
}


@pytest.mark.parametrize("name", PARTS)
async def test_it_is_tried_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, pause in (
        (planner, "IDLE_S"), (sender, "IDLE_S"), (database_clock, "LOOK_S"), (measures, "_MEASURE_S"), (live, "LOOK_S"),
        (erasure, "LOOK_S"),
    ):  # fmt: skip
        monkeypatch.setattr(module, pause, 0.01)
    broken = Broken()
    part = PARTS[name](broken)
    await part.start()
    try:
        await until(lambda: broken.asked > 2)
    finally:
        await part.stop()


async def test_inboxes_are_told_of_and_listened_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_RETRY_S", 0.01)
    part, told, heard = WatchedInboxes("redis://127.0.0.1:1/0"), Broken(), Broken()
    monkeypatch.setattr(part, "_redis", told)
    monkeypatch.setattr(part, "_reader", heard)

    def again() -> bool:
        part.announce([UserId(new_uuid7())])
        return told.asked > 2 and heard.asked > 2

    await part.start()
    try:
        await until(again)
    finally:
        await part.stop()


async def test_what_could_not_be_claimed_does_not_slow_down_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "IDLE_S", 0.01)
    broken, clock = Broken(), FakeClock()  # with time standing still, nothing comes back by itself
    part = a_sender(broken, Pace(clock, fastest=20, ramp_s=0))
    await part.start()
    try:
        await until(lambda: broken.asked > 10)
    finally:
        await part.stop()


async def test_a_probe_that_could_not_be_made_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "IDLE_S", 0.01)
    broken: Any = Broken()
    clock = FakeClock()
    breakers = Breakers(clock)
    breakers.project.trip()
    part = Sender(broken, broken, broken, clock, pace=Pace(clock), breakers=breakers, most_in_flight=10)

    def asked() -> bool:
        clock.advance(600)
        return bool(broken.asked > 1)

    await part.start()
    try:
        await until(asked)
    finally:
        await part.stop()
