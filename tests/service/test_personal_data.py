"""What services keep of one person: every column is thought of, deletion leaves nothing, the export has everything."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from firewalker.gen.pb.firewalker.event import v1 as event_pb
from firewalker.kernel.faults import DatabaseUnavailable
from firewalker.kernel.ids import UserId, new_uuid7
from firewalker.notification.app import build as build_notification
from firewalker.notification.config import NotificationConfig
from firewalker.notification.store.personal import TABLES as NOTIFICATION
from firewalker.runtime.grpc.messages import message_class
from firewalker.runtime.metrics import REGISTRY
from firewalker.runtime.migrations import migrate
from firewalker.runtime.mysql import Database
from firewalker.runtime.mysql.literals import fill
from firewalker.runtime.personal_data import Erasure, PersonalTable, exported
from firewalker.runtime.personal_data.erasure import AGAIN, BATCH, LAST_PASS
from firewalker.step.app import build as build_step
from firewalker.step.config import StepConfig
from firewalker.step.store.personal import TABLES as STEP
from firewalker.user.store.personal import TABLES as USER
from tests.support.clock import FakeClock
from tests.support.databases import Servers, fresh_database, run_on
from tests.support.services import Service, serving

SERVICES = {"user": USER, "step": STEP, "notification": NOTIFICATION}

NOT_USERS = {
    "session_id",
    "mail_id",
    "token_id",
    "event_id",
    "notification_id",
    "owner",  # of a lane: a process
    "lease_owner",
    "report_id",
    "avatar_id",
    "request_id",
    "group_id",
    "after_id",  # how far a chore has come
    "delivery_id",
    "generation",
}
"""Columns of 16 bytes that name something else. A new one has to be put here, or into its service's `store/personal.py`."""


@pytest.mark.requirement("PRIV-05", "PRIV-06")
@pytest.mark.parametrize("service", SERVICES)
async def test_every_column_with_an_id_of_a_user_is_exported_erased_or_excused(servers: Servers, service: str) -> None:
    async with fresh_database(servers) as url:
        await migrate(url, files(f"firewalker.{service}") / "store" / "schema")
        found = await run_on(
            url,
            "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.columns"
            " WHERE TABLE_SCHEMA = DATABASE() AND COLUMN_TYPE IN ('binary(16)', 'varbinary(16)', 'char(36)')",
        )
        ids = {(str(table), str(column)) for table, column in found if column not in NOT_USERS}
        assert ids == {(table.table, table.owner) for table in SERVICES[service]}
        # The declarations name what there is.
        async with Database(url) as database:
            async for _ in exported(database, SERVICES[service], UserId(new_uuid7())):
                pytest.fail("nobody has no records")
            clock = FakeClock()
            erasure = Erasure(database, SERVICES[service], clock)
            await erasure.take([UserId(new_uuid7())])
            clock.advance(LAST_PASS)
            await erasure.round()
        assert await run_on(url, "SELECT COUNT(*) FROM tombstone WHERE erase_time IS NOT NULL") == [(1,)]


def test_a_table_is_exported_or_says_why_not() -> None:
    with pytest.raises(ValueError, match="reason"):
        PersonalTable("t", "user_id")
    with pytest.raises(ValueError, match="reason"):
        PersonalTable("t", "user_id", kind="x", erased=False)


@pytest.fixture
async def database(servers: Servers) -> AsyncIterator[tuple[Database, str]]:
    async with fresh_database(servers) as url:
        await migrate(url, files("firewalker.notification") / "store" / "schema")
        async with Database(url) as opened:
            yield opened, url


async def notify(url: str, user: UserId, count: int) -> None:
    rows = [
        fill(
            "INSERT INTO notification (user_id, notification_id, type, params, create_time) VALUES (%s,%s,'x','{}',%s)",
            (user, new_uuid7(), datetime.now(UTC)),
        )
        for _ in range(count)
    ]
    await run_on(url, *rows)


