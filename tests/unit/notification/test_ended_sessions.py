"""Whose devices are not pushed to any more: what is heard counts at once, and is asked for while something may be missed."""

import pytest

from firewalker.kernel.ids import SessionId, new_uuid7
from firewalker.notification.sessions import SETTLING_S, EndedSessions
from tests.support.clock import FakeClock

ONE, OTHER, THIRD = (SessionId(new_uuid7()) for _ in range(3))


class View:
    stale = False

    def has_ended(self, session_id: SessionId) -> bool:
        return session_id == ONE


class Doubts:
    def __init__(self) -> None:
        self.asked: list[SessionId] = []

    async def has_ended(self, session_id: SessionId) -> bool | None:
        self.asked.append(session_id)
        return True if session_id == OTHER else None


@pytest.mark.requirement("FCM-14")
async def test_who_hears_everything_asks_nobody_and_who_may_not_asks() -> None:
    clock, view, doubts = FakeClock(), View(), Doubts()
    ended = EndedSessions(view, doubts, clock)
    all_of_them = {ONE, OTHER, THIRD}
    # What ended while this process was not there it may be told only now; what nobody says has not ended.
    assert await ended.among(all_of_them) == {ONE, OTHER}
    assert sorted(doubts.asked) == sorted({OTHER, THIRD})
    clock.advance(SETTLING_S)
    assert await ended.among(all_of_them) == {ONE}
    assert len(doubts.asked) == 2
    view.stale = True
    assert await ended.among(all_of_them) == {ONE, OTHER}
    assert ended.has_ended(ONE)
    assert not ended.has_ended(OTHER)
