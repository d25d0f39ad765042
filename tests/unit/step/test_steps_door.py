"""How a stream of readings ends, with a client and an ingest that are only played."""

import asyncio
from typing import Any, cast

import pytest

from firewalker.kernel.ids import SessionId, UserId, new_uuid7
from firewalker.runtime.grpc.streams import HotStream
from firewalker.step.rpc import steps
from firewalker.step.rpc.days import DayCalls
from firewalker.step.rpc.steps import StepDoor
from firewalker.step.usecases.readings import Readings


class SlowToLeave:
    """A stream whose reader takes its time when it is ended."""

    def __init__(self) -> None:
        self.ending = asyncio.get_running_loop().create_future()
        self.reading = asyncio.Event()
        self.leaving = asyncio.Event()

    async def recv(self) -> Any:
        self.reading.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.leaving.set()
            await asyncio.sleep(0.05)


class _Me:
    user_id = UserId(new_uuid7())
    session_id = SessionId(new_uuid7())


async def test_a_call_that_is_cancelled_while_it_ends_stays_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "principal", _Me)
    stream = SlowToLeave()
    call = asyncio.create_task(
        StepDoor(cast("Readings", None), cast("DayCalls", None)).track_steps(cast("HotStream", stream))
    )
    await stream.reading.wait()
    call.cancel()
    await stream.leaving.wait()
    call.cancel()  # again: the first is on its way already
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_call_cancelled_while_a_fault_ends_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "principal", _Me)
    monkeypatch.setattr(steps._Due, "abandon", lambda _: None)
    stream = SlowToLeave()
    failing = asyncio.Event()

    class Failing(asyncio.Queue[Any]):
        async def get(self) -> Any:
            await failing.wait()
            raise ValueError

    monkeypatch.setattr(asyncio, "Queue", Failing)
    call = asyncio.create_task(
        StepDoor(cast("Readings", None), cast("DayCalls", None)).track_steps(cast("HotStream", stream))
    )
    await stream.reading.wait()
    failing.set()
    await stream.leaving.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
