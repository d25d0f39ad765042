"""What the user service tells becomes walkers and friend sets: once, in any order, and only from a service."""

from collections.abc import AsyncIterator, Collection
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from firewalker.kernel.ids import UserId, new_uuid7
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.mysql import Database
from firewalker.step.app import build
from firewalker.step.config import StepConfig
from firewalker.step.store import bonds, friends, walkers
from firewalker.step.usecases.circles import DOUBTED_S, TRUSTED_S, Circles
from firewalker.step.usecases.projections import WALKERS_PER_LOOK, Projections
from firewalker.step.usecases.zones import Zones
from tests.service.step.reading import befriended, group_of_friends, signed_up, someone
from tests.support.clock import FakeClock
from tests.support.services import Service, serving

Event = message_class("firewalker.event.v1.Event")
DeliverRequest = message_class("firewalker.event.v1.DeliverRequest")
THEN = datetime(2026, 5, 20, 12, tzinfo=UTC)


async def queries(database: Database) -> int:
    """How many SELECTs the database's one connection has run."""
    async with database.reading() as tx:
        return int((await tx.one("SHOW SESSION STATUS LIKE 'Com_select'"))[1])


class Announced(list[set[bytes]]):
    """Who was announced: at once, and in the background."""

    def __init__(self) -> None:
        super().__init__()
        self.later: list[set[bytes]] = []

    async def __call__(self, users: Collection[bytes], *, at_once: bool = True) -> None:
        (self if at_once else self.later).append(set(users))


@pytest.fixture
async def database(step_url: str) -> AsyncIterator[Database]:
    async with Database(step_url, pool_size=1) as database:
        yield database


async def circle_of(database: Database, user: UserId) -> dict[bytes, str]:
    async with database.reading() as tx:
        circle = await friends.get_circle(tx, user)
    return {person.user_id: person.nickname for person in circle.people}


async def test_both_sides_of_a_friendship_see_each_other(database: Database) -> None:
    me, ann = someone(), someone()
    await Projections(database, Announced()).take(group_of_friends(me, [ann]))
    assert await circle_of(database, me) == {me.bytes: f"n-{me.hex[-6:]}", ann.bytes: f"n-{ann.hex[-6:]}"}
    assert (await circle_of(database, ann)).keys() == {me.bytes, ann.bytes}


async def test_delivered_again_events_change_nothing_and_are_announced_again(database: Database) -> None:
    me, ann, ben = someone(), someone(), someone()
    announced = Announced()
    projections = Projections(database, announced)
    old, new = signed_up(me, "old", told=THEN), signed_up(me, "new", told=THEN + timedelta(seconds=1))
    await projections.take([old, befriended(me, ann, told=THEN), befriended(ben, ann, told=THEN)])
    await projections.take([new])
    await projections.take([old])
    assert (await circle_of(database, me))[me.bytes] == "new"
    assert announced == [{me.bytes, ann.bytes, ben.bytes}, {me.bytes}, {me.bytes}]
    assert announced.later == [{me.bytes, ann.bytes, ben.bytes}, {ann.bytes}, {ann.bytes}]


async def test_whoever_is_named_is_announced_at_once_and_their_many_friends_outside_of_the_change(
    database: Database, mysql_url: str
) -> None:
    people, clouds = [someone() for _ in range(60)], list[list[UserId]]()
    now = datetime.now(UTC)
    async with Database(mysql_url) as other, other.transaction() as tx:
        for person in people:
            clouds.append([someone() for _ in range(20)])
            await bonds.befriend(tx, [(person, friend, now, now) for friend in clouds[-1]])
    announced, in_transaction = Announced(), list[bool]()

    async def announce(users: Collection[bytes], *, at_once: bool = True) -> None:
        async with database.reading() as tx:  # the pool's only connection: it is free again
            await tx.one("SELECT 1")  # MariaDB alone has a variable for it; both say it with every answer
            in_transaction.append(tx._connection.in_transaction)
        await announced(users, at_once=at_once)

    await Projections(database, announce).take([signed_up(person) for person in people])
    assert announced == [{person.bytes for person in people}]
    assert set.union(*announced.later) == {friend.bytes for cloud in clouds for friend in cloud}
    assert max(map(len, announced.later)) == WALKERS_PER_LOOK * 20
    assert set(in_transaction) == {False}


