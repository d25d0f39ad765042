"""The inbox, live."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from firewalker.kernel.ids import new_uuid7
from firewalker.notification.app import build
from firewalker.notification.config import NotificationConfig
from firewalker.notification.domain.notification import Notification
from firewalker.notification.store.notifications import Notifications
from firewalker.runtime.process import App
from tests.service.notification.conftest import Post, event, profile
from tests.support.clock import FakeClock
from tests.support.services import serving


async def heard(stream: Any) -> Any:
    return await asyncio.wait_for(stream.read(), 60)


@pytest.fixture
async def neighbour(post: Post, tmp_path: Path, redis_url: str) -> AsyncIterator[Post]:
    """Another process of the same service."""
    clock = FakeClock(datetime.now(UTC))

    async def other(config: NotificationConfig) -> App:
        return await build(config, clock)

    async with serving(
        "notification", NotificationConfig, other, folder=tmp_path, mysql_url=post.mysql_url, redis_url=redis_url
    ) as running:
        yield Post(running, clock, post.mysql_url)


async def test_the_count_comes_at_once_then_what_is_new_then_what_was_read(post: Post) -> None:
    me = new_uuid7()
    await post.request_from(new_uuid7(), me)
    stream = post.watch(me)
    first = await heard(stream)
    assert (first.unread_count, first.HasField("notification")) == (1, False)
    told = await post.request_from(new_uuid7(), me, "Mina")
    news = await heard(stream)
    assert (news.notification.notification_id, news.unread_count) == (told.event_id, 2)
    assert "Mina" in news.notification.body
    await post.call("MarkRead", me, notification_ids=[told.event_id])
    count = await heard(stream)
    assert (count.unread_count, count.HasField("notification")) == (1, False)
    stream.cancel()


async def test_a_watcher_at_another_process_hears_it_too(post: Post, neighbour: Post) -> None:
    me = new_uuid7()
    stream = neighbour.watch(me)
    assert (await heard(stream)).unread_count == 0
    told = await post.request_from(new_uuid7(), me)
    assert (await heard(stream)).notification.notification_id == told.event_id
    stream.cancel()


@pytest.mark.requirement("DLV-15")
@pytest.mark.alone
async def test_what_redis_does_not_tell_mysql_does(post: Post, neighbour: Post) -> None:
    me = new_uuid7()
    (watched,) = [part for part in post.service.app.parts if type(part).__name__ == "WatchedInboxes"]
    for task in watched._tasks:  # type: ignore[attr-defined]
        if task.get_name() == "watched inboxes tell":
            task.cancel()
    stream = neighbour.watch(me)
    assert (await heard(stream)).unread_count == 0
    began = asyncio.get_running_loop().time()
    told = await post.request_from(new_uuid7(), me)
    assert (await heard(stream)).notification.notification_id == told.event_id
    assert asyncio.get_running_loop().time() - began < 2
    stream.cancel()


async def test_many_at_once_come_each_once_and_in_order(post: Post) -> None:
    me = new_uuid7()
    stream = post.watch(me)
    await heard(stream)
    told = await asyncio.gather(*(post.request_from(new_uuid7(), me) for _ in range(120)))
    seen: list[str] = []
    while len(seen) < 120:
        news = await heard(stream)
        if news.HasField("notification"):
            seen.append(news.notification.notification_id)
    assert sorted(seen) == sorted(e.event_id for e in told)
    stream.cancel()


async def test_what_one_delivery_tells_comes_whole_however_much_it_is(post: Post) -> None:
    me = new_uuid7()
    stream = post.watch(me)
    await heard(stream)
    requests = [{"requester": profile(new_uuid7()), "addressee_id": str(me)} for _ in range(70)]
    told = [event(post.clock.now(), friend_requested=request) for request in requests]
    await post.tell(*told)
    last = await post.request_from(new_uuid7(), me)
    seen: list[str] = []
    while last.event_id not in seen:
        news = await heard(stream)
        if news.HasField("notification"):
            seen.append(news.notification.notification_id)
    assert sorted(seen) == sorted(e.event_id for e in [*told, last])
    stream.cancel()


async def test_what_is_taken_back_while_it_is_read_ends_no_stream(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    me, list_since = new_uuid7(), Notifications.list_since

    async def taken_back(*args: Any) -> list[Notification]:
        rows = await list_since(*args)
        if len(rows) > 1:
            await post.sql("DELETE FROM notification")
        return rows

    monkeypatch.setattr(Notifications, "list_since", taken_back)
    stream = post.watch(me)
    await heard(stream)
    requests = [{"requester": profile(new_uuid7()), "addressee_id": str(me)} for _ in range(70)]
    await post.tell(*(event(post.clock.now(), friend_requested=request) for request in requests))
    async with asyncio.timeout(60):
        while await post.sql("SELECT COUNT(*) FROM notification") != [(0,)]:  # noqa: ASYNC110 - MySQL tells no event
            await asyncio.sleep(0.02)
    last = await post.request_from(new_uuid7(), me)
    assert (await heard(stream)).notification.notification_id == last.event_id
    stream.cancel()


async def test_the_eleventh_stream_ends_the_oldest(post: Post) -> None:
    me = new_uuid7()
    await post.request_from(new_uuid7(), me)
    streams = []
    for _ in range(11):
        streams.append(post.watch(me))
        await heard(streams[-1])
    last = await heard(streams[0])
    assert (last.end.reason, last.unread_count) == (last.End.REPLACED, 1)
    assert await streams[0].code() is grpc.StatusCode.OK
    for stream in streams[1:]:
        stream.cancel()


async def test_a_stream_tells_its_end_when_the_server_drains(post: Post) -> None:
    stream = post.watch(new_uuid7())
    await heard(stream)
    (drain,) = [asyncio.create_task(post.service.app.servers[0].drain(5))]
    last = await heard(stream)
    assert last.end.reason == last.End.SERVER_DRAINING
    assert await stream.code() is grpc.StatusCode.OK
    await drain
