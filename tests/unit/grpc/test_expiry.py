"""One timer for all calls of a connection: each ends in its time, whatever the order, and nothing is left behind."""

import asyncio
from dataclasses import dataclass, field

from firewalker.runtime.grpc.expiry import Expiry
from tests.support.waiting import until


@dataclass
class Work:
    calls: dict[int, "Work"]
    deadline: float | None
    ended_at: list[float] = field(default_factory=list)

    def run_out(self) -> None:
        self.ended_at.append(asyncio.get_running_loop().time())
        self.deadline = None


async def test_each_ends_in_its_time_in_whatever_order_they_came() -> None:
    loop = asyncio.get_running_loop()
    calls: dict[int, Work] = {}
    expiry = Expiry(calls)
    due = {}
    for number, after in enumerate((0.05, 0.02, 0.09, 0.02, 0.06)):
        due[number] = loop.time() + after
        calls[number] = Work(calls, due[number])
        expiry.watch(due[number])
    forever = calls[9] = Work(calls, None)
    await until(lambda: all(calls[number].ended_at for number in due))
    for number, at in due.items():
        (ended,) = calls[number].ended_at
        assert ended - at >= -0.001
    assert [n for n, _ in sorted(due.items(), key=lambda pair: pair[1])] == sorted(due, key=lambda n: calls[n].ended_at)
    assert not forever.ended_at
    assert expiry._timer is None


async def test_what_is_done_is_forgotten_and_later_ones_need_no_new_timer() -> None:
    loop = asyncio.get_running_loop()
    calls: dict[int, Work] = {}
    expiry = Expiry(calls)
    expiry.watch(loop.time() + 0.03)
    first = expiry._timer
    calls[2] = Work(calls, loop.time() + 0.05)
    expiry.watch(loop.time() + 0.05)
    assert expiry._timer is first
    await until(lambda: calls[2].ended_at)
    calls.clear()
    expiry.watch(loop.time() + 0.01)
    await until(lambda: expiry._timer is None)
    expiry.watch(loop.time() + 60)
    expiry.stop()
    assert expiry._timer is None