async def test_of_several_profiles_the_newest_stands_whatever_comes_first(database: Database) -> None:
    me = someone()
    newest = signed_up(me, "newest", "Asia/Seoul", told=THEN + timedelta(hours=1))
    older = signed_up(me, "older", "Asia/Seoul", told=THEN)
    projections = Projections(database, Announced())
    await projections.take([befriended(me, someone(), told=THEN + timedelta(minutes=1)), newest, older])
    assert (await circle_of(database, me))[me.bytes] == "newest"
    async with database.reading() as tx:
        assert (await walkers.find_zones(tx, me))[0] == "Asia/Seoul"


async def test_a_friendship_may_come_before_the_walkers_zone(database: Database) -> None:
    me, ann = someone(), someone()
    projections = Projections(database, Announced())
    await projections.take([befriended(me, ann, told=THEN + timedelta(seconds=5))])
    async with database.reading() as tx:
        assert (await walkers.find_zones(tx, me))[0] is None
    await projections.take([signed_up(me, "early", "Europe/Berlin", told=THEN)])
    async with database.reading() as tx:
        assert (await walkers.find_zones(tx, me))[0] == "Europe/Berlin"
    assert (await circle_of(database, me))[me.bytes] == f"n-{me.hex[-6:]}"


@pytest.mark.parametrize("count", [5, 500])
async def test_a_friend_set_is_two_queries_however_large(database: Database, count: int) -> None:
    me = someone()
    facts = group_of_friends(me, [someone() for _ in range(count)])
    projections = Projections(database, Announced())
    for start in range(0, len(facts), 100):
        await projections.take(facts[start : start + 100])
    clock = FakeClock()
    circles = Circles(database, heard=lambda: True, monotonic=clock.monotonic)
    before = await queries(database)
    assert len((await circles.of(me)).people) == count + 1
    clock.advance(TRUSTED_S - 1)
    await circles.of(me)
    assert await queries(database) == before + 2  # people, goals


async def test_kept_sets_are_read_again_when_dropped_aged_or_doubted(database: Database) -> None:
    me, clock = someone(), FakeClock()
    hearing = True
    await Projections(database, Announced()).take([signed_up(me)])
    circles = Circles(database, heard=lambda: hearing, monotonic=clock.monotonic)

    async def is_read() -> bool:
        before = await queries(database)
        await circles.of(me)
        return await queries(database) > before

    assert await is_read()
    assert not await is_read()
    circles.drop([me.bytes])
    assert await is_read()
    circles.drop_all()
    assert await is_read()
    clock.advance(DOUBTED_S + 0.1)
    assert not await is_read()
    hearing = False
    assert await is_read()
    assert not await is_read()
    clock.advance(DOUBTED_S + 0.1)
    assert await is_read()


async def test_a_set_that_changes_while_it_is_read_is_not_kept(database: Database) -> None:
    me = someone()
    circles = Circles(database, heard=lambda: True)
    reading = circles.of(me)
    asked = reading.send(None)  # it waits for MySQL
    circles.drop([me.bytes])
    del asked
    reading.close()
    circle = await circles.of(me)
    assert circles.is_current(me, circle)
    circles.drop([me.bytes])
    assert not circles.is_current(me, circle)


async def test_kept_sets_are_bounded_by_their_people(database: Database) -> None:
    users = [someone() for _ in range(6)]
    circles = Circles(database, heard=lambda: True, max_people=3)
    read = [await circles.of(user) for user in users]
    assert [circles.is_current(user, circle) for user, circle in zip(users, read, strict=True)] == [False] * 3 + [
        True
    ] * 3


async def test_an_older_zone_does_not_win_whatever_came_between(database: Database) -> None:
    me, friend = someone(), someone()
    noon = datetime(2026, 5, 20, 12, tzinfo=UTC)
    projections = Projections(database, Announced())
    await projections.take([signed_up(me, zone="Asia/Seoul", told=noon)])
    await projections.take([befriended(me, friend, told=noon + timedelta(hours=1))])  # tells no zone
    await projections.take([signed_up(me, zone="Europe/Berlin", told=noon - timedelta(hours=1))])
    async with database.reading() as tx:
        assert (await walkers.find_zones(tx, me))[0] == "Asia/Seoul"
    await projections.take([signed_up(me, zone="America/Lima", told=noon + timedelta(minutes=30))])
    async with database.reading() as tx:
        assert (await walkers.find_zones(tx, me))[0] == "America/Lima"


