"""Ended sessions reach every process through a real Redis, and outlive it."""

import asyncio
from datetime import UTC, datetime, timedelta
from time import monotonic, perf_counter

import pytest

from firewalker.runtime.revocation import EPOCH, STREAM, Revocation, RevocationFeed
from firewalker.runtime.tokens import LIFETIME
from tests.service.revocation.conftest import World, someone, truth_that_fails_at_first
from tests.support.databases import flush
from tests.support.waiting import until
from tests.support.ways import RedisWay


@pytest.mark.alone
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


@pytest.mark.alone
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
async def test_a_connection_cut_for_seconds_misses_nothing(world: World, proxied: tuple[RedisWay, str]) -> None:
    way, url = proxied
    feed = await world.feed()
    view = await world.view(url)
    await until(lambda: not view.stale)
    way.set(refuse=True)
    way.cut_all()
    who = [someone() for _ in range(1000)]
    for start in range(0, 1000, 50):
        await world.revoke(feed, *who[start : start + 50])
    await until(lambda: view.stale)
    assert not view.is_revoked(who[0])
    way.set()
    await until(lambda: all(view.is_revoked(one) for one in who))
    await until(lambda: not view.stale)


@pytest.mark.alone
@pytest.mark.requirement("AUTH-20", "AUTH-25")
async def test_an_emptied_redis_is_noticed_and_refilled_from_the_truth(world: World) -> None:
    feed, old_view = await world.feed(), await world.view()
    who = someone()
    await world.revoke(feed, who)
    await until(lambda: old_view.is_revoked(who))
    before = await world.redis.get(EPOCH)
    await flush(world.url)
    start = monotonic()
    new_view = await world.view()
    await until(lambda: new_view.is_revoked(who))
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
    await until(lambda: view.is_revoked(who))


@pytest.mark.requirement("AUTH-20")
async def test_an_end_told_while_redis_is_away_is_told_when_it_is_back(
    world: World, proxied: tuple[RedisWay, str]
) -> None:
    way, url = proxied
    feed, view = await world.feed(url), await world.view()
    await until(lambda: not view.stale)
    way.set(refuse=True)
    way.cut_all()
    who = someone()
    await world.revoke(feed, who)
    assert not view.is_revoked(who)
    way.set()
    await until(lambda: view.is_revoked(who))


@pytest.mark.requirement("AUTH-20", "AUTH-22")
async def test_an_end_while_redis_is_told_all_it_missed_is_told_too(world: World) -> None:
    late = someone()
    ended: list[Revocation] = []

    async def truth(_: datetime) -> list[Revocation]:
        found = list(ended)
        if not ended:  # what ends after MySQL was read, and before Redis has heard of the others
            ended.append(Revocation(session_id=late.session_id))
            await feed.publish(ended)
        return found

    view = await world.view()
    feed = RevocationFeed(world.url, truth, beat_s=0.02)
    feed._away = True
    async with feed:
        await until(lambda: view.is_revoked(late))


async def test_a_feed_that_starts_tells_what_was_committed_and_never_told(world: World) -> None:
    who = someone()
    world.truth.revoked.append(Revocation(session_id=who.session_id, time=datetime.now(UTC)))
    view = await world.view()
    await world.feed()
    await until(lambda: view.is_revoked(who))
    assert datetime.now(UTC) - world.truth.asked[0] > LIFETIME


async def test_a_truth_that_cannot_be_read_is_asked_again(world: World) -> None:
    who = someone()
    truth = truth_that_fails_at_first(Revocation(session_id=who.session_id))
    view = await world.view()
    async with RevocationFeed(world.url, truth, beat_s=0.02):
        await until(lambda: view.is_revoked(who))


@pytest.mark.requirement("AUTH-22")
async def test_the_stream_stays_short(world: World) -> None:
    long_ago = int((datetime.now(UTC) - timedelta(minutes=20)).timestamp() * 1000)
    for number in range(500):
        await world.redis.xadd(STREAM, {b"epoch": b"x"}, id=f"{long_ago + number}-0")
    await world.feed()
    await until_shorter(world)


async def until_shorter(world: World) -> None:
    limit = monotonic() + 15
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
