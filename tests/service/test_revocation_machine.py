"""Ended sessions under any sequence of losses: what two processes answer, against the table of `runtime/revocation/doubts.py`.

One process ends the sessions (as the user service does), the other only hears of them. Redis goes away, falls silent, comes back,
comes back empty, or is emptied while everybody looks on; MySQL goes away and comes back; time passes.

FIREWALKER_TEST_LOSSES sets the number of examples.
"""

import asyncio
import os
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from firewalker.kernel.faults import DatabaseUnavailable
from firewalker.kernel.ids import SessionId, UserId, new_uuid7
from firewalker.kernel.principal import Principal
from firewalker.runtime import redis as redis_clients
from firewalker.runtime.revocation import Revocation, RevocationFeed, RevocationView, SessionDoubts, ViewFilling
from firewalker.runtime.revocation.entries import TAG
from firewalker.runtime.tokens import LIFETIME
from tests.service.test_doubts import judged
from tests.support.clock import FakeClock
from tests.support.databases import flush
from tests.support.waiting import until
from tests.support.ways import redis_way

EXAMPLES = int(os.environ.get("FIREWALKER_TEST_LOSSES", "8"))
STEPS = 16

T = TypeVar("T")


class Truth:
    """Stands for MySQL, near or far."""

    def __init__(self, clock: FakeClock) -> None:
        self.away = False
        self.ended: dict[SessionId, Revocation] = {}
        self._clock = clock

    def end(self, who: Principal) -> Revocation:
        ended = Revocation(session_id=who.session_id, reason="LOGOUT", time=self._clock.now())
        self.ended[who.session_id] = ended
        return ended

    async def since(self, moment: datetime) -> list[Revocation]:
        if self.away:
            raise DatabaseUnavailable
        return [ended for ended in self.ended.values() if ended.time is None or ended.time >= moment]

    async def has_ended(self, session_id: SessionId) -> bool:
        if self.away:
            raise DatabaseUnavailable
        return session_id in self.ended


class Watched(SessionDoubts):
    """Tells what it found when it was asked: heartbeats come and go in real time, also while a call is judged."""

    arose: bool | None = None

    @property
    def arise(self) -> bool:
        self.arose = super().arise
        return self.arose


