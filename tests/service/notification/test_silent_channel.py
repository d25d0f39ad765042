"""A subscription from which nothing comes any more, not even an answer to a ping, is given up for a new one."""

from typing import Any, cast

import pytest

from firewalker.kernel.ids import UserId, new_uuid7
from firewalker.notification.live import CHANNEL, TAG, WatchedInboxes
from firewalker.runtime import subscription
from firewalker.runtime.redis import connect
from tests.support.waiting import until, until_true
from tests.support.ways import redis_way


async def test_a_black_hole_is_noticed_and_left(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "SILENT_S", 0.3)
    monkeypatch.setattr(subscription, "PING_S", 0.1)
    redis = connect(redis_url, TAG)
    async with redis_way(redis_url) as way:
        watched = WatchedInboxes(way.url)
        watched.attach(cast("Any", object()))
        user = UserId(new_uuid7())
        watcher = watched.watch(user)
        looks: list[None] = []
        monkeypatch.setattr(watcher, "look", lambda: looks.append(None))

        async def is_heard() -> bool:
            await redis.spublish(CHANNEL, user.bytes)
            return bool(looks)

        await watched.start()
        try:
            await until_true(is_heard)
            before = way.connections
            way.set(black_hole=True)
            await until(lambda: way.connections > before)
            way.set()
            looks.clear()
            await until_true(is_heard)
        finally:
            way.set()
            await watched.stop()
            await redis.aclose()
