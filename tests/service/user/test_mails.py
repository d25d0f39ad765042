"""Confirming and changing an address, and setting a password by mail, through the real wire; mails become files."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from firewalker.kernel.ids import MailId, UserId
from firewalker.user.domain.email import parse_email
from firewalker.user.domain.mail import Mail, MailKind
from firewalker.user.post import Post
from firewalker.user.store.columns import uuid_of
from firewalker.user.store.mails import Mails as MailRows
from tests.service.user.conftest import PASSWORD, World
from tests.service.user.test_own_sessions import told
from tests.service.user.test_sessions import becomes_revoked
from tests.support.waiting import hold, until

OTHER = "fog under the bridge"


async def ended(world: World) -> None:
    """Every mail was seen to."""
    async with asyncio.timeout(60):
        while await world.sql("SELECT 1 FROM mail WHERE end_time IS NULL"):  # noqa: ASYNC110 - MySQL tells no event
            await asyncio.sleep(0.01)


async def is_verified(world: World, access: str) -> bool:
    return bool((await world.call("GetMe", access)).user.email_verified)


async def test_who_signs_up_confirms_the_address_by_mail(world: World) -> None:
    person = await world.sign_up()
    assert not await is_verified(world, person.access)
    token = await world.token(person.email)
    [mail] = world.mails(person.email)
    assert "이메일 주소를 확인" in mail
    for _ in range(2):  # the answer may be lost
        await world.call("VerifyEmail", token=token)
    assert await is_verified(world, person.access)
    await world.call("ResendVerification", person.access)
    assert await world.sql("SELECT COUNT(*) FROM mail") == [(1,)]


async def test_the_mail_can_be_asked_for_again_five_times_an_hour(world: World) -> None:
    person = await world.sign_up()
    for _ in range(7):
        await world.call("ResendVerification", person.access)
    await ended(world)
    assert len(world.mails(person.email)) == 5
    assert await world.sql("SELECT outcome, COUNT(*) FROM mail GROUP BY outcome ORDER BY outcome") == [
        ("SENT", 5),
        ("TOO_MANY", 3),
    ]
    world.clock.advance(timedelta(hours=1, seconds=1))
    person = await world.sign_in(person)
    await world.call("ResendVerification", person.access)
    await world.call("VerifyEmail", token=await world.token(person.email, 6))


async def test_a_forgotten_password_is_set_anew_by_mail_and_ends_every_session(world: World) -> None:
    person = await world.sign_up()
    await world.call("RequestPasswordReset", email=person.email.upper())
    token = await world.token(person.email, 2)
    assert (await world.refusal("ResetPassword", token=token, new_password="short")).reason == "PASSWORD_TOO_SHORT"
    await world.call("ResetPassword", token=token, new_password=OTHER)
    await becomes_revoked(world, person.access)
    assert (await world.refusal("Refresh", refresh_token=person.tokens.refresh_token)).status == "UNAUTHENTICATED"
    assert (await world.refusal("Login", email=person.email, password=PASSWORD)).reason == "BAD_CREDENTIALS"
    signed_in = await world.call("Login", email=person.email, password=OTHER)
    assert signed_in.user.email_verified
    refusal = await world.refusal("ResetPassword", token=token, new_password="once more a walk")
    assert (refusal.status, refusal.reason) == ("INVALID_ARGUMENT", "MAIL_TOKEN_INVALID")
    await until(lambda: told(world, "PASSWORD_CHANGED"))
    assert len(told(world, "PASSWORD_CHANGED")) == 1
    await until(lambda: any("비밀번호가 변경되었습니다" in mail for mail in world.mails(person.email)), 60)


async def test_a_token_is_good_for_one_thing_for_its_time(world: World) -> None:
    person = await world.sign_up()
    verify = await world.token(person.email)
    assert (await world.refusal("ResetPassword", token=verify, new_password=OTHER)).reason == "MAIL_TOKEN_INVALID"
    await world.call("RequestPasswordReset", email=person.email)
    reset = await world.token(person.email, 2)
    assert (await world.refusal("VerifyEmail", token=reset)).reason == "MAIL_TOKEN_INVALID"
    for bad in ("x", reset[:-1] + ("A" if reset[-1] != "A" else "B"), person.tokens.refresh_token):
        assert (await world.refusal("ResetPassword", token=bad, new_password=OTHER)).reason == "MAIL_TOKEN_INVALID"
    world.clock.advance(timedelta(hours=1))
    assert (await world.refusal("ResetPassword", token=reset, new_password=OTHER)).reason == "MAIL_TOKEN_INVALID"
    await world.call("VerifyEmail", token=verify)


@pytest.mark.requirement("AUTH-35")
async def test_asking_for_a_reset_does_the_same_whether_or_not_there_is_an_account(world: World) -> None:
    person = await world.sign_up()
    await ended(world)
    answers = [await world.call("RequestPasswordReset", email=email) for email in (person.email, "nobody@example.org")]
    assert answers[0] == answers[1]
    assert await world.sql("SELECT user_id, attempts < 2 FROM mail WHERE kind = 2") == [(None, 1), (None, 1)]
    await ended(world)
    assert await world.sql("SELECT outcome FROM mail WHERE email = 'nobody@example.org'") == [("NOBODY",)]
    assert world.mails("nobody@example.org") == []
    refusal = await world.refusal("RequestPasswordReset", email="no address")
    assert (refusal.reason, refusal.fields) == ("INVALID_REQUEST", ["email"])


async def test_another_address_counts_once_its_mail_was_answered(world: World) -> None:
    person = await world.sign_up()
    assert (
        await world.refusal("ChangeEmail", person.access, new_email="new@example.org", password="wrong")
    ).reason == "BAD_CREDENTIALS"
    await world.call("RequestPasswordReset", email=person.email)
    old_reset = await world.token(person.email, 2)
    await world.call("ChangeEmail", person.access, new_email="New@example.org", password=PASSWORD)
    token = await world.token("New@example.org")
    assert (await world.call("GetMe", person.access)).user.email == person.email
    for _ in range(2):
        await world.call("VerifyEmail", token=token)
    me = (await world.call("GetMe", person.access)).user
    assert (me.email, me.email_verified) == ("New@example.org", True)
    await world.call("Login", email="new@example.org", password=PASSWORD)
    assert (await world.refusal("Login", email=person.email, password=PASSWORD)).reason == "BAD_CREDENTIALS"
    # What was sent to the old address is worth nothing any more, and its reader is told.
    assert (await world.refusal("ResetPassword", token=old_reset, new_password=OTHER)).reason == "MAIL_TOKEN_INVALID"
    await until(lambda: any("변경되었습니다" in mail for mail in world.mails(person.email)))
    await until(lambda: told(world, "EMAIL_CHANGED"))
    assert len(told(world, "EMAIL_CHANGED")) == 1


@pytest.mark.requirement("AUTH-35")
async def test_an_address_that_is_taken_is_told_to_its_owner_alone(world: World) -> None:
    person, holder = await world.sign_up(), await world.sign_up()
    answers = [
        await world.call("ChangeEmail", person.access, new_email=email, password=PASSWORD)
        for email in (holder.email, "free@example.org")
    ]
    assert answers[0] == answers[1]
    await until(lambda: any("이미 계정이 있습니다" in mail for mail in world.mails(holder.email)))
    token = await world.token("free@example.org")
    await world.sql("UPDATE account SET email_key = 'free@example.org' WHERE email = %s", holder.email)
    assert (await world.refusal("VerifyEmail", token=token)).reason == "EMAIL_TAKEN"


async def test_the_database_alone_holds_no_token_that_works(world: World) -> None:
    person = await world.sign_up()
    token = await world.token(person.email)
    rows = await world.sql("SELECT * FROM mail_token")
    rows += await world.sql("SELECT * FROM mail")
    assert token[40:60] not in repr(rows)


async def test_another_password_makes_a_change_of_address_worth_nothing(world: World) -> None:
    """A thief who knew the password has asked for an address of their own."""
    person = await world.sign_up()
    verify = await world.token(person.email)
    await world.call("ChangeEmail", person.access, new_email="thief@example.org", password=PASSWORD)
    change = await world.token("thief@example.org")
    await world.call("RequestPasswordReset", email=person.email)
    reset = await world.token(person.email, 2)
    await world.call("ChangePassword", person.access, current_password=PASSWORD, new_password=OTHER)
    assert (await world.refusal("VerifyEmail", token=change)).reason == "MAIL_TOKEN_INVALID"
    assert (await world.refusal("ResetPassword", token=reset, new_password=PASSWORD)).reason == "MAIL_TOKEN_INVALID"
    await world.call("VerifyEmail", token=verify)
    assert await is_verified(world, person.access)


@pytest.mark.parametrize("by", ["ChangePassword", "VerifyEmail"])
async def test_a_mail_for_another_address_that_was_not_sent_yet_is_not_sent_any_more(world: World, by: str) -> None:
    person = await world.sign_up()
    calls: dict[str, dict[str, Any]] = {
        "ChangePassword": {"access": person.access, "current_password": PASSWORD, "new_password": OTHER},
        "VerifyEmail": {"token": await world.token(person.email)},
    }
    await world.call("ChangeEmail", person.access, new_email="thief@example.org", password=PASSWORD)
    await ended(world)
    # As when no server took it: it is due again in an hour, or somebody is about to send it.
    await world.sql("UPDATE mail SET end_time = NULL, due_time = CURRENT_TIMESTAMP(3) + INTERVAL 1 HOUR WHERE kind = 3")
    await world.call(by, **calls[by])
    columns = "mail_id, user_id, create_time, outcome"
    [(mail_id, user_id, time, outcome)] = await world.sql(f"SELECT {columns} FROM mail WHERE kind = 3")  # noqa: S608
    assert outcome == "WITHDRAWN"
    (post,) = [part for part in world.service.app.parts if isinstance(part, Post)]
    email = parse_email("thief@example.org")
    assert email is not None
    leased = Mail(MailId(uuid_of(mail_id)), MailKind.CHANGE, email, UserId(uuid_of(user_id)), time)  # type: ignore[arg-type]
    assert await post._mails.written(leased) is None
    assert await world.sql("SELECT COUNT(*) FROM mail_token WHERE kind = 3") == [(0,)]


async def test_mails_are_locked_before_their_tokens_as_by_who_writes_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await world.sign_up()

    async def answer(number: int, rpc: str, **fields: str) -> None:
        token = await world.token(person.email, number)
        reached, go = hold(monkeypatch, MailRows, "withdraw")
        call = asyncio.create_task(world.call(rpc, token=token, **fields))
        await reached.wait()
        assert await world.sql("SELECT kind FROM mail_token FOR UPDATE NOWAIT")
        go.set()
        await call

    await answer(1, "VerifyEmail")
    await world.call("RequestPasswordReset", email=person.email)
    await answer(2, "ResetPassword", new_password=OTHER)