async def test_zones_follow_what_is_told(database: Database) -> None:
    me = someone()
    zones = Zones(database)
    assert (await zones.of(me)).newest.key == "UTC"
    projections = Projections(database, Announced())
    await projections.take([signed_up(me, zone="Asia/Seoul")])
    zones.drop([me.bytes])
    assert (await zones.of(me)).newest.key == "Asia/Seoul"
    before = await queries(database)
    await zones.of(me)
    assert await queries(database) == before


# -- through the door ------------------------------------------------------------------------------------------------


@pytest.fixture
async def step(mysql_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    async with serving("step", StepConfig, build, folder=tmp_path, mysql_url=mysql_url, redis_url=redis_url) as service:
        yield service


async def deliver(service: Service, *events: Any, credential: bool = True) -> None:
    call = service.internal.unary_unary(
        "/firewalker.event.v1.EventSinkService/Deliver",
        request_serializer=DeliverRequest.SerializeToString,
        response_deserializer=message_class("firewalker.event.v1.DeliverResponse").FromString,
    )
    metadata = service.as_service("user") if credential else [("authorization", "Bearer nobody")]
    await call(DeliverRequest(events=events), metadata=metadata, timeout=60)


def friendship(one: UserId, other: UserId) -> Any:
    event = Event(event_id=str(new_uuid7()))
    event.create_time.FromDatetime(THEN)
    accepted = event.friendship_accepted
    accepted.accepter.user_id, accepted.accepter.nickname = str(one), "one"
    accepted.requester.user_id, accepted.requester.nickname = str(other), "other"
    accepted.since_time.FromDatetime(THEN)
    return event


async def test_a_delivered_friendship_is_in_the_projection(step: Service, mysql_url: str) -> None:
    one, other = someone(), someone()
    asked = Event(event_id=str(new_uuid7()))
    asked.create_time.FromDatetime(THEN)
    asked.friend_requested.addressee_id = str(one)
    await deliver(step, asked, friendship(one, other))
    async with Database(mysql_url) as database:
        assert await circle_of(database, one) == {one.bytes: "one", other.bytes: "other"}
        async with database.reading() as tx:
            circle = await friends.get_circle(tx, one)
    assert [friend.since for friend in circle.friends] == [THEN]
    assert circle.members(date(2026, 5, 19), datetime.now(UTC)) == (circle.me,)


async def test_nobody_but_a_service_delivers(step: Service) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await deliver(step, friendship(someone(), someone()), credential=False)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_malformed_events_are_refused_whole_and_every_one_is_named(step: Service, mysql_url: str) -> None:
    good = friendship(someone(), someone())
    no_id, no_profile, oneself = (friendship(someone(), someone()) for _ in range(3))
    no_id.event_id = "x"
    no_profile.friendship_accepted.ClearField("accepter")
    oneself.friendship_accepted.requester.CopyFrom(oneself.friendship_accepted.accepter)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await deliver(step, good, no_id, no_profile, oneself)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    details = dict(refused.value.trailing_metadata() or ())["grpc-status-details-bin"]
    for field in (b"events[1].event_id", b"events[2].friendship_accepted.accepter", b"events[3].friendship_accepted"):
        assert field in details
    async with Database(mysql_url) as database, database.reading() as tx:
        assert await tx.one("SELECT COUNT(*) FROM friend") == (0,)


async def test_deliveries_of_long_ago_are_forgotten_and_recent_ones_are_not(database: Database) -> None:
    projections = Projections(database, Announced())
    await projections.take([signed_up(someone())])
    now = datetime.now(UTC)
    assert await projections.forget_deliveries(now - timedelta(days=30)) == 0
    assert await projections.forget_deliveries(now + timedelta(days=30)) == 1
    assert await projections.forget_deliveries(now + timedelta(days=30)) == 0
