"""The pair on real MySQL against the model: any sequence of what the two do, some of it at the same moment.

FIREWALKER_TEST_PAIRS sets the number of examples.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from copy import deepcopy
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from firewalker.kernel.faults import Fault
from firewalker.kernel.ids import UserId
from firewalker.user.domain.friend_limits import Counts
from firewalker.user.domain.friendship import Friendship, Pair
from firewalker.user.domain.user import Visibility
from firewalker.user.store.friendships import Friendships
from firewalker.user.store.limits import Limits
from tests.service.user.rooms import Rooms, open_rooms
from tests.support.databases import Servers, fresh_database
from tests.support.pair_model import ACTIONS, PairModel

EXAMPLES = int(os.environ.get("FIREWALKER_TEST_PAIRS", "15"))
STEPS = 14


class Pairing(RuleBasedStateMachine):
    """Users 0 and 1 of the model are two new users of the database."""

    runner: ClassVar[asyncio.Runner]
    rooms: ClassVar[Rooms]

    @initialize()
    def begin(self) -> None:
        self.model = PairModel()
        self.now_s = 0.0
        self.users: list[UserId] = self.run(self.rooms.newcomers(2))
        self.pair = Pair.of(*self.users)
        self.before = self.run(self.last_position())
        self.positions_known = 0

    @rule(action=st.sampled_from(ACTIONS), by=st.sampled_from([0, 1]))
    def one_acts(self, action: str, by: int) -> None:
        outcome = self.run(self.act(action, by))
        assert outcome == self.model.act(action, by, self.now_s)
        self.agree()

    @rule(first=st.sampled_from(ACTIONS), second=st.sampled_from(ACTIONS), same=st.booleans())
    def both_act_at_once(self, first: str, second: str, same: bool) -> None:  # noqa: FBT001
        """What comes of it is what one order of the two would have given."""
        calls = ((first, 0), (second, 0 if same else 1))

        async def together() -> list[str]:
            return list(await asyncio.gather(*(self.act(action, by) for action, by in calls)))

        outcomes = self.run(together())
        candidates = []
        for order in ((0, 1), (1, 0)):
            model = deepcopy(self.model)
            refusals = {index: model.act(*calls[index], self.now_s) for index in order}
            if [refusals[0], refusals[1]] == outcomes:
                candidates.append(model)
        assert candidates, (calls, outcomes)
        found = self.run(self.look())
        fitting = [model for model in candidates if self.looks(model) == found]
        assert fitting, (calls, found)
        self.model = fitting[0]

    @rule(days=st.sampled_from([1, 8]))
    def time_passes(self, days: int) -> None:
        self.rooms.clock.advance(timedelta(days=days))
        self.now_s += days * 86_400

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    async def act(self, action: str, by: int) -> str:
        """Why the call was refused; empty if it was not."""
        me, other = self.users[by], self.users[1 - by]
        social = self.rooms.social
        calls: dict[str, Callable[[], Any]] = {
            "ask": lambda: social.requests.send(me, other),
            "accept": lambda: social.requests.accept(me, other),
            "decline": lambda: social.requests.decline(me, other),
            "cancel": lambda: social.requests.cancel(me, other),
            "remove": lambda: social.friends.remove(me, other),
            "block": lambda: social.blocks.block(me, other),
            "unblock": lambda: social.blocks.unblock(me, other),
            "hide": lambda: social.friends.show(me, other, Visibility.HIDDEN),
            "show": lambda: social.friends.show(me, other, None),
        }
        try:
            await calls[action]()
        except Fault as fault:
            return fault.reason
        return ""

    def agree(self) -> None:
        assert self.run(self.look()) == self.looks(self.model)

    async def look(self) -> tuple[object, ...]:
        """All that can be seen of the pair: by each of the two, in the counters, in both outboxes."""
        async with self.rooms.database.transaction() as tx:
            found = (await Friendships().list_of(tx, [self.pair])).get(self.pair) or Friendship(self.pair)
            counts = [await Limits().lock(tx, user) for user in sorted(self.users)]
            told = await tx.all(
                "SELECT destination, kind FROM outbox WHERE position > %s ORDER BY destination, position",
                (self.before,),
            )
        kinds = {name: [kind for where, kind in told if where == name] for name in ("notification", "step")}
        assert kinds["step"] == kinds["notification"]
        return (
            [found.as_seen_by(user).state.name for user in self.users],
            dict(zip(sorted(self.users), counts, strict=True)),
            [found.side(user).blocks_since is not None for user in self.users],
            [found.side(user).shows is Visibility.HIDDEN for user in self.users],
            kinds["step"],
        )

    def looks(self, model: PairModel) -> tuple[object, ...]:
        return (
            [model.seen_by(user) for user in (0, 1)],
            {self.users[user]: Counts(*model.share_of(user)) for user in (0, 1)},
            [user in model.blocks for user in (0, 1)],
            [user in model.hides for user in (0, 1)],
            model.told,
        )

    async def last_position(self) -> int:
        async with self.rooms.database.reading() as tx:
            return int((await tx.one("SELECT COALESCE(MAX(position), 0) FROM outbox"))[0])


@pytest.mark.requirement("DATA-02", "DATA-08", "DLV-01", "DLV-06")
def test_whatever_two_users_do_ends_as_the_model_says(servers: Servers) -> None:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def open_all() -> Rooms:
            url = await stack.enter_async_context(fresh_database(servers))
            return await stack.enter_async_context(open_rooms(url, servers.redis_url(1)))

        Pairing.runner, Pairing.rooms = runner, runner.run(open_all())
        try:
            run_state_machine_as_test(
                Pairing,
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(stack.aclose())