class Losses(RuleBasedStateMachine):
    """`near` is the view of the process that ends sessions, `far` that of another one."""

    runner: ClassVar[asyncio.Runner]
    url: ClassVar[str]
    folder: ClassVar[Path]

    def run(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return self.runner.run(awaited())

    @initialize()
    def begin(self) -> None:
        self.clock = FakeClock(datetime.now(UTC))
        self.truth = Truth(self.clock)
        self.people: list[Principal] = []
        self.known: set[SessionId] = set()
        self.redis_is_there = True
        self.stack = AsyncExitStack()
        self.run(self._begin())
        for _ in range(3):
            self.somebody_signs_in()

    async def _begin(self) -> None:
        self.way = await self.stack.enter_async_context(redis_way(self.url))
        self.redis: Any = redis_clients.connect(self.url, TAG)
        self.stack.push_async_callback(self.redis.aclose)
        await flush(self.url)
        url = self.way.url
        self.near, self.far = (RevocationView(url, clock=self.clock) for _ in range(2))
        self.feed = RevocationFeed(url, self.truth.since, view=self.near, clock=self.clock, beat_s=0.05)
        filling = ViewFilling(self.near, self.truth.since, self.feed.publish, look_s=0.05, clock=self.clock)
        for part in (self.near, self.far, self.feed, filling):
            await self.stack.enter_async_context(part)
        await until(lambda: not self.far.stale and not self.near.stale, within_s=60)
        self.doubts = {view: Watched(view, self.truth, clock=self.clock) for view in (self.near, self.far)}

    def teardown(self) -> None:
        if not hasattr(self, "stack"):
            return
        try:
            # However it went, in the end all is known.
            self.mysql_comes_back()
            self.redis_comes_back(empty=False)
            self.everything_is_heard_again()
        finally:
            self.run(self.stack.aclose())

    @rule()
    def somebody_signs_in(self) -> None:
        now = self.clock.now()
        self.people.append(Principal(UserId(new_uuid7()), SessionId(new_uuid7()), "jti", now, now + LIFETIME))

    @precondition(lambda self: self.people and not self.truth.away)
    @rule(data=st.data())
    def a_session_ends(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(self.people))
        self.run(self.feed.publish([self.truth.end(who)]))
        assert self.near.is_revoked(who), "who ended it knows, whatever is away"
        # As long as an end may travel, and as the answer of MySQL counts.
        self.clock.advance(1.1)

    @rule(silent=st.booleans())
    def redis_goes(self, silent: bool) -> None:  # noqa: FBT001 - drawn
        self.redis_is_there = False
        self.way.set(black_hole=silent, refuse=not silent)
        if not silent:
            self.way.cut_all()

    @rule(empty=st.booleans())
    def redis_comes_back(self, empty: bool) -> None:  # noqa: FBT001 - drawn
        if empty:
            self.run(flush(self.url))
        self.redis_is_there = True
        self.way.set()
        self.way.cut_all()

    @rule()
    def mysql_goes(self) -> None:
        self.truth.away = True

    @rule()
    def mysql_comes_back(self) -> None:
        self.truth.away = False
        # For a second after a failure nobody asks again.
        self.clock.advance(1.1)

    @rule()
    def time_passes(self) -> None:
        self.clock.advance(3.0)

    @precondition(lambda self: self.redis_is_there and not self.truth.away)
    @rule()
    def everything_is_heard_again(self) -> None:
        self.run(until(lambda: not self.far.stale and not self.near.stale, within_s=60))
        ended = [who for who in self.people if who.session_id in self.truth.ended]
        self.run(until(lambda: all(self.far.is_revoked(who) for who in ended), within_s=60))

    @precondition(lambda self: self.people)
    @rule(data=st.data(), sensitive=st.booleans())
    def somebody_calls(self, data: st.DataObject, sensitive: bool) -> None:  # noqa: FBT001 - drawn
        who = data.draw(st.sampled_from(self.people))
        for view in (self.near, self.far):
            known, doubts = view.is_revoked(who), self.doubts[view]
            doubts.arose = None
            outcome = self.run(judged(view, doubts, who, sensitive=sensitive))
            # Without a doubt it was not asked for: the view knew.
            possible = self.answers(
                who, known=known or doubts.arose is None, stale=bool(doubts.arose), sensitive=sensitive
            )
            assert outcome in possible, (outcome, possible, known, doubts.arose)

    def answers(self, who: Principal, *, known: bool, stale: bool, sensitive: bool) -> set[str]:
        """What the table allows."""
        ended = who.session_id in self.truth.ended
        if known:
            return {"SESSION_REVOKED"} if ended else set()
        if not stale:
            return {"OK", "SESSION_REVOKED"} if ended else {"OK"}
        if not self.truth.away:
            return {"SESSION_REVOKED"} if ended else {"OK"}
        # It may have been heard of just now.
        return {"SESSION_STATE_UNKNOWN" if sensitive else "OK", *(["SESSION_REVOKED"] if ended else [])}

    @invariant()
    def nothing_that_was_known_is_forgotten_and_nobody_is_ended_by_mistake(self) -> None:
        if not hasattr(self, "far"):
            return
        known = {who.session_id for who in self.people if self.far.is_revoked(who)}
        assert self.known <= known <= self.truth.ended.keys()
        self.known = known


@pytest.mark.requirement("AUTH-20", "AUTH-22", "AUTH-23", "AUTH-25")
def test_no_loss_of_redis_or_mysql_revives_a_session_or_ends_one(redis_url: str, tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        Losses.runner, Losses.url, Losses.folder = runner, redis_url, tmp_path
        run_state_machine_as_test(
            Losses,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