@pytest.mark.requirement("AUTH-50")
async def test_an_erasure_that_was_interrupted_goes_on_and_late_arrivals_go_too(
    database: tuple[Database, str],
) -> None:
    opened, url = database
    gone, other, clock = UserId(new_uuid7()), UserId(new_uuid7()), FakeClock()
    await notify(url, gone, 3)
    await notify(url, other, 1)
    first = Erasure(opened, NOTIFICATION, clock)
    await first.take([gone])  # and then its process dies
    second = Erasure(opened, NOTIFICATION, clock)
    await second.round()
    count = "SELECT COUNT(*) FROM notification"
    assert await run_on(url, count) == [(1,)]
    await notify(url, gone, 1)  # was on its way
    clock.advance(LAST_PASS - timedelta(seconds=1))
    await second.round()
    assert await run_on(url, count) == [(1,)]
    assert await run_on(url, "SELECT erase_time FROM tombstone") == [(None,)]
    clock.advance(1)
    await second.round()
    assert await run_on(url, "SELECT COUNT(*) FROM tombstone WHERE erase_time IS NOT NULL") == [(1,)]


@pytest.mark.requirement("PRIV-06")
async def test_however_many_are_deleted_at_once_all_of_them_are_erased_in_one_round(
    database: tuple[Database, str],
) -> None:
    opened, url = database
    gone = [UserId(new_uuid7()) for _ in range(BATCH + 1)]
    await notify(url, gone[0], 1)
    await notify(url, gone[-1], 1)
    clock, erased = FakeClock(), []

    async def first(user: UserId) -> None:
        erased.append(user)

    erasure = Erasure(opened, NOTIFICATION, clock, first=first)
    await erasure.take(gone)
    await erasure.round()
    assert await run_on(url, "SELECT COUNT(*) FROM notification") == [(0,)]
    await erasure.round()
    assert len(erased) == len(gone)  # not every half minute
    clock.advance(AGAIN)
    await erasure.round()
    assert len(erased) == 2 * len(gone)
    clock.advance(LAST_PASS - AGAIN)
    await erasure.round()
    assert REGISTRY.get_sample_value("firewalker_erasure_oldest_seconds") == LAST_PASS.total_seconds()
    await erasure.round()
    assert await run_on(url, "SELECT COUNT(*) FROM tombstone WHERE erase_time IS NULL") == [(0,)]
    assert REGISTRY.get_sample_value("firewalker_erasure_oldest_seconds") == 0


@pytest.mark.requirement("PRIV-06")
@pytest.mark.parametrize("trouble", [DatabaseUnavailable(), ValueError("a bug over this one")])
async def test_trouble_over_one_person_does_not_keep_others_from_being_erased(
    database: tuple[Database, str], trouble: Exception
) -> None:
    opened, url = database
    unlucky, gone = sorted(UserId(new_uuid7()) for _ in range(2))  # the first to be erased is the first
    await notify(url, gone, 1)

    async def fail(user: UserId) -> None:
        if user == unlucky:
            raise trouble

    erasure = Erasure(opened, NOTIFICATION, FakeClock(), first=fail)
    await erasure.take([unlucky, gone])
    await erasure.start()
    await becomes(url, "SELECT COUNT(*) FROM notification", [(0,)])
    await erasure.stop()
    assert await run_on(url, "SELECT COUNT(*) FROM tombstone WHERE erase_time IS NULL") == [(2,)]


@pytest.mark.requirement("PRIV-05")
async def test_an_export_goes_over_all_pages(database: tuple[Database, str]) -> None:
    opened, url = database
    user = UserId(new_uuid7())
    await notify(url, user, 501)
    records = [record async for record in exported(opened, NOTIFICATION, user)]
    assert {record.kind for record in records} == {"notification"}
    assert len({record.fields["notification_id"] for record in records}) == 501
    assert records[0].fields["create_time"].endswith("Z")


async def told(service: Service, *events: event_pb.Event) -> None:
    deliver = service.internal.unary_unary("/firewalker.event.v1.EventSinkService/Deliver")
    request = bytes(event_pb.DeliverRequest(events=list(events)))
    await deliver(request, metadata=service.as_service("user"), timeout=60)


