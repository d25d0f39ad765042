"""Keeps a board current: opens the watch stream, and opens it again from the last version whenever it ends."""

from __future__ import annotations

import asyncio
import time
from enum import Enum
from typing import TYPE_CHECKING

from firewalker.cli.calls import CallError, Pauses, UnreachableError, outcomes
from firewalker.gen.pb.firewalker.step.v1 import LeaderboardServiceStub, WatchFriendLeaderboardRequest
from firewalker.gen.pb.firewalker.step.v1 import WatchFriendLeaderboardResponseEndReason as End

if TYPE_CHECKING:
    from collections.abc import Callable

    from grpclib.client import Channel

    from firewalker.cli.account import Account
    from firewalker.cli.watch.board import Board

SILENCE_LIMIT_S = 50.0
"""Two heartbeats (20 s) and a half: a stream that is silent for longer is dead."""


class Link(Enum):
    """How the board is connected."""

    LIVE = "live"
    LOST = "connecting again"


async def follow(account: Account, step: Channel, board: Board, tell: Callable[[Link, str], None]) -> str:
    """Follow *account*'s board of today until the server says that it is enough; the answer is why.

    *tell* is called after every answer, and whenever the connection is lost, with why.

    Raises:
        CallError: The account is no good any more.
    """
    pauses = Pauses()
    while True:
        try:
            end = await _watch(account, step, board, tell)
        except CallError as error:
            tell(Link.LOST, str(error))
            if error.reason == "SESSION_REVOKED":
                return "The session has ended."
            if await account.recover(error):
                continue
            if not error.passing:
                raise
            await pauses.take(error.retry_after_s)
            continue
        pauses.over()
        if end is End.REPLACED:
            return "Too many boards of this user are watched; this was the oldest."
        if end is End.DAY_OVER:
            board.forget()
        tell(Link.LOST, end.name or "")
        await pauses.take()


async def _watch(account: Account, channel: Channel, board: Board, tell: Callable[[Link, str], None]) -> End:
    """One stream; returns the reason of its `end`."""
    asked = WatchFriendLeaderboardRequest(resume_version=board.version or None)
    metadata = await account.metadata()
    end: End | None = None
    with outcomes():
        async with asyncio.timeout(SILENCE_LIMIT_S) as silence:
            async for update in LeaderboardServiceStub(channel).watch_friend_leaderboard(asked, metadata=metadata):
                silence.reschedule(asyncio.get_running_loop().time() + SILENCE_LIMIT_S)
                board.apply(update, time.monotonic())
                if update.end is not None:
                    end = update.end.reason
                tell(Link.LIVE, "")
    if end is None:
        message = "the stream ended without a reason"
        raise UnreachableError(message)
    return end
