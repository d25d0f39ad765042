"""Signing up, signing in and out, through the real wire."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher

from tests.service.user.conftest import PASSWORD, Refusal, World
from tests.support.waiting import until

GOOD = {"email": "jisu@example.org", "password": PASSWORD, "nickname": "지수", "time_zone": "Asia/Seoul"}


async def test_signing_up_makes_a_user_who_is_signed_in(world: World) -> None:
    answer = await world.call("SignUp", **GOOD, device_name="Pixel 8")
    assert (answer.user.nickname, answer.user.email, answer.user.time_zone) == (
        "지수",
        "jisu@example.org",
        "Asia/Seoul",
    )
    assert answer.user.visibility == 1
    assert not answer.user.HasField("daily_goal")
    me = await world.call("GetMe", answer.tokens.access_token)
    assert me.user == answer.user
    assert answer.tokens.access_expire_time.ToSeconds() == int(world.clock.now().timestamp()) + 600


@pytest.mark.requirement("DLV-01")
async def test_a_new_user_is_told_of_once_to_both_services(world: World) -> None:
    person = await world.sign_up("Bora")
    await until(lambda: world.step.events and world.notification.events)
    for recorder in (world.step, world.notification):
        [fact] = recorder.of("user_signed_up")
        assert (fact.profile.user_id, fact.profile.nickname, fact.time_zone) == (person.user_id, "Bora", "Asia/Seoul")


@pytest.mark.parametrize(
    ("wrong", "fields"),
    [
        ({"email": "jisu"}, ["email"]),
        ({"nickname": "x"}, ["nickname"]),
        ({"time_zone": "Mars/Olympus"}, ["time_zone"]),
        ({"time_zone": "../etc/passwd"}, ["time_zone"]),
        ({"device_name": "x" * 65, "installation_id": "\x07"}, ["device_name", "installation_id"]),
        ({"email": "x", "nickname": "_", "time_zone": "x"}, ["email", "nickname", "time_zone"]),
        ({"email": "", "nickname": "_", "password": "short"}, ["email", "nickname", "password"]),
        ({"password": "", "time_zone": "x"}, ["password", "time_zone"]),
        ({"nickname": "gatekeeper", "password": "gatekeeper1", "time_zone": "x"}, ["password", "time_zone"]),
        ({"email": "gatekeeper@x.org", "password": "gatekeeper1", "nickname": "_"}, ["nickname", "password"]),
    ],
)
async def test_every_wrong_field_is_named(world: World, wrong: dict[str, str], fields: list[str]) -> None:
    refusal = await world.refusal("SignUp", **{**GOOD, **wrong})
    assert (refusal.status, refusal.reason, refusal.fields) == ("INVALID_ARGUMENT", "INVALID_REQUEST", fields)


async def test_required_fields_are_required(world: World) -> None:
    refusal = await world.refusal("SignUp")
    assert refusal.fields == ["email", "nickname", "password", "time_zone"]
    assert (await world.refusal("Login")).fields == ["email", "password"]
    assert (await world.refusal("Refresh")).fields == ["refresh_token"]


@pytest.mark.requirement("AUTH-33")
@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "PASSWORD_TOO_SHORT"),
        ("x" * 129, "PASSWORD_TOO_LONG"),
        ("Password123", "PASSWORD_TOO_COMMON"),
        ("jisu.walks1", "PASSWORD_TOO_COMMON"),
        ("firewalker!!", "PASSWORD_TOO_COMMON"),
    ],
)
async def test_bad_passwords_are_refused(world: World, password: str, reason: str) -> None:
    refusal = await world.refusal("SignUp", **{**GOOD, "email": "jisu.walks@example.org", "password": password})
    assert (refusal.status, refusal.reason, refusal.fields) == ("INVALID_ARGUMENT", reason, ["password"])


async def test_an_address_is_taken_whatever_its_case(world: World) -> None:
    await world.call("SignUp", **GOOD)
    refusal = await world.refusal("SignUp", **{**GOOD, "email": "JISU@example.org", "nickname": "other"})
    assert (refusal.status, refusal.reason) == ("ALREADY_EXISTS", "EMAIL_TAKEN")


async def test_a_nickname_is_taken_with_all_its_look_alikes(world: World) -> None:
    await world.sign_up("walker 1")
    refusal = await world.refusal("SignUp", **{**GOOD, "nickname": "WaIkerl"})
    assert (refusal.status, refusal.reason) == ("ALREADY_EXISTS", "NICKNAME_TAKEN")


@pytest.mark.requirement("DATA-02")
async def test_of_simultaneous_sign_ups_one_wins_and_leaves_no_halves(world: World) -> None:
    async def attempt(fields: dict[str, str]) -> str:
        try:
            await world.call("SignUp", **{**GOOD, **fields})
        except Exception as error:  # noqa: BLE001 - judged below
            return getattr(error, "refusal", Refusal("", repr(error))).reason
        return "OK"

    outcomes = await asyncio.gather(
        *(attempt({"nickname": f"n{letter}e"}) for letter in "abcdef"),
        *(attempt({"email": f"{letter}@example.org"}) for letter in "abcdef"),
    )
    # A busy machine may shed some of them; nothing else may happen.
    assert set(outcomes) <= {"OK", "EMAIL_TAKEN", "NICKNAME_TAKEN", "OVERLOADED"}
    assert "OK" in outcomes
    users = await world.sql("SELECT COUNT(*) FROM user")
    assert users == [(outcomes.count("OK"),)]
    for rows in ("FROM account", "FROM friend_count", "FROM session"):
        assert await world.sql("SELECT COUNT(*) " + rows) == users
    assert await world.sql("SELECT COUNT(*) FROM account WHERE email_key = 'jisu@example.org'") == [(1,)]
    assert await world.sql("SELECT COUNT(*) FROM user WHERE nickname = '지수'") <= [(1,)]


async def test_signing_in_needs_address_and_password(world: World) -> None:
    person = await world.sign_up()
    answer = await world.call("Login", email=person.email.upper(), password=PASSWORD)
    assert answer.user.user_id == person.user_id
    assert answer.tokens.session_id != person.tokens.session_id
    assert (await world.call("GetMe", answer.tokens.access_token)).user.user_id == person.user_id


@pytest.mark.requirement("AUTH-34")
async def test_every_failed_sign_in_has_the_same_answer_to_the_byte(world: World) -> None:
    known = await world.sign_up()
    disabled = await world.sign_up()
    await world.sql("UPDATE account SET state = 2 WHERE email = %s", disabled.email)
    attempts: list[dict[str, Any]] = [
        {"email": known.email, "password": PASSWORD + " "},
        {"email": known.email, "password": "x"},
        {"email": known.email, "password": "x" * 5_000},
        {"email": "nobody@example.org", "password": PASSWORD},
        {"email": "no address at all", "password": PASSWORD},
        {"email": disabled.email, "password": PASSWORD},
        {"email": disabled.email, "password": "wrong"},
    ]
    refusals = [await world.refusal("Login", **attempt) for attempt in attempts]
    assert {refusal.body for refusal in refusals} == {refusals[0].body}
    assert (refusals[0].status, refusals[0].reason) == ("UNAUTHENTICATED", "BAD_CREDENTIALS")


@pytest.mark.requirement("AUTH-31")
async def test_signing_in_renews_a_hash_of_outdated_cost(world: World) -> None:
    person = await world.sign_up()
    dearer = PasswordHasher(time_cost=3, memory_cost=19_456, parallelism=1).hash(PASSWORD)
    await world.sql("UPDATE account SET password_hash = %s", dearer)
    await world.call("Login", email=person.email, password=PASSWORD)
    [(stored,)] = await world.sql("SELECT password_hash FROM account")
    assert str(stored).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    await world.call("Login", email=person.email, password=PASSWORD)


@pytest.mark.requirement("AUTH-32")
async def test_a_storm_of_sign_ins_is_shed_with_a_delay_and_other_calls_go_on(world: World) -> None:
    person = await world.sign_up()
    storm = [asyncio.create_task(world.call("Login", email="nobody@example.org", password="guess")) for _ in range(150)]
    assert (await world.call("GetMe", person.access)).user.user_id == person.user_id
    refusals = [error.refusal for error in await asyncio.gather(*storm, return_exceptions=True)]  # type: ignore[union-attr]
    assert {refusal.reason for refusal in refusals} == {"BAD_CREDENTIALS", "OVERLOADED"}
    assert {refusal.retry_after_s for refusal in refusals if refusal.reason == "OVERLOADED"} == {2.0}


@pytest.mark.requirement("AUTH-17")
async def test_many_sign_ins_at_once_leave_20_sessions(world: World) -> None:
    person = await world.sign_up()
    for _ in range(5):  # six at a time: more would be shed on a busy machine
        logins = [world.outcome("Login", email=person.email, password=PASSWORD) for _ in range(6)]
        assert set(await asyncio.gather(*logins)) == {"OK"}
    assert await world.sql("SELECT COUNT(*) FROM session WHERE end_time IS NULL") == [(20,)]
    assert await world.sql("SELECT COUNT(*) FROM session WHERE end_reason = 3") == [(11,)]


@pytest.mark.requirement("AUTH-17")
async def test_the_21st_session_ends_the_one_idle_longest(world: World) -> None:
    person = await world.sign_up()
    sessions = [person.tokens]
    for _ in range(19):
        world.clock.advance(timedelta(seconds=1))
        sessions.append((await world.call("Login", email=person.email, password=PASSWORD)).tokens)
    world.clock.advance(timedelta(seconds=1))
    sessions[0] = (await world.call("Refresh", refresh_token=sessions[0].refresh_token)).tokens
    await world.call("Login", email=person.email, password=PASSWORD)
    assert (await world.refusal("Refresh", refresh_token=sessions[1].refresh_token)).reason == "REFRESH_TOKEN_INVALID"
    for alive in (sessions[0], sessions[2]):
        await world.call("Refresh", refresh_token=alive.refresh_token)
    refusal = await world.refusal("GetMe", sessions[1].access_token)
    assert (refusal.status, refusal.reason) == ("UNAUTHENTICATED", "SESSION_REVOKED")
    [(alive_count,)] = await world.sql("SELECT COUNT(*) FROM session WHERE end_time IS NULL")
    assert alive_count == 20
