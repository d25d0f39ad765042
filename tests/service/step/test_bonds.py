"""What stands between walkers, as told by events: whatever their order, the latest stands."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from firewalker.kernel.ids import EventId, UserId, new_uuid7
from firewalker.runtime.mysql import Database
from firewalker.step.app import build
from firewalker.step.config import StepConfig
from firewalker.step.domain.facts import Blocked, Fact, Moved, Parted, Renamed, WalkerNews
from firewalker.step.domain.visibility import Bond, Visibility
from firewalker.step.store import bonds, friends
from firewalker.step.usecases.projections import Projections
from firewalker.step.usecases.zones import Zones
from tests.service.step.reading import befriended, group_of_friends, signed_up, someone, veiled, veiled_for
from tests.service.step.test_projections import Announced, Event, deliver, queries
from tests.support.services import serving

THEN = datetime(2026, 5, 20, 12, tzinfo=UTC)


@pytest.fixture
async def database(step_url: str) -> AsyncIterator[Database]:
    async with Database(step_url, pool_size=1) as database:
        yield database


async def bond(database: Database, viewer: UserId, subject: UserId) -> Bond:
    """As both reads tell it, which agree about friends."""
    async with database.reading() as tx:
        found = (await bonds.list_bonds(tx, viewer, [subject]))[subject.bytes]
        circle = await friends.get_circle(tx, viewer)
    of_friends = {one.person.user_id: one.bond for one in circle.friends}
    assert of_friends.get(subject.bytes) == (found if found.friends else None)
    return found


def blocked(one: UserId, other: UserId, told: datetime, *, lifted: bool = False) -> Blocked:
    return Blocked(EventId(new_uuid7()), one, other, told, lifted)


def history(  # noqa: C901 - a case for each kind of fact
    me: UserId, ann: UserId, random: Random
) -> tuple[list[Fact], Bond]:
    """Some things that happen between two, one a second, and what stands at the end: told without any SQL."""
    facts: list[Fact] = []
    befriended_now = False
    shows: dict[UserId, Visibility] = {}
    overrides: dict[UserId, Visibility | None] = {}
    blocks: set[UserId] = set()
    for second in range(random.randrange(1, 12)):
        told = THEN + timedelta(seconds=second)
        one, other = random.choice([(me, ann), (ann, me)])
        level = random.choice(list(Visibility))
        match random.choice(["befriend", "part", "block", "unblock", "show", "show one", "show one as all"]):
            case "befriend" if blocks:
                pass  # nobody becomes friends across a block
            case "befriend":
                facts.append(befriended(one, other, told, told))
                befriended_now, overrides = True, {}
            case "part":
                facts.append(Parted(EventId(new_uuid7()), one, other, told))
                befriended_now = False
            case "block":
                facts.append(blocked(one, other, told))
                befriended_now = False
                blocks.add(one)
            case "unblock":
                facts.append(blocked(one, other, told, lifted=True))
                blocks.discard(one)
            case "show":
                facts.append(veiled(one, level, told))
                shows[one] = level
            case what:
                setting = level if what == "show one" else None
                facts.append(veiled_for(one, other, setting, told))
                overrides[one] = setting
    if not befriended_now:
        overrides = {}
    for user in (me, ann):
        if (own := overrides.get(user)) is not None:
            shows[user] = own
    everybody = Visibility.FRIENDS
    return facts, Bond(befriended_now, shows.get(me, everybody), shows.get(ann, everybody), bool(blocks))


@pytest.mark.requirement("DLV-01", "PRIV-01")
@pytest.mark.parametrize("seed", range(25))
async def test_what_stands_does_not_depend_on_order_repeats_or_batches(database: Database, seed: int) -> None:
    random, me, ann = Random(seed), someone(), someone()
    facts, expected = history(me, ann, random)
    arriving = facts + random.sample(facts, len(facts) // 2)
    random.shuffle(arriving)
    projections = Projections(database, Announced())
    while arriving:
        size = random.randrange(1, 6)
        await projections.take(arriving[:size])
        arriving = arriving[size:]
    assert await bond(database, me, ann) == expected
    mirrored = Bond(expected.friends, expected.subject_shows, expected.viewer_shows, expected.blocked)
    assert await bond(database, ann, me) == mirrored


async def test_bonds_are_told_of_anybody_in_a_fixed_number_of_queries(database: Database) -> None:
    me, ann, ben, cho, unknown = (someone() for _ in range(5))
    projections = Projections(database, Announced())
    facts: list[Fact] = [*group_of_friends(me, [ann]), veiled(ben, Visibility.ROUNDED), blocked(cho, me, THEN)]
    await projections.take(facts)
    before = await queries(database)
    async with database.reading() as tx:
        found = await bonds.list_bonds(tx, me, [ann, ben, cho, unknown, *(someone() for _ in range(190))])
    assert await queries(database) == before + 3
    assert found[ann.bytes] == Bond(friends=True)
    assert found[ben.bytes] == Bond(friends=False, subject_shows=Visibility.ROUNDED)
    assert found[cho.bytes] == Bond(friends=False, blocked=True)
    assert found[unknown.bytes] == Bond(friends=False)
    assert len(found) == 194


async def test_a_walker_who_moves_keeps_the_zone_of_days_before(database: Database) -> None:
    me, ann = someone(), someone()
    projections, zones = Projections(database, Announced()), Zones(database)
    moves = [
        Moved(EventId(new_uuid7()), ann, name, first, THEN + timedelta(days=number))
        for number, (name, first) in enumerate([("America/Lima", date(2026, 5, 21)), ("UTC", date(2026, 5, 24))])
    ]
    await projections.take([moves[1]])
    await projections.take([moves[0], *group_of_friends(me, [ann])])
    await projections.take([signed_up(ann, zone="Asia/Seoul", told=THEN - timedelta(days=9))])
    history = await zones.of(ann)
    async with database.reading() as tx:
        circle = await friends.get_circle(tx, me)
    for days in (history, circle.friends[0].person.zones):
        found = [days.on(date(2026, 5, day)).key for day in (20, 21, 23, 24)]
        assert found in (["Asia/Seoul", *["America/Lima"] * 2, "UTC"], ["UTC", *["America/Lima"] * 2, "UTC"])
    assert (await zones.of(ann)).newest.key == "UTC"


async def test_the_newest_name_stands_and_settings_need_no_name(database: Database) -> None:
    me = someone()
    projections = Projections(database, Announced())
    await projections.take([veiled(me, Visibility.RANK_ONLY)])
    newest = Renamed(EventId(new_uuid7()), WalkerNews(me, "newest", "", THEN + timedelta(days=1)))
    await projections.take([newest, signed_up(me, "older", told=THEN)])
    async with database.reading() as tx:
        circle = await friends.get_circle(tx, me)
    assert circle.me.nickname == "newest"


async def test_changes_come_in_by_the_door(step_url: str, redis_url: str, tmp_path: Path) -> None:
    me, ann = someone(), someone()

    def event(**fact: object) -> object:
        made = Event(event_id=str(new_uuid7()), **fact)
        made.create_time.FromDatetime(THEN)
        return made

    good = [
        event(visibility_changed={"user_id": str(me), "visibility": "ROUNDED"}),
        event(friend_visibility_changed={"user_id": str(me), "friend_id": str(ann), "visibility": "HIDDEN"}),
        event(friend_visibility_changed={"user_id": str(ann), "friend_id": str(me)}),
        event(user_blocked={"blocker_id": str(me), "blocked_id": str(ann)}),
        event(user_unblocked={"blocker_id": str(ann), "blocked_id": str(me)}),
        event(friendship_ended={"user_id": str(me), "friend_id": str(ann)}),
        event(profile_changed={"profile": {"user_id": str(me), "nickname": "Bora"}}),
        event(time_zone_changed={"user_id": str(me), "time_zone": "Asia/Seoul", "first_date": "2026-05-21"}),
    ]
    malformed = {
        "visibility": event(visibility_changed={"user_id": str(me)}),
        "friend_id": event(friendship_ended={"user_id": str(me), "friend_id": str(me)}),
        "blocker_id": event(user_blocked={"blocked_id": str(me)}),
        "profile.user_id": event(profile_changed={}),
        "first_date": event(time_zone_changed={"user_id": str(me), "time_zone": "UTC", "first_date": "soon"}),
        "time_zone": event(time_zone_changed={"user_id": str(me), "time_zone": "Mars", "first_date": "2026-05-21"}),
    }
    async with serving("step", StepConfig, build, folder=tmp_path, mysql_url=step_url, redis_url=redis_url) as service:
        await deliver(service, *good)
        with pytest.raises(Exception) as refused:  # noqa: PT011 - its details are looked at
            await deliver(service, *malformed.values())
    details = dict(refused.value.trailing_metadata())["grpc-status-details-bin"]  # type: ignore[attr-defined]
    for number, field in enumerate(malformed):
        assert f"events[{number}]".encode() in details
        assert f".{field}".encode() in details
    async with Database(step_url) as database:
        assert await bond(database, me, ann) == Bond(friends=False, viewer_shows=Visibility.ROUNDED, blocked=True)
