"""Who hears that boards look different: everybody, in the end, whatever Redis does or holds."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack
from typing import Any

import pytest

from firewalker.runtime.redis import connect
from firewalker.step.boards.announcements import MOST_USERS, STREAM, TAG, Announcements
from tests.service.step.reading import someone
from tests.support.waiting import until


class Ears:
    """One process."""

    def __init__(self, url: str) -> None:
        self.heard: list[bytes] = []
        self.bug = False
        self.announcements = Announcements(url, self._changed, lambda: None)

    def _changed(self, users: Collection[bytes]) -> None:
        self.heard += users
        if self.bug:
            raise ZeroDivisionError


Open = Callable[..., Any]


@pytest.fixture
async def ears(redis_url: str) -> AsyncIterator[Open]:
    async with AsyncExitStack() as stack:

        async def opened(url: str = redis_url) -> Ears:
            ears = Ears(url)
            ears.announcements.start()
            stack.push_async_callback(ears.announcements.stop)
            await until(lambda: ears.announcements.heard)
            return ears

        yield opened


@pytest.mark.parametrize("junk", [{"junk": "1"}, {"u": b"short"}, {"u": bytes(17)}])
async def test_an_entry_that_makes_no_sense_is_skipped_and_hides_nothing_behind_it(
    ears: Open, redis_url: str, junk: dict[Any, Any]
) -> None:
    teller, listener = await ears(), await ears()
    redis = connect(redis_url, TAG)
    await redis.xadd(STREAM, junk)
    await redis.aclose()
    user = someone().bytes
    await teller.announcements.announce([user])
    await until(lambda: listener.heard == [user])


async def test_a_bug_in_who_hears_ends_no_task(ears: Open) -> None:
    teller, listener = await ears(), await ears()
    listener.bug = True
    await teller.announcements.announce([someone().bytes])
    await until(lambda: listener.heard)
    await teller.announcements.announce([someone().bytes])
    await until(lambda: len(listener.heard) == 2)
    assert not any(task.done() for task in listener.announcements._tasks)


async def test_a_change_that_was_not_told_is_not_crossed_out_by_the_answer_to_one_before_it(ears: Open) -> None:
    teller, listener = await ears(), await ears()
    user = someone().bytes
    tell = teller.announcements._redis.xadd
    first_is_sent, answer_comes = asyncio.Event(), asyncio.Event()
    calls = 0

    async def held(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if first_is_sent.is_set() and not first.done():
            raise ConnectionResetError
        answer = await tell(*args, **options)
        if not first_is_sent.is_set():
            first_is_sent.set()
            await answer_comes.wait()
        return answer

    teller.announcements._redis.xadd = held
    first = asyncio.create_task(teller.announcements.announce([user]))
    await first_is_sent.wait()
    await teller.announcements.announce([user])
    await until(lambda: calls >= 3)
    answer_comes.set()
    await first
    await until(lambda: listener.heard.count(user) == 2)


async def test_many_are_told_in_the_background_and_hold_up_nobody(ears: Open, redis_url: str) -> None:
    teller, listener = await ears(), await ears()
    many = [someone().bytes for _ in range(20 * MOST_USERS)]
    named, redis = someone().bytes, connect(redis_url, TAG)
    await teller.announcements.announce(many, at_once=False)
    await teller.announcements.announce([named])
    entries: Any = await redis.xrange(STREAM)
    assert named in [fields[b"u"] for _, fields in entries]
    assert len(entries) < 20
    await until(lambda: set(listener.heard) == {*many, named})
    await redis.aclose()
