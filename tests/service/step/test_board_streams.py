"""Streams of boards over the wire: how many, how they end, how they go on. grpcio, on real MySQL and Redis."""

import asyncio
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from firewalker.kernel.faults import Overloaded
from firewalker.runtime.revocation import Revocation, RevocationFeed, RevocationView
from firewalker.step.boards.registry import MAX_STREAMS_PER_USER
from firewalker.step.boards.watcher import Watcher
from firewalker.step.domain.faults import DateOutOfRange
from tests.service.step.reading import (
    Reader,
    ReadingProcess,
    group_of_friends,
    reading_process,
    someone,
)
from tests.support.waiting import until

TODAY = datetime.now(UTC).date()


@pytest.mark.requirement("NET-22")
async def test_the_seventeenth_stream_of_a_user_replaces_the_oldest(one: ReadingProcess) -> None:
    me = someone()
    async with Reader(one, me) as reader, Reader(one, someone()) as other:
        neighbour = other.watch()
        await neighbour.next()
        watches = []
        for _ in range(MAX_STREAMS_PER_USER + 1):
            watches.append(reader.watch())
            await watches[-1].next()
        oldest = watches[0]
        assert (await oldest.next()).WhichOneof("update") == "end"
        assert type(oldest.end).Reason.Name(oldest.end.reason) == "REPLACED"
        assert await oldest.next() is None
        assert (await oldest.status())[0] is grpc.StatusCode.OK
        assert one.part.boards.streams == MAX_STREAMS_PER_USER + 1
        for watch in (*watches[1:], neighbour):
            watch.cancel()


@pytest.mark.requirement("NET-22")
async def test_a_full_process_refuses_more_streams(step_url: str, redis_url: str) -> None:
    async with reading_process(step_url, redis_url, max_streams=2) as process, Reader(process, someone()) as reader:
        watches = [reader.watch(), reader.watch()]
        for watch in watches:
            await watch.next()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await reader.watch().next()
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        for watch in watches:
            watch.cancel()


@pytest.mark.requirement("NET-22")
async def test_streams_that_open_at_once_are_counted_before_their_boards_are_read(
    step_url: str, redis_url: str
) -> None:
    async with reading_process(step_url, redis_url, max_streams=5) as process:
        boards = process.part.boards
        found = await asyncio.gather(*(boards.watch(someone(), None) for _ in range(30)), return_exceptions=True)
        watchers = [one for one in found if isinstance(one, Watcher)]
        assert (len(watchers), boards.streams) == (5, 5)
        assert all(isinstance(one, Overloaded) for one in found if one not in watchers)
        for watcher in watchers:
            watcher.close()
        for _ in range(10):
            with pytest.raises(DateOutOfRange):
                await boards.watch(someone(), TODAY + timedelta(days=30))
        opening = asyncio.create_task(boards.watch(someone(), None))
        await asyncio.sleep(0)
        assert boards.streams == 1
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        assert boards.streams == 0


async def test_a_drained_server_says_goodbye_with_the_version_to_resume_from(one: ReadingProcess) -> None:
    async with Reader(one, someone()) as reader:
        watch = reader.watch()
        await watch.next()
        draining = asyncio.create_task(one.server.drain(5))
        await watch.next()
        assert type(watch.end).Reason.Name(watch.end.reason) == "SERVER_DRAINING"
        assert watch.end.version == watch.version
        assert await watch.next() is None
        assert (await watch.status())[0] is grpc.StatusCode.OK
        await draining


@pytest.mark.requirement("AUTH-07")
async def test_a_watch_ends_with_its_access_token(one: ReadingProcess) -> None:
    async with Reader(one, someone(), lifetime=timedelta(seconds=3)) as reader:
        watch = reader.watch()
        await watch.next()
        await watch.next()
        assert type(watch.end).Reason.Name(watch.end.reason) == "ACCESS_TOKEN_EXPIRED"
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await watch.next()
        assert ended.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert b"ACCESS_TOKEN_EXPIRED" in dict(ended.value.trailing_metadata() or ())["grpc-status-details-bin"]


@pytest.mark.alone
@pytest.mark.requirement("AUTH-07")
async def test_a_watch_ends_within_a_second_of_its_session(step_url: str, redis_url: str) -> None:
    async def nothing(_: datetime) -> list[Revocation]:
        return []

    view = RevocationView(redis_url)
    async with RevocationFeed(redis_url, nothing) as feed:
        await view.start()
        async with reading_process(step_url, redis_url, revocations=view) as process:
            me = someone()
            async with Reader(process, me) as ended, Reader(process, me) as other:
                watch, neighbour = ended.watch(), other.watch()
                await watch.next()
                await neighbour.next()
                await feed.publish([Revocation(session_id=ended.session)])
                await watch.next(within_s=1.0)
                assert type(watch.end).Reason.Name(watch.end.reason) == "SESSION_REVOKED"
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await watch.next()
                assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
                assert process.part.boards.streams == 1
                neighbour.cancel()
        await view.stop()


async def test_a_resumed_stream_is_told_what_it_missed(one: ReadingProcess) -> None:
    me, ann = someone(), someone()
    await one.tell(*group_of_friends(me, [ann]))
    await one.walk(ann, 20, TODAY)
    async with Reader(one, me) as reader:
        first = reader.watch()
        await first.next()
        first.cancel()
        await one.walk(ann, 30, TODAY)
        second = reader.watch(resume_version=first.version)
        update = await second.next()
        assert update.WhichOneof("update") == "changes"
        assert [(entry.user_id, entry.steps) for entry in update.changes.entries] == [(str(ann), 30)]
        second.cancel()


async def test_a_frozen_date_is_shown_and_the_stream_ended(one: ReadingProcess) -> None:
    async with Reader(one, someone()) as reader:
        watch = reader.watch(date=(TODAY - timedelta(days=3)).isoformat())
        assert (await watch.next()).WhichOneof("update") == "snapshot"
        assert (await watch.next()).WhichOneof("update") == "end"
        assert type(watch.end).Reason.Name(watch.end.reason) == "DAY_OVER"
        assert await watch.next() is None


@pytest.mark.requirement("NET-23")
async def test_cancelled_watches_leave_nothing_behind(one: ReadingProcess) -> None:
    me, ann = someone(), someone()
    await one.tell(*group_of_friends(me, [ann]))
    async with Reader(one, me) as reader:
        for _ in range(50):
            watch = reader.watch()
            await asyncio.sleep(0.002)
            watch.cancel()
        last = reader.watch()
        await last.next()
        await until(lambda: one.part.boards.streams == 1)
        assert len(list(one.part.boards)) == 1
        assert len(one.part.boards.subjects) == 2
        last.cancel()
