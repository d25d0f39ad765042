"""Ended sessions reach every process through a real Redis, and outlive it."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any
from urllib.parse import urlsplit

import pytest

from firewalker.kernel.ids import SessionId, UserId, new_uuid7
from firewalker.kernel.principal import Principal
from firewalker.runtime import redis as redis_clients
from firewalker.runtime.revocation import EPOCH, STREAM, Revocation, RevocationFeed, RevocationView, ViewFilling
from firewalker.runtime.tokens import LIFETIME
from tests.support.clock import FakeClock
from tests.support.databases import Servers
from tests.support.proxy import FaultProxy
from tests.support.waiting import until


def someone(issued: datetime | None = None, user_id: UserId | None = None) -> Principal:
    issued = issued or datetime.now(UTC)
    return Principal(user_id or UserId(new_uuid7()), SessionId(new_uuid7()), "jti", issued, issued + LIFETIME)


class Truth:
    """Stands for MySQL: what was revoked, and how often it was asked for."""

    def __init__(self) -> None:
        self.revoked: list[Revocation] = []
        self.asked: list[datetime] = []

    async def since(self, moment: datetime) -> Iterable[Revocation]:
        self.asked.append(moment)
        return [found for found in self.revoked if found.time is None or found.time >= moment]


class World:
    """One Redis, with feeds and views on it."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self.url = url
        self.truth = Truth()
        self.redis: Any = redis_clients.connect(url)
        self._stack = stack
        stack.push_async_callback(self.redis.aclose)

    async def feed(self, url: str | None = None) -> RevocationFeed:
        return await self._stack.enter_async_context(RevocationFeed(url or self.url, self.truth.since, beat_s=0.1))

    async def view(self, url: str | None = None) -> RevocationView:
        return await self._stack.enter_async_context(RevocationView(url or self.url))

    async def process(self, url: str) -> tuple[RevocationFeed, RevocationView]:
        """One of the user service: it has the truth at hand."""
        view = await self._stack.enter_async_context(RevocationView(url))
        feed = RevocationFeed(url, self.truth.since, view=view, beat_s=0.1)
        await self._stack.enter_async_context(feed)
        await self._stack.enter_async_context(ViewFilling(view, self.truth.since, look_s=0.05))
        return feed, view

    async def revoke(self, feed: RevocationFeed, *principals: Principal) -> None:
        """As the user service does: commit, then tell."""
        ended = [Revocation(session_id=p.session_id, reason="logout", time=datetime.now(UTC)) for p in principals]
        self.truth.revoked += ended
        await feed.publish(ended)


