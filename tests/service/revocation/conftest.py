"""Feeds and views on a real Redis, and a way to it that can be cut."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from firewalker.kernel.ids import SessionId, UserId, new_uuid7
from firewalker.kernel.principal import Principal
from firewalker.runtime import redis as redis_clients
from firewalker.runtime.revocation import Revocation, RevocationFeed, RevocationView, ViewFilling
from firewalker.runtime.revocation.entries import TAG
from firewalker.runtime.tokens import LIFETIME
from tests.support.ways import RedisWay, redis_way


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


def truth_that_fails_at_first(*revoked: Revocation) -> Callable[[datetime], Awaitable[Iterable[Revocation]]]:
    """MySQL that is away the first two times it is asked."""
    failures = iter((ConnectionError("MySQL is away"),) * 2)

    async def since(moment: datetime) -> Iterable[Revocation]:
        del moment
        if failure := next(failures, None):
            raise failure
        return revoked

    return since


class World:
    """One Redis, with feeds and views on it."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self.url = url
        self.truth = Truth()
        self.redis: Any = redis_clients.connect(url, TAG)
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
        await self._stack.enter_async_context(ViewFilling(view, self.truth.since, feed.publish, look_s=0.05))
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
async def proxied(world: World) -> AsyncIterator[tuple[RedisWay, str]]:
    """A way to the same Redis that can be cut."""
    async with redis_way(world.url) as way:
        yield way, way.url
