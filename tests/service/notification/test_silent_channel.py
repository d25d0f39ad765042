"""A subscription from which nothing comes any more, not even an answer to a ping, is given up for a new one."""

from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from firewalker.kernel.ids import UserId, new_uuid7
from firewalker.notification.live import CHANNEL, TAG, WatchedInboxes
from firewalker.runtime import subscription
from firewalker.runtime.redis import connect
from tests.support.proxy import fault_proxy
from tests.support.waiting import until, until_true


async def test_a_black_hole_is_noticed_and_left(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "SILENT_S", 0.3)
    monkeypatch.setattr(subscription, "PING_S", 0.1)
    url = urlsplit(redis_url)
    upstream = url.path if url.scheme == "unix" else (url.hostname or "", url.port or 6379)
    database = f"?{url.query}" if url.query else ""
    redis = connect(redis_url, TAG)
    async with fault_proxy(upstream, tmp_path / "r") as proxy:
        watched = WatchedInboxes(f"unix://{tmp_path / 'r'}{database}")
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
            before = proxy.connections
            proxy.set(black_hole=True)
            await until(lambda: proxy.connections > before)
            proxy.set()
            looks.clear()
            await until_true(is_heard)
        finally:
            proxy.set()
            await watched.stop()
            await redis.aclose()
