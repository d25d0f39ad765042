"""Staying signed in and signing out, through the real wire."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from firewalker.runtime.redis import connect
from firewalker.runtime.revocation import STREAM
from firewalker.runtime.revocation.entries import TAG
from tests.service.user.conftest import PASSWORD, RefusedError, World
from tests.support.databases import flush
from tests.support.waiting import until_true


async def refreshed(world: World, refresh_token: str) -> Any:
    return (await world.call("Refresh", refresh_token=refresh_token)).tokens


async def becomes_revoked(world: World, access: str) -> None:
    """That it is within the second that the contract gives is measured where nothing else runs (`tests/system`)."""
    async with asyncio.timeout(60):
        while True:
            try:
                await world.call("GetMe", access)
            except RefusedError as error:
                found = error.refusal
                break
    assert (found.status, found.reason) == ("UNAUTHENTICATED", "SESSION_REVOKED")


@pytest.mark.requirement("AUTH-11")
async def test_a_lost_answer_is_given_again_until_its_token_is_used(world: World) -> None:
    first = (await world.sign_up()).tokens
    second = await refreshed(world, first.refresh_token)
    again = await refreshed(world, first.refresh_token)
    assert again.refresh_token == second.refresh_token != first.refresh_token
    third = await refreshed(world, second.refresh_token)
    assert third.refresh_token not in {first.refresh_token, second.refresh_token}
    assert {tokens.session_id for tokens in (first, second, third)} == {first.session_id}


@pytest.mark.requirement("AUTH-11")
async def test_reuse_of_an_old_token_ends_the_session_everywhere(world: World) -> None:
    first = (await world.sign_up()).tokens
    second = await refreshed(world, first.refresh_token)
    third = await refreshed(world, second.refresh_token)
    refusal = await world.refusal("Refresh", refresh_token=first.refresh_token)
    assert (refusal.status, refusal.reason) == ("UNAUTHENTICATED", "REFRESH_TOKEN_REUSED")
    for tokens in (second, third):
        refusal = await world.refusal("Refresh", refresh_token=tokens.refresh_token)
        assert (refusal.status, refusal.reason) == ("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID")
    await becomes_revoked(world, third.access_token)
    assert await world.sql("SELECT end_reason FROM session") == [(2,)]


@pytest.mark.requirement("AUTH-12")
async def test_fifty_refreshes_at_once_make_one_step_and_one_successor(world: World) -> None:
    tokens = (await world.sign_up()).tokens
    for generation in range(2, 12):
        answers = await asyncio.gather(*(refreshed(world, tokens.refresh_token) for _ in range(50)))
        assert len({answer.refresh_token for answer in answers}) == 1
        assert await world.sql("SELECT generation FROM session") == [(generation,)]
        tokens = answers[0]


@pytest.mark.requirement("AUTH-10")
async def test_the_database_holds_no_token(world: World) -> None:
    tokens = (await world.sign_up()).tokens
    newest = await refreshed(world, tokens.refresh_token)
    dump = repr(await world.sql("SELECT * FROM session")) + repr(await world.sql("SELECT * FROM account"))
    for held in (tokens, newest):
        assert held.refresh_token not in dump
        assert held.refresh_token[-40:] not in dump
    assert PASSWORD not in dump


@pytest.mark.parametrize("text", ["x", "fwr1_", "fwr1_" + "A" * 75, "é" * 80, "x" * 10_000, "\x00"])
async def test_a_forged_token_is_refused(world: World, text: str) -> None:
    refusal = await world.refusal("Refresh", refresh_token=text)
    assert (refusal.status, refusal.reason) == ("UNAUTHENTICATED", "REFRESH_TOKEN_INVALID")


@pytest.mark.requirement("AUTH-14")
async def test_an_idle_session_expires(world: World) -> None:
    tokens = (await world.sign_up()).tokens
    world.clock.advance(timedelta(days=29))
    tokens = await refreshed(world, tokens.refresh_token)
    world.clock.advance(timedelta(days=30))
    assert (await world.refusal("Refresh", refresh_token=tokens.refresh_token)).reason == "REFRESH_TOKEN_INVALID"


async def test_an_access_token_expires(world: World) -> None:
    person = await world.sign_up()
    world.clock.advance(timedelta(minutes=10, seconds=6))
    refusal = await world.refusal("GetMe", person.access)
    assert (refusal.status, refusal.reason) == ("UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED")


@pytest.mark.requirement("AUTH-13")
async def test_a_disabled_account_is_not_refreshed(world: World) -> None:
    tokens = (await world.sign_up()).tokens
    await world.sql("UPDATE account SET state = 2")
    assert (await world.refusal("Refresh", refresh_token=tokens.refresh_token)).reason == "REFRESH_TOKEN_INVALID"


@pytest.mark.requirement("AUTH-20")
async def test_logout_by_refresh_token_ends_the_session_everywhere(world: World) -> None:
    person = await world.sign_up()
    other = (await world.call("Login", email=person.email, password=PASSWORD)).tokens
    await world.call("Logout", refresh_token=person.tokens.refresh_token)
    [(ended,)] = await world.sql("SELECT COUNT(*) FROM session WHERE end_reason = 1")
    assert ended == 1
    await becomes_revoked(world, person.access)
    assert (await world.refusal("Refresh", refresh_token=person.tokens.refresh_token)).reason == "REFRESH_TOKEN_INVALID"
    assert (await world.call("GetMe", other.access_token)).user.user_id == person.user_id


async def test_logout_without_a_token_ends_the_callers_session(world: World) -> None:
    person = await world.sign_up()
    await world.call("Logout", person.access)
    await becomes_revoked(world, person.access)


async def test_logout_by_an_older_token_ends_the_session_too(world: World) -> None:
    person = await world.sign_up()
    newest = await refreshed(world, person.tokens.refresh_token)
    await refreshed(world, newest.refresh_token)
    await world.call("Logout", refresh_token=person.tokens.refresh_token)
    await becomes_revoked(world, person.access)


@pytest.mark.requirement("AUTH-16")
@pytest.mark.parametrize("text", [None, "", "garbage", "fwr1_" + "A" * 75])
async def test_logout_tells_nothing_about_unknown_tokens(world: World, text: str | None) -> None:
    await world.call("Logout", **({} if text is None else {"refresh_token": text}))


@pytest.mark.requirement("AUTH-16")
async def test_logout_can_be_repeated_and_a_token_given_counts_alone(world: World) -> None:
    person = await world.sign_up()
    await world.call("Logout", person.access, refresh_token="garbage")
    assert (await world.call("GetMe", person.access)).user.user_id == person.user_id
    for _ in range(2):
        await world.call("Logout", refresh_token=person.tokens.refresh_token)


@pytest.mark.requirement("AUTH-20")
async def test_an_ended_session_is_announced_again_to_an_emptied_redis(world: World, redis_url: str) -> None:
    person = await world.sign_up()
    await world.call("Logout", refresh_token=person.tokens.refresh_token)
    redis = connect(redis_url, TAG)
    await flush(redis_url)
    announced: list[bytes] = []
    async with asyncio.timeout(60):
        while not announced:
            entries: Any = await redis.xrange(STREAM)
            announced = [fields[b"sid"] for _, fields in entries if b"sid" in fields]
    await redis.aclose()
    assert announced == [UUID(person.tokens.session_id).bytes]


@pytest.mark.requirement("AUTH-20")
async def test_a_session_that_ended_long_ago_is_not_announced_again(world: World, redis_url: str) -> None:
    person = await world.sign_up()
    second = await refreshed(world, person.tokens.refresh_token)
    await refreshed(world, second.refresh_token)
    redis = connect(redis_url, TAG)

    async def announced() -> int:
        entries: Any = await redis.xrange(STREAM)
        return sum(b"sid" in fields for _, fields in entries)

    refusal = await world.refusal("Refresh", refresh_token=person.tokens.refresh_token)  # reuse ends it
    assert refusal.reason == "REFRESH_TOKEN_REUSED"

    async def is_announced_again() -> bool:
        await world.call("Logout", refresh_token=person.tokens.refresh_token)  # the answer may have been lost
        return await announced() >= 2  # at once, but where Redis took too long to answer

    await until_true(is_announced_again)
    world.clock.advance(timedelta(minutes=11))
    before = await announced()
    for _ in range(5):
        await world.call("Logout", refresh_token=person.tokens.refresh_token)
        await world.refusal("Refresh", refresh_token=person.tokens.refresh_token)
    assert await announced() <= before  # what is old was trimmed
    await redis.aclose()
