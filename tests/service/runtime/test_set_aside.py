"""What was set aside: it grows old but not for ever, and tells of nobody who was deleted."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from firewalker.gen.pb.firewalker.event import v1 as pb
from firewalker.kernel.ids import UserId, new_uuid7
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.migrations import statements_of
from firewalker.runtime.mysql import Database
from firewalker.runtime.mysql.literals import fill
from firewalker.runtime.outbox.set_aside import SetAside
from firewalker.runtime.personal_data import tombstones
from firewalker.runtime.services import told_people
from tests.support.clock import FakeClock
from tests.support.databases import run_on

KEPT = timedelta(days=90)
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
ANN, BOB, EVE, GROUP = (UUID(int=number << 64 | 0x7000800000000000) for number in range(1, 5))


@pytest.fixture
async def db(mysql_url: str) -> AsyncIterator[tuple[Database, str]]:
    for package, name in (("outbox", "schema.sql"), ("personal_data", "tombstone.sql")):
        schema = (resources.files(f"firewalker.runtime.{package}") / name).read_text()
        await run_on(mysql_url, *statements_of(schema))
    async with Database(mysql_url) as database:
        yield database, mysql_url


def profile(user: UUID) -> pb.Profile:
    return pb.Profile(user_id=str(user), nickname="a name")


FACTS: dict[str, Any] = {
    "ProfileChanged": pb.ProfileChanged(profile=profile(ANN)),
    "FriendshipEnded": pb.FriendshipEnded(user_id=str(BOB), friend_id=str(ANN)),
    "GroupMemberJoined": pb.GroupMemberJoined(
        group_id=str(GROUP), member=profile(BOB), told_user_ids=[str(ANN), str(EVE)]
    ),
    "TimeZoneChanged": pb.TimeZoneChanged(user_id=str(BOB), time_zone="UTC"),
    "UserDeleted": pb.UserDeleted(user_id=str(ANN)),
}


async def put(url: str, kind: str, at: datetime, *, to: str = "step", set_aside: int = 1) -> None:
    field = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind)[1:]
    fact: dict[str, Any] = {field: FACTS[kind]}
    event_id = new_uuid7()
    payload = bytes(pb.Event(event_id=str(event_id), create_time=at, **fact))
    insert = (
        "INSERT INTO outbox (destination, event_id, kind, payload, create_time, set_aside) VALUES (%s,%s,%s,%s,%s,%s)"
    )
    await run_on(url, fill(insert, (to, event_id, kind, payload, at, set_aside)))


async def left(url: str) -> list[object]:
    return [kind for (kind,) in await run_on(url, "SELECT kind FROM outbox ORDER BY position")]


async def sifted(found: SetAside) -> None:
    while await found.work():
        pass


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"firewalker_outbox_{name}", labels) or 0.0


def of(database: Database, clock: FakeClock) -> SetAside:
    return SetAside(database, ("step", "notification"), told_people, clock, kept=KEPT)


@pytest.mark.requirement("PRIV-07")
async def test_what_was_set_aside_is_dropped_after_months_and_people_are_told(
    db: tuple[Database, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firewalker.runtime.outbox.set_aside.PAGE", 2)
    (database, url), clock = db, FakeClock(NOON)
    for to in ("step", "notification"):
        for kind in ("ProfileChanged", "UserDeleted", "FriendshipEnded", "ProfileChanged"):
            await put(url, kind, NOON, to=to)
    await put(url, "ProfileChanged", NOON, set_aside=0)
    await put(url, "TimeZoneChanged", NOON + timedelta(days=1))
    found = of(database, clock)
    clock.advance(KEPT)
    await sifted(found)
    assert len(await left(url)) == 10
    assert sample("set_aside_oldest_seconds", destination="step") == KEPT.total_seconds()
    before = sample("dropped_total", destination="step", why="old")
    clock.advance(1)
    with capture_logs() as lines:
        await sifted(found)
    # What nobody may forget to be told, and what still is on its way.
    assert sorted(map(str, await left(url))) == ["ProfileChanged", "TimeZoneChanged", "UserDeleted", "UserDeleted"]
    assert sample("dropped_total", destination="step", why="old") - before == 3
    told = {(line["destination"], line["kind"]) for line in lines if line["event"] == "events_dropped"}
    assert told == {(to, kind) for to in ("step", "notification") for kind in ("ProfileChanged", "FriendshipEnded")}
    await run_on(url, "DELETE FROM outbox WHERE set_aside = 1")
    await sifted(found)
    assert sample("set_aside_oldest_seconds", destination="step") == 0


@pytest.mark.requirement("PRIV-06")
async def test_what_was_set_aside_tells_nothing_of_who_was_deleted(db: tuple[Database, str]) -> None:
    (database, url), clock = db, FakeClock(NOON)
    for kind in FACTS:
        await put(url, kind, NOON)
    await put(url, "ProfileChanged", NOON, set_aside=0)  # is delivered before the news of the deletion
    found = of(database, clock)
    await sifted(found)
    assert len(await left(url)) == 6
    async with database.transaction() as tx:
        await tombstones.add(tx, UserId(ANN), NOON)
    await sifted(found)
    await sifted(found)
    kept = [kind for kind in FACTS if kind not in {"ProfileChanged", "FriendshipEnded"}]
    assert await left(url) == [*kept, "ProfileChanged"]
    # Somebody joined a group, whoever was to hear of it.
    ((payload,),) = await run_on(url, "SELECT payload FROM outbox WHERE kind = 'GroupMemberJoined'")
    assert isinstance(payload, bytes)
    joined = pb.Event.parse(payload).group_member_joined
    assert joined is not None
    assert (joined.told_user_ids, joined.member) == ([str(EVE)], profile(BOB))
