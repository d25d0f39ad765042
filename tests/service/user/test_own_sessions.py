"""Looking at one's sessions and ending them from elsewhere; changing the password."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from firewalker.runtime.mysql import Database
from firewalker.user.store.sessions import Sessions
from firewalker.user.usecases.confirmation import Confirmation
from firewalker.user.usecases.ended_sessions import KEPT, EndedSessions
from tests.service.user.conftest import PASSWORD, World
from tests.service.user.test_sessions import becomes_revoked, refreshed
from tests.support.waiting import hold, until

OTHER = "fog under the bridge"


def told(world: World, kind: str) -> list[Any]:
    """What the owners of accounts were told of, of that kind."""
    return [notice for notice in world.notification.of("security_noticed") if notice.kind.name == kind]


@pytest.mark.requirement("AUTH-15")
async def test_the_sessions_of_a_user_are_listed_the_one_used_last_first(world: World) -> None:
    phone = await world.sign_up(device_name="Pixel 8")
    await world.sign_up()  # somebody else's is nobody's business
    world.clock.advance(60)
    laptop = await world.sign_in(phone)
    world.clock.advance(60)
    await refreshed(world, phone.tokens.refresh_token)
    sessions = (await world.call("ListSessions", laptop.access)).sessions
    assert [found.session_id for found in sessions] == [phone.tokens.session_id, laptop.tokens.session_id]
    assert [found.device_name for found in sessions] == ["Pixel 8", ""]
    assert [found.current for found in sessions] == [False, True]
    assert (sessions[0].last_used_time.ToDatetime() - sessions[0].create_time.ToDatetime()).total_seconds() == 120


@pytest.mark.requirement("AUTH-15")
async def test_a_session_can_be_ended_from_another_one(world: World) -> None:
    phone = await world.sign_up()
    laptop = await world.sign_in(phone)
    for _ in range(2):
        await world.call("RevokeSession", laptop.access, session_id=phone.tokens.session_id)
    await becomes_revoked(world, phone.access)
    assert (await world.refusal("Refresh", refresh_token=phone.tokens.refresh_token)).reason == "REFRESH_TOKEN_INVALID"
    [left] = (await world.call("ListSessions", laptop.access)).sessions
    assert left.session_id == laptop.tokens.session_id


async def test_the_sessions_of_others_do_not_exist(world: World) -> None:
    mine, theirs = await world.sign_up(), await world.sign_up()
    unknown = await world.refusal("RevokeSession", mine.access, session_id="01890000-0000-7000-8000-000000000000")
    refusal = await world.refusal("RevokeSession", mine.access, session_id=theirs.tokens.session_id)
    assert (refusal.status, refusal.reason) == ("NOT_FOUND", "SESSION_NOT_FOUND")
    assert refusal == unknown
    assert (await world.refusal("RevokeSession", mine.access, session_id="x")).fields == ["session_id"]
    await refreshed(world, theirs.tokens.refresh_token)


@pytest.mark.requirement("AUTH-15")
async def test_logout_everywhere_ends_all_sessions_and_those_of_nobody_else(world: World) -> None:
    phone, bystander = await world.sign_up(), await world.sign_up()
    laptop = await world.sign_in(phone)
    await world.call("LogoutEverywhere", laptop.access)
    for person in (phone, laptop):
        await becomes_revoked(world, person.access)
        refusal = await world.refusal("Refresh", refresh_token=person.tokens.refresh_token)
        assert refusal.reason == "REFRESH_TOKEN_INVALID"
    await refreshed(world, bystander.tokens.refresh_token)
    await world.sign_in(phone)


@pytest.mark.requirement("AUTH-15")
async def test_another_password_ends_every_other_session(world: World) -> None:
    phone = await world.sign_up()
    await world.call("VerifyEmail", token=await world.token(phone.email))
    laptop = await world.sign_in(phone)
    await world.call("ChangePassword", laptop.access, current_password=PASSWORD, new_password=OTHER)
    await becomes_revoked(world, phone.access)
    assert (await world.call("GetMe", laptop.access)).user.user_id == phone.user_id
    assert (await world.refusal("Login", email=phone.email, password=PASSWORD)).reason == "BAD_CREDENTIALS"
    await world.call("Login", email=phone.email, password=OTHER)
    await until(lambda: told(world, "PASSWORD_CHANGED"))
    [noticed] = told(world, "PASSWORD_CHANGED")
    assert noticed.user_id == phone.user_id
    assert noticed.session_id == laptop.tokens.session_id
    # The other devices are signed out, so not pushed to: whoever reads the address is told.
    await until(lambda: any("비밀번호가 변경되었습니다" in mail for mail in world.mails(phone.email)), 60)


@pytest.mark.requirement("AUTH-15")
async def test_a_session_that_ends_while_a_password_is_checked_changes_nothing_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await world.sign_up()
    wishes: list[tuple[str, dict[str, str]]] = [
        ("ChangePassword", {"current_password": PASSWORD, "new_password": OTHER}),
        ("ChangeEmail", {"password": PASSWORD, "new_email": "another@example.org"}),
        ("DeleteMe", {"password": PASSWORD}),
    ]
    for rpc, fields in wishes:
        thief, owner = await world.sign_in(person), await world.sign_in(person)
        reached, go = hold(monkeypatch, Confirmation, "by_password")
        call = asyncio.create_task(world.refusal(rpc, thief.access, **fields))
        await reached.wait()
        await world.call("LogoutEverywhere", owner.access)
        go.set()
        refusal = await call
        assert (refusal.status, refusal.reason) == ("UNAUTHENTICATED", "SESSION_REVOKED"), rpc
    assert await world.sql("SELECT COUNT(*) FROM mail WHERE email = 'another@example.org'") == [(0,)]
    await world.sign_in(person)


@pytest.mark.requirement("AUTH-40")
async def test_the_password_is_changed_only_with_the_present_one_for_a_good_one(world: World) -> None:
    person = await world.sign_up("walker nine")
    wrong = await world.refusal("ChangePassword", person.access, current_password="nonsense", new_password=OTHER)
    assert (wrong.status, wrong.reason) == ("UNAUTHENTICATED", "BAD_CREDENTIALS")
    for bad, reason in [("short", "PASSWORD_TOO_SHORT"), ("walker nine1", "PASSWORD_TOO_COMMON")]:
        refusal = await world.refusal("ChangePassword", person.access, current_password=PASSWORD, new_password=bad)
        assert (refusal.reason, refusal.fields) == (reason, ["new_password"])
    await world.sign_in(person)


@pytest.mark.requirement("AUTH-11")
async def test_the_owner_is_told_once_of_a_refresh_token_that_came_again(world: World) -> None:
    person = await world.sign_up(device_name="Pixel 8")
    second = await refreshed(world, person.tokens.refresh_token)
    await refreshed(world, second.refresh_token)
    for _ in range(2):
        refusal = await world.refusal("Refresh", refresh_token=person.tokens.refresh_token)
        assert refusal.status == "UNAUTHENTICATED"
    await world.sign_up()
    await until(lambda: len(world.notification.of("user_signed_up")) == 2)
    [noticed] = told(world, "TOKEN_REUSED")
    assert noticed.device_name == "Pixel 8"


@pytest.mark.requirement("PRIV-07")
async def test_sessions_are_forgotten_90_days_after_they_were_over(world: World) -> None:
    left = await world.sign_up()
    await world.sign_up()  # and never seen again
    await world.call("Logout", left.access)
    async with Database(world.mysql_url, pool_size=1) as database:
        ended = EndedSessions(database, Sessions())
        now = world.clock.now()
        for days, forgotten in ((89, 0), (91, 1), (179, 0), (180 + 89, 0), (180 + 91, 1)):
            assert await ended.forget(now + timedelta(days=days)) == forgotten, days
    assert timedelta(days=90) == KEPT