async def records_of(service: Service, user: UserId) -> list[Any]:
    export = service.internal.unary_stream(
        "/firewalker.event.v1.PersonalDataService/Export",
        response_deserializer=message_class("firewalker.event.v1.ExportResponse").FromString,
    )
    request = bytes(event_pb.ExportRequest(user_id=str(user)))
    return [record async for record in export(request, metadata=service.as_service("user"), timeout=60)]


def profile(user: UserId, name: str) -> event_pb.Profile:
    return event_pb.Profile(user_id=str(user), nickname=name)


def event(**fact: Any) -> event_pb.Event:
    return event_pb.Event(event_id=str(new_uuid7()), create_time=datetime.now(UTC), **fact)


async def becomes(url: str, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    async with asyncio.timeout(60):
        while await run_on(url, statement) != rows:  # noqa: ASYNC110 - MySQL tells no event
            await asyncio.sleep(0.02)


@pytest.mark.requirement("AUTH-50", "PRIV-06")
async def test_step_and_notification_services_erase_who_was_deleted(
    tmp_path: Path, servers: Servers, redis_url: str
) -> None:
    ann, bob = UserId(new_uuid7()), UserId(new_uuid7())
    async with AsyncExitStack() as stack:
        urls = {name: await stack.enter_async_context(fresh_database(servers)) for name in ("step", "notification")}
        step = await stack.enter_async_context(
            serving("step", StepConfig, build_step, folder=tmp_path, mysql_url=urls["step"], redis_url=redis_url)
        )
        notification = await stack.enter_async_context(
            serving(
                "notification",
                NotificationConfig,
                build_notification,
                folder=tmp_path,
                mysql_url=urls["notification"],
                redis_url=redis_url,
            )
        )
        facts = [
            event(user_signed_up=event_pb.UserSignedUp(profile=profile(ann, "Ann"), time_zone="UTC")),
            event(user_signed_up=event_pb.UserSignedUp(profile=profile(bob, "Bob"), time_zone="UTC")),
            event(friend_requested=event_pb.FriendRequested(requester=profile(bob, "Bob"), addressee_id=str(ann))),
            event(
                friendship_accepted=event_pb.FriendshipAccepted(
                    accepter=profile(ann, "Ann"), requester=profile(bob, "Bob"), since_time=datetime.now(UTC)
                )
            ),
        ]
        await told(step, *facts)
        await told(notification, *facts)
        record = step.public.unary_unary("/firewalker.step.v1.StepService/RecordSteps")
        readings = message_class("firewalker.step.v1.RecordStepsRequest")(
            readings=[
                {"device_id": "sixteen letters!", "date": f"{datetime.now(UTC):%Y-%m-%d}", "hour": 0, "steps": 1200}
            ]
        )
        for walker in (ann, bob):
            await record(readings.SerializeToString(), metadata=step.as_user(walker), timeout=60)
        days = await records_of(step, ann)
        [day] = days
        assert (day.kind, day.fields["h00"], day.fields["device_id"]) == ("day", "1200", "sixteen letters!")
        assert (day.fields["source"], day.fields["late"]) == ("SENSOR", "false")
        kinds = {found.kind for found in await records_of(notification, ann)}
        assert kinds == {"notification", "notification_preferences"}

        gone = event(user_deleted=event_pb.UserDeleted(user_id=str(ann)))
        for _ in range(2):
            await told(step, gone)
            await told(notification, gone)
        await becomes(urls["step"], "SELECT user_id FROM day_device", [(bob.bytes,)])
        await becomes(urls["step"], "SELECT user_id FROM walker", [(bob.bytes,)])
        await becomes(urls["step"], "SELECT COUNT(*) FROM friend", [(0,)])
        ids = fill("SELECT COUNT(*) FROM notification WHERE user_id = %s", (ann,))
        await becomes(urls["notification"], ids, [(0,)])
        assert await records_of(step, ann) == []
