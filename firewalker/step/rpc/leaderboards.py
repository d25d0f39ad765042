"""LeaderboardService: boards read and watched. A hot door: answers are serialised upb messages."""

from collections.abc import Mapping
from contextlib import closing
from datetime import date
from typing import Any, ClassVar, Final

from firewalker.kernel.days import parse_date
from firewalker.kernel.faults import InvalidRequest, Violation
from firewalker.kernel.principal import principal
from firewalker.runtime.grpc.policy import Caller, Priority, Rule
from firewalker.runtime.grpc.rates import READS
from firewalker.runtime.grpc.streams import HotStream
from firewalker.runtime.grpc.watching import raise_refusal, when_offered_its_end
from firewalker.step.boards.registry import Boards
from firewalker.step.boards.updates import End, EndReason
from firewalker.step.boards.watcher import Watcher
from firewalker.step.domain.period import Period
from firewalker.step.rpc.asked import Asked
from firewalker.step.rpc.board_messages import board_answer, frozen_answers, update_answer
from firewalker.step.usecases.group_boards import GroupBoards
from firewalker.step.usecases.leaderboards import Leaderboards

_READ: Final = Rule(Caller.USER, max_message_bytes=1_024, priority=Priority.READ, rate=READS)

_GROUP_PERIODS: Final = (Period.DAY, Period.WEEK, Period.MONTH)


class LeaderboardDoor:
    """The door of LeaderboardService."""

    SERVICE: ClassVar[str] = "firewalker.step.v1.LeaderboardService"
    POLICY: ClassVar[Mapping[str, Rule]] = {
        "GetFriendLeaderboard": _READ,
        "WatchFriendLeaderboard": _READ,
        "GetGroupLeaderboard": _READ,
        "WatchGroupLeaderboard": _READ,
    }

    def __init__(self, leaderboards: Leaderboards, of_groups: GroupBoards, boards: Boards) -> None:
        self._leaderboards = leaderboards
        self._of_groups = of_groups
        self._boards = boards

    async def get_friend_leaderboard(self, request: Any) -> bytes:
        """See the proto."""
        return board_answer(await self._leaderboards.of_friends(principal().user_id, _asked(request)))

    async def get_group_leaderboard(self, request: Any) -> bytes:
        """See the proto. The answer has the fields of the other one, so it is made by the same."""
        asked = Asked(request)
        group_id, period, day = asked.group_id(), asked.period(_GROUP_PERIODS), asked.date()
        asked.ensure_valid()
        return board_answer(await self._of_groups.read(principal().user_id, group_id, period, day))

    async def watch_friend_leaderboard(self, request: Any, stream: HotStream) -> None:
        """See the proto. One task per stream, this one; while it sends, what changes is folded for it by the board."""
        asked, resume = _asked(request), request.resume_version
        del request  # a stream lives for hours
        user = principal().user_id
        frozen = None if asked is None else await self._leaderboards.frozen(user, asked)
        if frozen is not None:
            for answer in frozen_answers(frozen):
                await stream.send(answer)
            return
        await self._follow(await self._boards.watch(user, asked, resume), stream)

    async def watch_group_leaderboard(self, request: Any, stream: HotStream) -> None:
        """See the proto. The answers have the fields of the other one's, so they are made by the same."""
        asked = Asked(request)
        group_id, period, day = asked.group_id(), asked.period(_GROUP_PERIODS), asked.date()
        asked.ensure_valid()
        resume = request.resume_version
        del asked, request
        user = principal().user_id
        await self._follow(await self._boards.watch_group(user, group_id, period, day, resume=resume), stream)

    async def _follow(self, watching: Watcher, stream: HotStream) -> None:
        with closing(watching) as watcher:
            when_offered_its_end(stream, watcher.end, EndReason)
            while True:
                update = await watcher.next()
                if isinstance(update, End) and update.reason is EndReason.SERVER_DRAINING:
                    await self._boards.hand_over()
                await stream.send(update_answer(update))
                if isinstance(update, End):
                    break
        raise_refusal(stream, update.reason)


def _asked(request: Any) -> date | None:
    if not request.HasField("date"):
        return None
    day = parse_date(request.date)
    if day is None:
        raise InvalidRequest(violations=[Violation("date", "must be a date, YYYY-MM-DD")])
    return day
