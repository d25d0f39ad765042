"""Asking the user and the step service whether what is to be pushed still holds."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

import structlog

from firewalker.gen.pb.firewalker.step import v1 as step_pb
from firewalker.gen.pb.firewalker.user import v1 as user_pb
from firewalker.kernel.faults import Fault
from firewalker.notification.domain.notification import KINDS, Recheck
from firewalker.notification.domain.push import Verdict
from firewalker.notification.usecases.ports import Told
from firewalker.runtime.grpc.channel import CallRefused, InternalChannel

ASK_S = 3.0
"""Longest wait for an answer. Pushes wait behind it."""

_AT_ONCE = 100
"""Questions of one call; the protos take as many of ranks, and more of the others."""

_HIDDEN: Final = user_pb.UserVisibility.HIDDEN

_log = structlog.get_logger(__name__)

_BONDS: Final[Mapping[Recheck, Callable[[user_pb.CheckBondsResponseBond], bool]]] = {
    Recheck.ASKS: lambda bond: bond.subject_asks and not bond.blocked and not bond.friends,
    Recheck.FRIENDS: lambda bond: bond.friends and not bond.blocked,
    Recheck.SEEN_FRIENDS: lambda bond: bond.friends and not bond.blocked and bond.visibility != _HIDDEN,
    Recheck.NOT_BLOCKED: lambda bond: not bond.blocked,
}


class RemoteRechecks:
    """The services behind two channels."""

    def __init__(self, user: InternalChannel, step: InternalChannel) -> None:
        self._graph = user_pb.SocialGraphServiceStub(user)
        self._standings = step_pb.StandingServiceStub(step)

    async def verdicts(self, told: Sequence[Told]) -> list[Verdict]:
        """One for each of *told*, in order. Does not fail: what nobody answers is UNKNOWN."""
        bonds = [t for t in told if _recheck(t) in _BONDS]
        behind = [t for t in told if _recheck(t) is Recheck.BEHIND]
        first = [t for t in told if _recheck(t) is Recheck.FIRST]
        found: dict[int, Verdict] = {}
        answers = await asyncio.gather(
            _asked(bonds, self._bonds), _asked(behind, self._comparisons), _asked(first, self._places)
        )
        for answer in answers:
            found |= answer
        return [found.get(id(t), Verdict.HOLDS) for t in told]

    async def _bonds(self, told: Sequence[Told]) -> list[bool]:
        queries = [
            user_pb.CheckBondsRequestQuery(viewer_id=str(t.user_id), subject_id=str(t.actor_id or "")) for t in told
        ]
        answer = await self._graph.check_bonds(user_pb.CheckBondsRequest(queries=queries), timeout=ASK_S)
        return [_BONDS[_recheck(t)](bond) for t, bond in zip(told, answer.bonds, strict=True)]

    async def _comparisons(self, told: Sequence[Told]) -> list[bool]:
        queries = [
            step_pb.CompareWalkersRequestQuery(
                viewer_id=str(t.user_id), subject_id=str(t.actor_id or ""), date=t.params.get("date", "")
            )
            for t in told
        ]
        answer = await self._standings.compare_walkers(step_pb.CompareWalkersRequest(queries=queries), timeout=ASK_S)
        return [c.subject_leads and c.open and c.visibility != _HIDDEN for c in answer.comparisons]

    async def _places(self, told: Sequence[Told]) -> list[bool]:
        queries = [step_pb.GetRanksRequestQuery(user_id=str(t.user_id), date=t.params.get("date", "")) for t in told]
        answer = await self._standings.get_ranks(step_pb.GetRanksRequest(queries=queries), timeout=ASK_S)
        return [place.rank == 1 and place.ranked > 1 for place in answer.places]


async def _asked(told: Sequence[Told], ask: Callable[[Sequence[Told]], Awaitable[list[bool]]]) -> dict[int, Verdict]:
    """The verdicts by identity."""
    found: dict[int, Verdict] = {}
    for some in _portions(told):
        found |= {id(t): verdict for t, verdict in zip(some, await _answers(some, ask), strict=True)}
    return found


async def _answers(told: Sequence[Told], ask: Callable[[Sequence[Told]], Awaitable[list[bool]]]) -> list[Verdict]:
    try:
        answers = await ask(told)
    except (Fault, OSError) as error:
        _log.warning("recheck_unanswered", error=type(error).__name__)
        return [Verdict.UNKNOWN] * len(told)
    except CallRefused as refused:
        _log.warning("recheck_refused", status=refused.status, reason=refused.reason)
        unanswerable = refused.status == "UNIMPLEMENTED"
        return [Verdict.UNANSWERABLE if unanswerable else Verdict.UNKNOWN] * len(told)
    except ValueError:
        _log.warning("recheck_malformed")
        return [Verdict.UNKNOWN] * len(told)
    if len(answers) != len(told):
        _log.warning("recheck_malformed")
        return [Verdict.UNKNOWN] * len(told)
    return [Verdict.HOLDS if answer else Verdict.MOOT for answer in answers]


def _portions(told: Sequence[Told]) -> Iterable[Sequence[Told]]:
    return (told[start : start + _AT_ONCE] for start in range(0, len(told), _AT_ONCE))


def _recheck(told: Told) -> Recheck:
    return KINDS[told.type].recheck
