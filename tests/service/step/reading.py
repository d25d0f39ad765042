"""A step process as its readers see it: both sides put together behind a real server, and grpcio as the client."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

import grpc.aio

from firewalker.kernel.clock import Clock, SystemClock
from firewalker.kernel.ids import EventId, SessionId, UserId, new_uuid7
from firewalker.runtime.grpc.edge import Edge, Revocations
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.runtime.mysql import Database
from firewalker.runtime.tokens import AccessTokens
from firewalker.step.boards_part import BoardsPart
from firewalker.step.domain.day import to_ms
from firewalker.step.domain.facts import Befriended, Fact, Parted, SignedUp, Veiled, VeiledFor, WalkerNews
from firewalker.step.domain.overtake import Walked
from firewalker.step.domain.reading import Counted
from firewalker.step.domain.visibility import Visibility
from firewalker.step.ingest import Ingest
from firewalker.step.live import LiveTotals
from tests.support.replicas import replica_of
from tests.support.signing import Signer
from tests.support.waiting import until

SERVICE = "/firewalker.step.v1.LeaderboardService/"
SIGNER = Signer()


@dataclass(frozen=True)
class ReadingProcess:
    """One process: nothing is shared with others but MySQL and Redis."""

    database: Database
    live: LiveTotals
    ingest: Ingest
    part: BoardsPart
    server: GrpcServer

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    async def walk(self, user: UserId, steps: int, day: date, hour: int = 9) -> None:
        """Durable when this returns, as for a client that has its answer."""
        now_ms = to_ms(datetime.now(UTC))
        await self.ingest.record(user.bytes, [Counted(day, "phone", hour, steps, now_ms, 1, False)])  # noqa: FBT003

    async def tell(self, *facts: Fact) -> None:
        await self.part.projections.take(facts)


@asynccontextmanager
async def reading_process(
    mysql_url: str,
    redis_url: str,
    *,
    clock: Clock | None = None,
    revocations: Revocations | None = None,
    max_streams: int = 10_000,
    walked: Callable[[Collection[Walked]], None] | None = None,
) -> AsyncIterator[ReadingProcess]:
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(mysql_url, pool_size=6, replica=replica_of(mysql_url)))
        live = LiveTotals(redis_url, database, clock)
        stack.push_async_callback(live.stop)
        ingest = Ingest(database, live, clock, walked=walked)
        stack.push_async_callback(ingest.stop)
        part = BoardsPart(
            database=database,
            live=live,
            redis_url=redis_url,
            clock=clock,
            introduce=nobody,
            max_streams=max_streams,
        )
        await live.start()
        await ingest.start()
        await part.start()
        stack.push_async_callback(part.stop)
        edge = Edge(tokens=AccessTokens(SIGNER.ring()), revocations=revocations)
        server = await stack.enter_async_context(GrpcServer([part.leaderboards], edge))
        yield ReadingProcess(database, live, ingest, part, server)


async def nobody(_: UserId, /) -> None:
    """Stands for a user service that has never heard of anybody."""


async def all_ears(*processes: ReadingProcess) -> None:
    """Frames and announcements arrive everywhere."""
    await until(lambda: all(process.live.healthy and process.part.announcements.heard for process in processes))


def someone() -> UserId:
    return UserId(new_uuid7())


def signed_up(user: UserId, nickname: str = "", zone: str = "UTC", told: datetime | None = None) -> SignedUp:
    told = told or datetime.now(UTC)
    return SignedUp(EventId(new_uuid7()), WalkerNews(user, nickname or f"n-{user.hex[-6:]}", "", told, zone))


def befriended(one: UserId, other: UserId, since: datetime | None = None, told: datetime | None = None) -> Befriended:
    since = since or datetime.now(UTC) - timedelta(days=10)
    told = told or since
    return Befriended(
        EventId(new_uuid7()),
        WalkerNews(one, f"n-{one.hex[-6:]}", "", told),
        WalkerNews(other, f"n-{other.hex[-6:]}", "", told),
        since,
    )


def parted(one: UserId, other: UserId, told: datetime | None = None) -> Parted:
    return Parted(EventId(new_uuid7()), one, other, told or datetime.now(UTC))


def veiled(user: UserId, shows: Visibility, told: datetime | None = None) -> Veiled:
    return Veiled(EventId(new_uuid7()), user, shows, told or datetime.now(UTC))


def veiled_for(user: UserId, friend: UserId, shows: Visibility | None, told: datetime | None = None) -> VeiledFor:
    return VeiledFor(EventId(new_uuid7()), user, friend, shows, told or datetime.now(UTC))


def group_of_friends(me: UserId, friends: Iterable[UserId]) -> list[Fact]:
    friends = list(friends)
    return [*(signed_up(user) for user in (me, *friends)), *(befriended(me, friend) for friend in friends)]


class Reader:
    """A client: grpcio, as one user."""

    def __init__(self, process: ReadingProcess, user: UserId, *, lifetime: timedelta = timedelta(minutes=10)) -> None:
        self.user = user
        self._channel = grpc.aio.insecure_channel(process.address)
        self.session = SessionId(new_uuid7())
        token = SIGNER.token(sub=str(user), sid=str(self.session), lifetime=lifetime)
        self._metadata = [("authorization", f"Bearer {token}")]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()

    async def board(self, **request: str) -> Any:
        call = self._channel.unary_unary(
            SERVICE + "GetFriendLeaderboard",
            request_serializer=message_class("firewalker.step.v1.GetFriendLeaderboardRequest").SerializeToString,
            response_deserializer=message_class("firewalker.step.v1.GetFriendLeaderboardResponse").FromString,
        )
        asked = message_class("firewalker.step.v1.GetFriendLeaderboardRequest")(**request)
        return (await call(asked, metadata=self._metadata, timeout=60)).leaderboard

    def watch(self, **request: str) -> "Watch":
        call = self._channel.unary_stream(
            SERVICE + "WatchFriendLeaderboard",
            request_serializer=message_class("firewalker.step.v1.WatchFriendLeaderboardRequest").SerializeToString,
            response_deserializer=message_class("firewalker.step.v1.WatchFriendLeaderboardResponse").FromString,
        )
        asked = message_class("firewalker.step.v1.WatchFriendLeaderboardRequest")(**request)
        return Watch(call(asked, metadata=self._metadata))


class Watch:
    """A watched board as a client keeps it: the snapshot, with the changes put over it."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self.entries: dict[str, Any] = {}
        self.version = ""
        self.end: Any = None
        self.kinds: list[str] = []

    async def next(self, within_s: float = 60.0) -> Any:
        """The next answer, taken in; None when the stream is over with OK."""
        update = await asyncio.wait_for(self._call.read(), within_s)
        if update is grpc.aio.EOF:
            return None
        kind = update.WhichOneof("update")
        self.kinds.append(kind)
        if kind == "snapshot":
            self.entries = {entry.user_id: entry for entry in update.snapshot.entries}
            self.version = update.snapshot.version
        elif kind == "changes":
            self.entries.update({entry.user_id: entry for entry in update.changes.entries})
            for gone in update.changes.removed_user_ids:
                self.entries.pop(gone, None)
            self.version = update.changes.version
        elif kind == "end":
            self.end = update.end
        return update

    async def until(self, steps: dict[UserId, int], within_s: float = 60.0) -> None:
        """Take answers in until the board shows these steps."""
        wanted = {str(user): count for user, count in steps.items()}
        async with asyncio.timeout(within_s):
            while {user: self.entries[user].steps for user in wanted if user in self.entries} != wanted:
                assert await self.next(within_s) is not None

    async def status(self) -> tuple[grpc.StatusCode, Any]:
        return await self._call.code(), await self._call.trailing_metadata()

    def cancel(self) -> None:
        self._call.cancel()
