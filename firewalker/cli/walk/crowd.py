"""Turns a plan into walkers: signs everybody up and makes them friends, a few calls at a time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, TypeVar

from grpclib.client import Channel

from firewalker.cli.account import Account, Credentials
from firewalker.cli.walk.circles import small_world
from firewalker.cli.walk.gait import Gait
from firewalker.cli.walk.pedometer import Pedometer
from firewalker.cli.walk.people import afternoon_zone, people, run_name
from firewalker.cli.walk.walker import Walker
from firewalker.gen.pb.firewalker.user.v1 import (
    AcceptFriendRequestRequest,
    FriendServiceStub,
    SendFriendRequestRequest,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

    from firewalker.cli.addresses import Addresses
    from firewalker.cli.walk.meters import Meters
    from firewalker.cli.walk.people import Person

SIGN_UPS_AT_ONCE = 4
"""The password lane hashes on all cores but one and queues 32: more at once would only be told to come back."""

FRIENDSHIPS_AT_ONCE = 8

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a walk is to be."""

    users: int
    """How many walk; at least 2."""
    seed: int
    """Decides movement, zones and circles; names and passwords are new every time."""
    speed: float
    """Multiplies every cadence; 1 is real life."""
    interval_s: float
    """Mean seconds between two messages of a walker who moves."""


@asynccontextmanager
async def crowd(
    plan: Plan, addresses: Addresses, meters: Meters, say: Callable[[str, int, int], None]
) -> AsyncIterator[list[Walker]]:
    """Sign up everybody in *plan* and make them friends; their connections are closed when the block is left.

    *say* is told the step, how many are done and of how many.

    Raises:
        CallError: The backend refused, or did not answer for a minute.
    """
    random = Random(plan.seed)  # noqa: S311 - movement, not secrets
    everybody = list(people(plan.users, random, run_name(), afternoon_zone(datetime.now(UTC))))
    ties = small_world(plan.users, random)
    channel = Channel(addresses.user.host, addresses.user.port)
    try:
        accounts = await _each(
            everybody, lambda person: _sign_up(channel, person), SIGN_UPS_AT_ONCE,
            lambda done: say("signing up", done, len(everybody)),
        )  # fmt: skip
        friends = FriendServiceStub(channel)
        await _each(
            ties, lambda tie: _befriend(friends, accounts[tie[0]], accounts[tie[1]]), FRIENDSHIPS_AT_ONCE,
            lambda done: say("making friends", done, len(ties)),
        )  # fmt: skip
        walkers = [_walker(plan, account, addresses, meters, Random(random.random())) for account in accounts]  # noqa: S311 - as above
        try:
            yield walkers
        finally:
            for walker in walkers:
                walker.close()
    finally:
        channel.close()


def _walker(plan: Plan, account: Account, addresses: Addresses, meters: Meters, random: Random) -> Walker:
    interval_s = plan.interval_s * random.uniform(0.5, 1.5)
    gait = Gait(random, speed=plan.speed)
    return Walker(account, addresses.step, gait=gait, pedometer=Pedometer(random), meters=meters, interval_s=interval_s)


async def _sign_up(channel: Channel, person: Person) -> Account:
    return await Account.sign_up(channel, Credentials(person.email, person.password), person.nickname, person.time_zone)


async def _befriend(friends: FriendServiceStub, asker: Account, asked: Account) -> None:
    await asker.call(friends.send_friend_request, SendFriendRequestRequest(user_id=asked.user_id))
    await asked.call(friends.accept_friend_request, AcceptFriendRequestRequest(user_id=asker.user_id))


Item = TypeVar("Item")


async def _each(
    items: Iterable[Item], work: Callable[[Item], Awaitable[T]], at_once: int, done: Callable[[int], None]
) -> Sequence[T]:
    """Do *work* on every item, *at_once* at a time; results in the order of the items. The first failure ends all."""
    lanes = asyncio.Semaphore(at_once)
    finished = 0

    async def one(item: Item) -> T:
        nonlocal finished
        async with lanes:
            result = await work(item)
        finished += 1
        done(finished)
        return result

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]
