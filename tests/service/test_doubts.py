"""Calls while nothing is heard of ended sessions: every row of the table in `runtime/revocation/doubts.py`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from prometheus_client import CollectorRegistry

from firewalker.kernel.faults import DatabaseUnavailable, SessionRevoked
from firewalker.kernel.ids import SessionId, UserId, new_uuid7
from firewalker.kernel.principal import Principal
from firewalker.runtime import redis as redis_clients
from firewalker.runtime.config import ConfigError
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.revocation import (
    STREAM,
    OnUnknown,
    Revocation,
    RevocationFeed,
    RevocationView,
    SessionDoubts,
    SessionStateUnknown,
)
from firewalker.runtime.revocation.doubts import ASK_AT_ONCE, ASK_S
from firewalker.runtime.revocation.entries import TAG
from firewalker.runtime.revocation.eviction import ensure_nothing_is_evicted
from firewalker.runtime.tokens import LIFETIME
from tests.support.clock import FakeClock
from tests.support.databases import Servers
from tests.support.waiting import until
from tests.support.ways import redis_way

Outcome = Literal["OK", "SESSION_REVOKED", "SESSION_STATE_UNKNOWN"]
Redis = Literal["up", "down", "black hole"]
MySQL = Literal["up", "down", "slow"]


def someone() -> Principal:
    now = datetime.now(UTC)
    return Principal(UserId(new_uuid7()), SessionId(new_uuid7()), "jti", now, now + LIFETIME)


class Truth:
    """Stands for MySQL, near or far."""

    def __init__(self, state: MySQL = "up") -> None:
        self.state = state
        self.ended: set[SessionId] = set()
        self.asked = 0
        self.at_once = 0
        self.most_at_once = 0

    async def has_ended(self, session_id: SessionId) -> bool:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0)
            if self.state == "down":
                raise DatabaseUnavailable
            if self.state == "slow":
                await asyncio.Event().wait()
            return session_id in self.ended
        finally:
            self.at_once -= 1


async def judged(view: RevocationView, doubts: SessionDoubts, who: Principal, *, sensitive: bool) -> Outcome:
    """As the edge does it."""
    if view.is_revoked(who):
        return "SESSION_REVOKED"
    if doubts.arise:
        try:
            await doubts.settle(who, sensitive=sensitive)
        except SessionRevoked:
            return "SESSION_REVOKED"
        except SessionStateUnknown:
            return "SESSION_STATE_UNKNOWN"
    return "OK"


def counted(decision: str) -> float:
    registry: CollectorRegistry = REGISTRY
    return registry.get_sample_value("firewalker_revocation_stale_decisions_total", {"decision": decision}) or 0.0


Connect = Callable[[Redis], Awaitable[tuple[RevocationView, RevocationFeed]]]


@pytest.fixture
async def connect(redis_url: str) -> AsyncIterator[Connect]:
    """A view and a feed on Redis in a given state; the view has been up before."""
    clock = FakeClock(datetime.now(UTC))

    async def nothing(_: datetime) -> list[Revocation]:
        return []

    async with redis_way(redis_url) as way:
        view = RevocationView(way.url, clock=clock)
        feed = RevocationFeed(way.url, nothing, beat_s=0.05)

        async def connected(state: Redis) -> tuple[RevocationView, RevocationFeed]:
            await feed.start()
            await view.start()
            await until(lambda: not view.stale)
            if state != "up":
                way.set(refuse=state == "down", black_hole=state == "black hole")
                if state == "down":
                    way.cut_all()
                await feed.stop()
                clock.advance(3.0)
            return view, feed

        yield connected
        await feed.stop()
        await view.stop()


@pytest.mark.requirement("AUTH-23")
@pytest.mark.parametrize("redis", ["up", "down", "black hole"])
async def test_the_table_of_doubts_holds(connect: Connect, redis: Redis) -> None:
    view, _ = await connect(redis)
    for mysql in ("up", "down", "slow"):
        for on_unknown in ("low_risk", "deny"):
            for sensitive in (False, True):
                for ended in (False, True):
                    await _row(view, redis, mysql, on_unknown, sensitive=sensitive, ended=ended)


async def _row(
    view: RevocationView, redis: Redis, mysql: MySQL, on_unknown: OnUnknown, *, sensitive: bool, ended: bool
) -> None:
    who, truth = someone(), Truth(mysql)
    if ended:
        truth.ended.add(who.session_id)
    doubts = SessionDoubts(view, truth, on_unknown=on_unknown)
    before = {name: counted(name) for name in ("asked", "admitted", "refused")}
    outcome = await judged(view, doubts, who, sensitive=sensitive)
    rose = {name for name, value in before.items() if counted(name) > value}
    if redis == "up":
        # Nobody was asked: what ended is heard of within a second, which is the view's own test.
        assert (outcome, rose, truth.asked) == ("OK", set(), 0)
    elif mysql == "up":
        assert (outcome, rose) == (("SESSION_REVOKED", set()) if ended else ("OK", {"asked"}))
    elif sensitive or on_unknown == "deny":
        assert (outcome, rose) == ("SESSION_STATE_UNKNOWN", {"refused"})
    else:
        assert (outcome, rose) == ("OK", {"admitted"})


@pytest.mark.requirement("AUTH-23")
async def test_what_the_view_knows_counts_whatever_is_away(connect: Connect) -> None:
    view, _ = await connect("down")
    who = someone()
    view.learn([Revocation(session_id=who.session_id, reason="LOGOUT")])
    assert await judged(view, SessionDoubts(view, Truth("down")), who, sensitive=False) == "SESSION_REVOKED"


@pytest.mark.alone
@pytest.mark.requirement("AUTH-23")
async def test_a_storm_asks_little_and_never_waits_long(connect: Connect) -> None:
    view, _ = await connect("down")
    clock, truth = FakeClock(), Truth()
    doubts = SessionDoubts(view, truth, clock=clock)
    people = [someone() for _ in range(40)]
    for _ in range(3):
        await asyncio.gather(*(doubts.settle(who, sensitive=True) for who in people for _ in range(5)))
    assert truth.asked == 40
    assert truth.most_at_once <= ASK_AT_ONCE
    clock.advance(1.1)
    truth.state, truth.asked = "slow", 0
    start = asyncio.get_running_loop().time()
    for _ in range(3):
        await asyncio.gather(*(doubts.settle(who, sensitive=False) for who in people))
    assert truth.asked <= ASK_AT_ONCE
    assert asyncio.get_running_loop().time() - start < ASK_S * 4


@pytest.mark.alone
@pytest.mark.requirement("AUTH-26")
async def test_a_redis_that_never_answers_costs_the_first_logout_a_moment_and_the_next_nothing(
    connect: Connect,
) -> None:
    _, feed = await connect("black hole")
    loop = asyncio.get_running_loop()
    took = []
    for _ in range(5):
        start = loop.time()
        await feed.publish([Revocation(session_id=someone().session_id, reason="LOGOUT")])
        took.append(loop.time() - start)
    assert took[0] < 0.5
    assert max(took[1:]) < 0.02


@pytest.mark.requirement("AUTH-21")
async def test_what_redis_holds_of_ended_sessions_goes_with_their_tokens(redis_url: str) -> None:
    async def nothing(_: datetime) -> list[Revocation]:
        return []

    clock = FakeClock(datetime.now(UTC))
    redis: Any = redis_clients.connect(redis_url, TAG)
    async with RevocationFeed(redis_url, nothing, clock=clock, beat_s=0.02) as feed:
        for _ in range(30):
            await feed.publish([Revocation(session_id=someone().session_id, reason="LOGOUT")])
        assert sum(b"sid" in fields for _, fields in await redis.xrange(STREAM)) == 30
        # Ids of entries are Redis's own time: the feed's clock runs ahead of it by more than entries are kept.
        clock.advance(3600)

        async with asyncio.timeout(60):
            while await redis.xlen(STREAM) > 1:  # noqa: ASYNC110 - Redis tells no event
                await asyncio.sleep(0.01)
    left = {key: await redis.ttl(key) for key in await redis.keys("{rv}:*")}
    await redis.aclose()
    assert left
    assert all(seconds != -1 and seconds <= 900 for seconds in left.values())  # -1: for ever


@pytest.mark.requirement("AUTH-24")
async def test_no_service_starts_on_a_redis_that_evicts(servers: Servers) -> None:
    url = servers.redis_url(1)
    await ensure_nothing_is_evicted(url)
    redis = redis_clients.connect(url)
    try:
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        with pytest.raises(ConfigError, match="allkeys-lru"):
            await ensure_nothing_is_evicted(url)
    finally:
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.aclose()


@pytest.mark.requirement("AUTH-24")
async def test_a_redis_that_is_away_keeps_nobody_from_starting() -> None:
    await ensure_nothing_is_evicted("redis://127.0.0.1:1/0")