@pytest.fixture
async def world(redis_url: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(redis_url, stack)


@pytest.fixture
async def proxied(world: World, tmp_path: Path) -> AsyncIterator[tuple[FaultProxy, str]]:
    """A way to the same Redis that can be cut."""
    parts = urlsplit(world.url)
    upstream: str | tuple[str, int] = (
        parts.path if parts.scheme == "unix" else (parts.hostname or "", parts.port or 6379)
    )
    listen = str(tmp_path / f"{uuid.uuid4().hex[:8]}.sock")
    proxy = FaultProxy(upstream, listen)
    await proxy.start()
    database = parts.query or f"db={parts.path.strip('/') or 0}"
    yield proxy, f"unix://{listen}?{database}"
    await proxy.close()


@pytest.mark.requirement("AUTH-22")
async def test_an_end_reaches_every_process_at_once(world: World) -> None:
    feed = await world.feed()
    views = [await world.view() for _ in range(3)]
    delays = []
    for _ in range(20):
        who = someone()
        assert not any(view.is_revoked(who) for view in views)
        start = monotonic()
        await world.revoke(feed, who)
        await until(lambda: all(view.is_revoked(who) for view in views))  # noqa: B023
        delays.append(monotonic() - start)
    assert sorted(delays)[-2] < 0.25


@pytest.mark.requirement("AUTH-22")
async def test_a_check_sends_nothing_and_takes_microseconds(world: World) -> None:
    feed, view = await world.feed(), await world.view()
    ended, live = someone(), someone()
    await world.revoke(feed, ended)
    await until(lambda: view.is_revoked(ended))
    await until(lambda: not view.stale)
    start = perf_counter()
    for _ in range(10_000):
        view.is_revoked(live)
        view.is_revoked(ended)
    assert perf_counter() - start < 20_000 * 5e-6


@pytest.mark.requirement("AUTH-22")
async def test_a_process_that_starts_later_knows_what_ended_before(world: World) -> None:
    feed = await world.feed()
    who = [someone() for _ in range(3)]
    await world.revoke(feed, *who)
    view = await world.view()
    assert all(view.is_revoked(one) for one in who)


@pytest.mark.requirement("AUTH-22")
async def test_a_connection_cut_for_seconds_misses_nothing(world: World, proxied: tuple[FaultProxy, str]) -> None:
    proxy, url = proxied
    feed = await world.feed()
    view = await world.view(url)
    await until(lambda: not view.stale)
    proxy.set(refuse=True)
    proxy.cut_all()
    who = [someone() for _ in range(1000)]
    for start in range(0, 1000, 50):
        await world.revoke(feed, *who[start : start + 50])
    await until(lambda: view.stale, within_s=4)
    assert not view.is_revoked(who[0])
    proxy.set()
    await until(lambda: all(view.is_revoked(one) for one in who), within_s=3)
    await until(lambda: not view.stale)


@pytest.mark.requirement("AUTH-20", "AUTH-25")
async def test_an_emptied_redis_is_noticed_and_refilled_from_the_truth(world: World) -> None:
    feed, old_view = await world.feed(), await world.view()
    who = someone()
    await world.revoke(feed, who)
    await until(lambda: old_view.is_revoked(who))
    before = await world.redis.get(EPOCH)
    await world.redis.flushdb()
    start = monotonic()
    new_view = await world.view()
    await until(lambda: new_view.is_revoked(who), within_s=2)
    assert monotonic() - start < 1.5
    assert old_view.is_revoked(who)
    assert await world.redis.get(EPOCH) not in (None, before)


@pytest.mark.requirement("AUTH-25")
async def test_a_redis_whose_ids_go_back_is_read_from_its_beginning(world: World) -> None:
    feed, view = await world.feed(), await world.view()
    await until(lambda: not view.stale)
    # As after a failover to a server whose clock is behind.
    view._cursor = f"{int((datetime.now(UTC) + timedelta(hours=1)).timestamp() * 1000)}-0"
    await world.redis.delete(EPOCH)
    who = someone()
    await world.revoke(feed, who)
    await until(lambda: view.is_revoked(who), within_s=4)


@pytest.mark.requirement("AUTH-20")
async def test_an_end_told_while_redis_is_away_is_told_when_it_is_back(
    world: World, proxied: tuple[FaultProxy, str]
) -> None:
    proxy, url = proxied
    feed, view = await world.feed(url), await world.view()
    await until(lambda: not view.stale)
    proxy.set(refuse=True)
    proxy.cut_all()
    who = someone()
    await world.revoke(feed, who)
    assert not view.is_revoked(who)
    proxy.set()
    await until(lambda: view.is_revoked(who))


async def test_a_feed_that_starts_tells_what_was_committed_and_never_told(world: World) -> None:
    who = someone()
    world.truth.revoked.append(Revocation(session_id=who.session_id, time=datetime.now(UTC)))
    view = await world.view()
    await world.feed()
    await until(lambda: view.is_revoked(who))
    assert datetime.now(UTC) - world.truth.asked[0] > LIFETIME


async def test_a_truth_that_cannot_be_read_is_asked_again(world: World) -> None:
    who, failures = someone(), 2

    async def replay(moment: datetime) -> Iterable[Revocation]:
        nonlocal failures
        del moment
        if failures:
            failures -= 1
            raise ConnectionError("MySQL is away")
        return [Revocation(session_id=who.session_id)]

    view = await world.view()
    async with RevocationFeed(world.url, replay, beat_s=0.02):
        await until(lambda: view.is_revoked(who))


class TestUsers:
    async def test_everything_issued_before_a_moment_ends_and_nothing_after(self, world: World) -> None:
        feed, view = await world.feed(), await world.view()
        now = datetime.now(UTC)
        user_id = UserId(new_uuid7())
        before, after = someone(now - timedelta(minutes=1), user_id), someone(now + timedelta(seconds=1), user_id)
        await feed.publish([Revocation(user_id=user_id, not_before=now, reason="password")])
        await until(lambda: view.is_revoked(before))
        assert not view.is_revoked(after)

    async def test_an_older_moment_does_not_replace_a_newer_one(self, world: World) -> None:
        feed, view = await world.feed(), await world.view()
        now = datetime.now(UTC)
        who, marker = someone(now - timedelta(minutes=1)), someone()
        for moment in (now, now - timedelta(minutes=5)):
            await feed.publish([Revocation(user_id=who.user_id, not_before=moment)])
        await world.revoke(feed, marker)
        await until(lambda: view.is_revoked(marker))
        assert view.is_revoked(who)


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
        await until(lambda: calls)
        await feed.publish([Revocation(user_id=who.user_id, not_before=datetime.now(UTC) + timedelta(seconds=1))])
        await feed.publish([Revocation(user_id=other.user_id, not_before=datetime.now(UTC) + timedelta(seconds=1))])
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
        assert not view._user_watchers


@pytest.mark.requirement("AUTH-22")
async def test_the_stream_stays_short(world: World) -> None:
    long_ago = int((datetime.now(UTC) - timedelta(minutes=20)).timestamp() * 1000)
    for number in range(500):
        await world.redis.xadd(STREAM, {b"epoch": b"x"}, id=f"{long_ago + number}-0")
    await world.feed()
    await until_shorter(world)


async def until_shorter(world: World) -> None:
    limit = monotonic() + 5
    while await world.redis.xlen(STREAM) >= 200:
        assert monotonic() < limit
        await asyncio.sleep(0.02)


async def test_several_feeds_write_one_heartbeat(world: World) -> None:
    for _ in range(4):
        await world.feed()
    view = await world.view()
    await until(lambda: not view.stale)
    start, began = await world.redis.xlen(STREAM), monotonic()
    await asyncio.sleep(0.5)
    beats = await world.redis.xlen(STREAM) - start
    assert beats <= (monotonic() - began) / 0.09 + 1


async def test_entries_are_dropped_when_no_token_can_be_alive(world: World) -> None:
    feed, view = await world.feed(), await world.view()
    old, marker = someone(), someone()
    long_ago = datetime.now(UTC) - timedelta(minutes=16)
    await feed.publish([Revocation(session_id=old.session_id, time=long_ago)])
    await world.revoke(feed, marker)
    await until(lambda: view.is_revoked(marker))
    await until(lambda: not view.is_revoked(old))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"session_id": SessionId(new_uuid7()), "user_id": UserId(new_uuid7()), "not_before": datetime.now(UTC)},
        {"user_id": UserId(new_uuid7())},
        {"session_id": SessionId(new_uuid7()), "not_before": datetime.now(UTC)},
    ],
)
def test_a_revocation_is_of_a_session_or_of_a_user_and_a_moment(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="either"):
        Revocation(**wrong)


