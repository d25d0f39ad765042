"""What a view takes in and what it tells, whatever stands in the stream."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from firewalker.runtime.revocation import EPOCH, STREAM, RevocationView
from tests.service.revocation.conftest import World, someone
from tests.support.clock import FakeClock
from tests.support.waiting import until


class TestWatchers:
    async def test_a_watcher_is_called_once_and_soon(self, world: World) -> None:
        feed, view = await world.feed(), await world.view()
        who, other = someone(), someone()
        calls: list[str] = []
        note: Callable[[str], Callable[[], None]] = lambda name: lambda: calls.append(name)  # noqa: E731
        view.on_revoked(who, note("who"))
        view.on_revoked(other, note("other"))
        taken_back = view.on_revoked(who, note("taken back"))
        taken_back()
        await world.revoke(feed, who)
        await world.revoke(feed, who)
        await world.revoke(feed, other)
        await until(lambda: "other" in calls)
        assert calls == ["who", "other"]

    async def test_a_watcher_of_an_ended_session_is_called_at_once(self, world: World) -> None:
        feed, view = await world.feed(), await world.view()
        who = someone()
        await world.revoke(feed, who)
        await until(lambda: view.is_revoked(who))
        calls: list[int] = []
        view.on_revoked(who, lambda: calls.append(1))()
        assert calls == [1]
        assert not view._watchers


async def test_stopping_survives_a_cancellation_that_a_client_swallowed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = await world.view()
    reading = asyncio.Event()

    async def read() -> None:
        reading.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise TimeoutError from None

    monkeypatch.setattr(view, "_read", read)
    await asyncio.wait_for(reading.wait(), 60)
    await asyncio.wait_for(view.stop(), 60)


@pytest.mark.requirement("AUTH-22")
@pytest.mark.parametrize(
    "junk",
    [
        {"junk": "1"},
        {"sid": b"short", "time": "1"},
        {"sid": bytes(16)},
        {"sid": bytes(16), "time": "9" * 40},
        {"uid": bytes(16), "time": "1"},
        {"epoch": b"\xff\xfe"},
    ],
)
async def test_an_entry_that_makes_no_sense_is_skipped_and_hides_nothing_behind_it(
    world: World, junk: dict[Any, Any]
) -> None:
    feed, view = await world.feed(), await world.view()
    who = someone()
    await world.redis.xadd(STREAM, junk)
    await world.revoke(feed, who)
    await until(lambda: view.is_revoked(who))
    assert view._task is not None
    assert not view._task.done()
    late = await world.view()
    assert late.is_revoked(who)


@pytest.mark.requirement("AUTH-22")
async def test_a_time_in_the_far_future_is_not_remembered_for_ever(world: World) -> None:
    clock = FakeClock(datetime.now(UTC))
    await world.redis.set(EPOCH, b"x")
    async with RevocationView(world.url, clock=clock) as view:
        far = str(int((datetime.now(UTC) + timedelta(days=3650)).timestamp() * 1000))
        await world.redis.xadd(STREAM, {b"sid": bytes(16), b"time": far})
        await until(lambda: view._sessions)
        clock.advance(timedelta(minutes=16))
        await world.redis.xadd(STREAM, {b"epoch": b"x"})
        await until(lambda: not view._sessions)


async def test_a_watcher_with_a_bug_does_not_keep_others_from_hearing(world: World) -> None:
    feed, view = await world.feed(), await world.view()
    who, calls = someone(), list[int]()

    def broken() -> None:
        raise ZeroDivisionError

    for callback in (broken, lambda: calls.append(1), broken):
        view.on_revoked(who, callback)
    await world.revoke(feed, who)
    await until(lambda: calls)


@pytest.mark.requirement("AUTH-25")
async def test_another_memory_is_read_from_its_beginning_though_more_came_in_the_same_batch(world: World) -> None:
    await world.redis.xadd(STREAM, {b"epoch": b"one"})
    view = await world.view()
    await until(lambda: not view.stale)
    # As after a failover to a server whose clock is behind: what it holds was never read.
    who = someone()
    early = f"{int((datetime.now(UTC) - timedelta(minutes=1)).timestamp() * 1000)}-0"
    pipe = world.redis.pipeline(transaction=True)
    pipe.delete(STREAM)
    time = str(int(datetime.now(UTC).timestamp() * 1000))
    pipe.xadd(STREAM, {b"sid": who.session_id.bytes, b"time": time}, id=early)
    pipe.xadd(STREAM, {b"epoch": b"two"})
    pipe.xadd(STREAM, {b"sid": bytes(16), b"time": time})
    await pipe.execute()
    await until(lambda: view.is_revoked(who))


@pytest.mark.requirement("AUTH-25")
async def test_a_stream_with_heartbeats_of_several_memories_is_not_read_again_and_again(world: World) -> None:
    for number in range(2500):
        await world.redis.xadd(STREAM, {b"epoch": b"one" if number % 2 else b"two"})
    await world.redis.set(EPOCH, b"one")
    view = await world.view()
    await world.redis.xadd(STREAM, {b"epoch": b"two"})
    await until(lambda: view._epoch == b"two")
    newest: Any = await world.redis.xrevrange(STREAM, count=1)
    await until(lambda: view._cursor == newest[0][0].decode())
    await asyncio.sleep(0.1)
    assert view._cursor == newest[0][0].decode()
