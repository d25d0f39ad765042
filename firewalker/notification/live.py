"""Watched inboxes: MySQL tells what changed, Redis only that it is worth a look now. Losing Redis costs half a second."""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final
from uuid import UUID

import structlog
from redis.exceptions import RedisError

from firewalker.kernel.faults import Fault
from firewalker.kernel.ids import UserId
from firewalker.notification.usecases.inbox import Inbox, InboxNews
from firewalker.runtime.redis import RedisUnavailable, calling, connect, connect_blocking
from firewalker.runtime.subscription import PING_S, listen
from firewalker.runtime.tasks import begin, end, going_on

TAG: Final = "notification"
CHANNEL: Final = f"firewalker:{{{TAG}}}:changed"
"""Sharded pub/sub: the 16-byte ids of users whose inboxes changed, one behind the other."""

HEARTBEAT_S = 20.0
"""A watcher hears at least the count so often (proto)."""

LOOK_S = 0.5
"""How often all watched inboxes are looked at, whatever Redis says: one query for 500 of them."""

MOST_STREAMS = 10
"""Streams of one user at this process (proto). The oldest gives way."""

_AT_ONCE = 500
_PORTION = 50
_RETRY_S = 1.0

_log = structlog.get_logger(__name__)


class EndReason(Enum):
    """Why a stream ends; the name is the proto's."""

    SERVER_DRAINING = 1
    REPLACED = 2
    SESSION_REVOKED = 3
    ACCESS_TOKEN_EXPIRED = 4


@dataclass(frozen=True, slots=True)
class End:
    """The last that a watcher hears."""

    reason: EndReason


class Watcher:
    """One stream's view of an inbox. For one task."""

    def __init__(self, user: UserId, inbox: Inbox, hub: "WatchedInboxes") -> None:
        self.user = user
        self.revision: int | None = None
        self._inbox = inbox
        self._hub = hub
        self._unread = -1
        self._news = asyncio.Event()
        self._news.set()
        self._end: EndReason | None = None

    def look(self) -> None:
        """The inbox may have changed."""
        self._news.set()

    def end(self, reason: EndReason) -> None:
        """`next` gives the end from now on; the first reason counts."""
        if self._end is None:
            self._end = reason
            self._news.set()

    async def next(self) -> InboxNews | End:
        """What is new: at once the first time, later when there is something, or as a heartbeat."""
        while True:
            beat = False
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._news.wait()
            except TimeoutError:
                beat = True
            if self._end is not None:
                return End(self._end)
            self._news.clear()
            news = await self._read()
            if news is None:
                continue
            if not news.whole:
                self._news.set()
            self.revision = news.revision
            changed = bool(news.notifications) or news.unread_count != self._unread
            self._unread = news.unread_count
            if changed or beat:
                return news

    async def _read(self) -> InboxNews | None:
        try:
            return await self._inbox.since(self.user, self.revision, _PORTION)
        except Fault as fault:
            # A stream lives for hours; MySQL's troubles are shorter.
            _log.warning("watched_inbox_not_read", reason=fault.reason)
            self._hub.later(self)
            return None

    def close(self) -> None:
        """The stream is over."""
        self._hub.forget(self)


class WatchedInboxes:
    """The watchers of this process, and how they hear of changes. A part of a process."""

    def __init__(self, redis_url: str) -> None:
        self._redis = connect(redis_url, TAG)
        self._reader = connect_blocking(redis_url, TAG, longest_block_s=PING_S)
        self._watchers: dict[UserId, list[Watcher]] = {}
        self._untold: set[UserId] = set()
        self._told = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._inbox: Inbox | None = None

    def attach(self, inbox: Inbox) -> None:
        """Where to look; before `start`."""
        self._inbox = inbox

    async def start(self) -> None:
        """Begin to listen."""
        self._tasks = [
            begin(self._listen(), "watched inboxes listen"),
            begin(self._tell(), "watched inboxes tell"),
            begin(self._look(), "watched inboxes look"),
        ]

    async def stop(self) -> None:
        """Stop; no stream may be open any more."""
        await end(self._tasks)
        await self._redis.aclose()
        await self._reader.aclose()

    def announce(self, users: Collection[UserId]) -> None:
        """Have every process look at the inboxes of *users*, this one first. Does not fail."""
        self._changed(users)
        self._untold.update(users)
        self._told.set()

    def watch(self, user: UserId) -> Watcher:
        """A watcher of *user*'s inbox; `close` it."""
        if self._inbox is None:
            raise RuntimeError("attach an inbox first")
        watcher = Watcher(user, self._inbox, self)
        mine = self._watchers.setdefault(user, [])
        mine.append(watcher)
        for surplus in mine[:-MOST_STREAMS]:
            surplus.end(EndReason.REPLACED)
        return watcher

    def forget(self, watcher: Watcher) -> None:
        """It hears nothing any more."""
        mine = self._watchers.get(watcher.user, [])
        if watcher in mine:
            mine.remove(watcher)
        if not mine:
            self._watchers.pop(watcher.user, None)

    def later(self, watcher: Watcher) -> None:
        """Have it look again after a pause."""
        asyncio.get_running_loop().call_later(_RETRY_S, watcher.look)

    def _changed(self, users: Collection[UserId]) -> None:
        for user in users:
            for watcher in self._watchers.get(user, ()):
                watcher.look()

    async def _tell(self) -> None:
        while True:
            await self._told.wait()
            self._told.clear()
            users, self._untold = self._untold, set()
            # What fails, the other processes find by themselves.
            with going_on("watched inboxes tell"), suppress(RedisUnavailable, Fault):
                async with calling():
                    await self._redis.spublish(CHANNEL, b"".join(user.bytes for user in users))

    async def _listen(self) -> None:
        while True:
            with going_on("watched inboxes listen"):
                try:
                    async with self._reader.pubsub() as subscription:
                        await listen(subscription, CHANNEL, self._hear)
                except (RedisError, OSError) as error:
                    _log.warning("watched_inboxes_deaf", error=type(error).__name__)
            await asyncio.sleep(_RETRY_S)

    def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] == "smessage":
            ids = message["data"]
            self._changed([UserId(UUID(bytes=ids[at : at + 16])) for at in range(0, len(ids) - 15, 16)])

    async def _look(self) -> None:
        """What Redis did not tell, MySQL does."""
        while True:
            await asyncio.sleep(LOOK_S)
            users = list(self._watchers)
            for start in range(0, len(users), _AT_ONCE):
                with going_on("watched inboxes look"):
                    await self._compare(users[start : start + _AT_ONCE])

    async def _compare(self, users: Collection[UserId]) -> None:
        if self._inbox is None:
            return
        for user, revision in (await self._inbox.revisions(users)).items():
            for watcher in self._watchers.get(user, ()):
                if watcher.revision is not None and watcher.revision != revision:
                    watcher.look()