def test_servers_are_given(servers: Servers) -> None:
    assert servers.redis_url()


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
    await asyncio.wait_for(reading.wait(), 5)
    await asyncio.wait_for(view.stop(), 5)


@pytest.mark.requirement("AUTH-22")
@pytest.mark.parametrize(
    "junk",
    [
        {"junk": "1"},
        {"sid": b"short", "time": "1"},
        {"sid": bytes(16)},
        {"sid": bytes(16), "time": "9" * 40},
        {"uid": bytes(16), "time": "1", "not_before": "x"},
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
    await until(lambda: view.is_revoked(who), within_s=1)


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


class TestWithoutRedis:
    @pytest.mark.requirement("AUTH-20")
    async def test_the_process_that_ends_a_session_knows_at_once(
        self, world: World, proxied: tuple[FaultProxy, str]
    ) -> None:
        proxy, url = proxied
        feed, view = await world.process(url)
        await until(lambda: not view.stale)
        proxy.set(refuse=True)
        proxy.cut_all()
        who, calls = someone(), list[int]()
        view.on_revoked(who, lambda: calls.append(1))
        telling = asyncio.create_task(world.revoke(feed, who))
        await until(lambda: calls, within_s=0.2)
        assert view.is_revoked(who)
        await telling

    @pytest.mark.requirement("AUTH-20")
    async def test_a_process_that_has_mysql_knows_at_its_start_and_learns_while_stale(
        self, world: World, proxied: tuple[FaultProxy, str]
    ) -> None:
        proxy, url = proxied
        proxy.set(refuse=True)
        before, after = someone(), someone()
        world.truth.revoked.append(Revocation(session_id=before.session_id, time=datetime.now(UTC)))
        _, view = await world.process(url)
        assert view.stale
        assert view.is_revoked(before)
        world.truth.revoked.append(Revocation(session_id=after.session_id, time=datetime.now(UTC)))
        await until(lambda: view.is_revoked(after), within_s=1)

    async def test_a_truth_that_cannot_be_read_keeps_no_process_from_starting(self, world: World) -> None:
        who, failures = someone(), 2

        async def replay(moment: datetime) -> Iterable[Revocation]:
            nonlocal failures
            del moment
            if failures:
                failures -= 1
                raise ConnectionError("MySQL is away")
            return [Revocation(session_id=who.session_id)]

        view = await world.view()
        async with ViewFilling(view, replay, look_s=0.01):
            assert not view.is_revoked(who)
            await until(lambda: view.is_revoked(who))
