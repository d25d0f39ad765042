"""StandingService: whether what was said of standings still holds. Internal port only."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import ClassVar
from uuid import UUID

from firewalker.gen.pb.firewalker.step.v1 import (
    CompareWalkersRequest,
    CompareWalkersResponse,
    CompareWalkersResponseComparison,
    GetRanksRequest,
    GetRanksResponse,
    GetRanksResponsePlace,
    StandingServiceBase,
)
from firewalker.gen.pb.firewalker.user.v1 import UserVisibility
from firewalker.kernel.days import parse_date
from firewalker.kernel.faults import InvalidRequest, Violation
from firewalker.kernel.ids import UserId, parse_uuid
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.step.domain.faults import DateOutOfRange
from firewalker.step.domain.visibility import Visibility
from firewalker.step.usecases.leaderboards import Leaderboards

MOST_PAIRS = 500
"""Queries of one CompareWalkers (proto)."""

MOST_RANKS = 100
"""Queries of one GetRanks (proto)."""

_VISIBILITIES = {visibility: UserVisibility[visibility.name] for visibility in Visibility}
_NOBODY = UserId(UUID(int=0))


class StandingDoor(StandingServiceBase):
    """Tells other services how walkers stand at this moment."""

    POLICY: ClassVar[Mapping[str, Rule]] = {
        "CompareWalkers": Rule(Caller.SERVICE, max_message_bytes=131_072),
        "GetRanks": Rule(Caller.SERVICE, max_message_bytes=16_384),
    }

    def __init__(self, leaderboards: Leaderboards) -> None:
        self._leaderboards = leaderboards

    async def compare_walkers(self, message: CompareWalkersRequest) -> CompareWalkersResponse:
        """See the proto."""
        _require_at_most(message.queries, MOST_PAIRS)
        violations: list[Violation] = []
        asked = [
            (
                _user(query.viewer_id, f"queries[{number}].viewer_id", violations),
                _user(query.subject_id, f"queries[{number}].subject_id", violations),
                _day(query.date, f"queries[{number}].date", violations),
            )
            for number, query in enumerate(message.queries)
        ]
        if violations:
            raise InvalidRequest(violations=violations)
        answer = CompareWalkersResponse()
        for viewer, subject, day in asked:
            found = await self._leaderboards.compare(viewer, subject, day)
            answer.comparisons.append(
                CompareWalkersResponseComparison(
                    subject_leads=found.subject_leads,
                    visibility=_VISIBILITIES[found.visibility],
                    open=found.open,
                )
            )
        return answer

    async def get_ranks(self, message: GetRanksRequest) -> GetRanksResponse:
        """See the proto."""
        _require_at_most(message.queries, MOST_RANKS)
        violations: list[Violation] = []
        asked = [
            (
                _user(query.user_id, f"queries[{number}].user_id", violations),
                _day(query.date, f"queries[{number}].date", violations),
            )
            for number, query in enumerate(message.queries)
        ]
        if violations:
            raise InvalidRequest(violations=violations)
        answer = GetRanksResponse()
        for user, day in asked:
            answer.places.append(await self._place(user, day))
        return answer

    async def _place(self, user: UserId, day: date) -> GetRanksResponsePlace:
        """Where they are; nowhere if there is no board of *day*, or not with them: the other answers hold all the same."""
        try:
            board = await self._leaderboards.of_friends(user, day)
        except DateOutOfRange:
            return GetRanksResponsePlace()
        ranked = sum(row.rank > 0 for row in board.rows)
        own = next((row for row in board.rows if row.standing.user_id == board.me), None)
        if own is None:
            return GetRanksResponsePlace(ranked=ranked)
        return GetRanksResponsePlace(rank=own.rank, ranked=ranked, steps=-own.standing.behind)


def _require_at_most(queries: Sequence[object], most: int) -> None:
    if len(queries) > most:
        raise InvalidRequest(violations=[Violation("queries", f"must be at most {most}")])


def _user(text: str, field: str, violations: list[Violation]) -> UserId:
    found = parse_uuid(text)
    if found is None:
        violations.append(Violation(field, "must be a user id"))
        return _NOBODY
    return UserId(found)


def _day(text: str, field: str, violations: list[Violation]) -> date:
    found = parse_date(text)
    if found is None:
        violations.append(Violation(field, "must be a date, YYYY-MM-DD"))
        return date.min
    return found
