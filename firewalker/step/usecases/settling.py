"""Freezing boards when their day is over for everybody on them, and telling walkers how it ended.

Portions of walkers, each in one transaction with how far it has come: so it goes on where a process died, and of two
processes each portion is done by one. Whoever calls the same process notices little: what is read at once takes a few ms of the
event loop, and behind each portion it rests for as long as that took, which is longer the more there is to do besides.
"""

import asyncio
from collections.abc import Sequence
from datetime import date
from functools import lru_cache

from firewalker.kernel.clock import Clock
from firewalker.runtime.mysql import Database, Transaction, retried
from firewalker.step.domain.leaderboard import Frozen, State
from firewalker.step.domain.settling import LAST_ROUND, Result, dates_to_settle, due, zones_of_round
from firewalker.step.store import boards, days, friends
from firewalker.step.store.boards import Progress, Stretch
from firewalker.step.usecases.leaderboards import FriendBoard, board_of
from firewalker.step.usecases.ports import Facts

WALKERS_PER_PORTION = 25
"""Walkers of one transaction: some 15 ms, 500 friends, and as many rows of days."""

LONGEST_S = 10.0
"""How long to go on before the chore pauses."""


_NOBODY = Stretch(b"", b"")


class Settling:
    """Freezes the boards whose time has come."""

    def __init__(self, database: Database, facts: Facts, clock: Clock) -> None:
        self._database = database
        self._facts = facts
        self._clock = clock
        self._stretch = _NOBODY
        """Where it looks for whose boards are next, for as long as it is at these walkers."""

    async def settle(self) -> int:
        """Freeze for some seconds what is due, and tell how many walkers were looked at; 0 when nothing is left to do.

        Raises:
            DatabaseUnavailable, Contention, Overloaded: What was done before stands; go on later.
        """
        looked_at = 0
        began = self._clock.monotonic()
        until = began + LONGEST_S
        for day in await self._unsettled():
            while (portion := await self._portion(day)) is not None:
                looked_at += portion
                now = self._clock.monotonic()
                if now >= until:
                    return max(looked_at, 1)
                if portion:
                    await asyncio.sleep(now - began)
                began = self._clock.monotonic()
        return looked_at

    @retried(idempotent=True)
    async def _unsettled(self) -> list[date]:
        async with self._database.transaction() as tx:
            return await boards.list_unsettled(tx, dates_to_settle(self._clock.now()))

    @retried(idempotent=True)
    async def _portion(self, day: date) -> int | None:
        """Look at the next walkers of *day*'s round and tell how many; None if none is due, or another is at it."""
        async with self._database.transaction() as tx:
            progress = await boards.take(tx, day)
            if progress is None or progress.round > LAST_ROUND or self._clock.now() < due(day, progress.round):
                return None
            users, reached = await self._next_users(tx, day, progress)
            await self._freeze(tx, day, users)
            await boards.move(tx, day, reached)
            return len(users)

    async def _next_users(self, tx: Transaction, day: date, progress: Progress) -> tuple[Sequence[bytes], Progress]:
        """Whose boards are next, and how far it has come with them.

        There are none on dates on which nobody walked, as those before the first walker came.
        """
        next_round = Progress(progress.round + 1, b"")
        # Beside the loop: the first time all zones are read from their files, which takes 60 ms.
        zones = None if progress.round == LAST_ROUND else await asyncio.to_thread(_zones, day, progress.round)
        if zones == () or not await days.list_users(tx, day, limit=1):
            return [], next_round
        if not self._stretch.after <= progress.after < self._stretch.end:
            self._stretch = await boards.find_stretch(tx, progress.after)
        rest = Stretch(progress.after, self._stretch.end)
        users = await boards.list_unfrozen(tx, day, rest, limit=WALKERS_PER_PORTION, zones=zones)
        if len(users) == WALKERS_PER_PORTION:
            return users, Progress(progress.round, users[-1])
        self._stretch = _NOBODY
        return users, next_round if rest.end == boards.LAST else Progress(progress.round, rest.end)

    async def _freeze(self, tx: Transaction, day: date, users: Sequence[bytes]) -> None:
        """Freeze those boards of *users* whose time has come, and that show anybody's steps."""
        now = self._clock.now()
        circles = await friends.list_circles(tx, users, goals_since=day)
        standing = [(circle, members) for circle in circles if (members := circle.frozen_members(day, now))]
        everybody = {person.user_id for _, members in standing for person in members}
        totals = {
            user: total
            for (user, _), total in (await days.find_totals(tx, [(user, day) for user in everybody])).items()
        }
        found = [board_of(circle, day, totals, now, members=members) for circle, members in standing]
        found = [board for board in found if any(row.standing.state is not State.NO_DATA for row in board.rows)]
        await boards.freeze(tx, day, [(board.me, _frozen(board)) for board in found])
        await self._facts.add_results(tx, [_result(board) for board in found if board.me in totals])


def _frozen(board: FriendBoard) -> list[Frozen]:
    return [
        Frozen(row.standing.user_id, row.rank, -row.standing.behind, row.standing.state, row.standing.goal_reached)
        for row in board.rows
    ]


def _result(board: FriendBoard) -> Result:
    own = next(row for row in board.rows if row.standing.user_id == board.me)
    ranked = sum(row.rank > 0 for row in board.rows)
    return Result(board.me, board.day, -own.standing.behind, own.rank, ranked)


@lru_cache(maxsize=64)
def _zones(day: date, number: int) -> tuple[str, ...]:
    return tuple(zones_of_round(day, number))
