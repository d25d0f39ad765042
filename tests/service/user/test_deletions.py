"""Deleting an account and exporting what is known about one, through the real wire."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from firewalker.runtime.chores import Chore
from firewalker.runtime.grpc.messages import public_descriptors
from firewalker.runtime.mysql.literals import fill
from firewalker.runtime.personal_data.erasure import LAST_PASS, Erasure
from firewalker.user.domain.avatar_faults import PicturesUnavailable
from firewalker.user.usecases.deletions import Farewell
from tests.service.user.conftest import PASSWORD, Person, World
from tests.service.user.test_sessions import becomes_revoked
from tests.support.waiting import until


async def befriend(world: World, one: Person, other: Person) -> None:
    await world.call("SendFriendRequest", one.access, user_id=other.user_id)
    await world.call("AcceptFriendRequest", other.access, user_id=one.user_id)


async def becomes(world: World, statement: str, rows: list[tuple[object, ...]], *params: object) -> None:
    async with asyncio.timeout(60):
        while await world.sql(statement, *params) != rows:  # noqa: ASYNC110 - MySQL tells no event
            await asyncio.sleep(0.02)


@pytest.mark.requirement("AUTH-50")
async def test_a_deleted_account_is_gone_at_once_for_everybody(world: World) -> None:
    ann, bob = await world.sign_up("Ann"), await world.sign_up("Bob")
    await befriend(world, ann, bob)
    refusal = await world.refusal("DeleteMe", ann.access, password="wrong")
    assert (refusal.status, refusal.reason) == ("UNAUTHENTICATED", "BAD_CREDENTIALS")
    await world.call("DeleteMe", ann.access, password=PASSWORD)
    await becomes_revoked(world, ann.access)
    assert (await world.refusal("Refresh", refresh_token=ann.tokens.refresh_token)).reason == "REFRESH_TOKEN_INVALID"
    assert (await world.refusal("Login", email=ann.email, password=PASSWORD)).reason == "BAD_CREDENTIALS"
    assert list((await world.call("ListFriends", bob.access)).friends) == []
    assert (await world.refusal("SendFriendRequest", bob.access, user_id=ann.user_id)).reason == "USER_NOT_FOUND"
    for recorder in (world.step, world.notification):
        await until(lambda: recorder.of("user_deleted"))  # noqa: B023
        [fact] = recorder.of("user_deleted")
        assert fact.user_id == ann.user_id
    # Nothing keeps the address and the name.
    again = await world.sign_up("Ann", email=ann.email)
    assert again.user_id != ann.user_id


@pytest.mark.requirement("AUTH-50")
async def test_who_was_erased_just_now_is_no_bug_to_a_call_that_is_late(world: World) -> None:
    ann, bob = await world.sign_up("Ann"), await world.sign_up("Bob")
    await world.sql(fill("DELETE FROM friend_count WHERE user_id = %s", (UUID(ann.user_id),)))
    late = [
        await world.refusal("CreateGroup", ann.access, name="Walkers"),
        await world.refusal("CreateInvite", ann.access),
        await world.refusal("BlockUser", ann.access, user_id=bob.user_id),
        await world.refusal("SendFriendRequest", bob.access, user_id=ann.user_id),
    ]
    assert {refusal.reason for refusal in late} == {"USER_NOT_FOUND"}


@pytest.mark.requirement("AUTH-50", "PRIV-06")
async def test_the_rest_is_erased_in_the_background_and_counts_of_friends_go_down(world: World) -> None:
    ann, bob, eve = await world.sign_up("Ann"), await world.sign_up("Bob"), await world.sign_up("Eve")
    await befriend(world, ann, bob)
    await world.call("SendFriendRequest", ann.access, user_id=eve.user_id)
    await world.call("RequestPasswordReset", email=ann.email)
    await world.token(ann.email, 2)
    aside = """
        INSERT INTO outbox (destination, event_id, kind, payload, create_time, set_aside)
        VALUES ('step', RANDOM_BYTES(16), 'ProfileChanged', %s, CURRENT_TIMESTAMP(3), 1)
    """
    for person in (ann, bob):
        await world.sql(aside, f"the user with the id {person.user_id}".encode())
    await world.call("DeleteMe", ann.access, password=PASSWORD)
    await becomes(world, "SELECT COUNT(*) FROM mail WHERE email = %s", [(0,)], ann.email)
    (sift,) = [part for part in world.service.app.parts if isinstance(part, Chore) and "set aside" in part._name]
    assert await sift._work() == 2
    assert (
        await world.sql("SELECT payload FROM outbox WHERE set_aside = 1 AND payload LIKE %s", f"%{ann.user_id}%") == []
    )
    assert await world.sql("SELECT COUNT(*) FROM outbox WHERE set_aside = 1") == [(1,)]
    await becomes(world, "SELECT COUNT(*) FROM friendship", [(0,)])
    await becomes(world, "SELECT SUM(friends), SUM(outgoing), SUM(incoming) FROM friend_count", [(0, 0, 0)])
    ended = "SELECT COUNT(*) FROM session WHERE end_reason = 7"
    assert await world.sql(ended) == [(1,)]  # until no access token of it lives
    world.clock.advance(LAST_PASS + timedelta(seconds=1))
    await world.sign_in(bob)
    other = await world.sign_in(eve)
    await world.call("DeleteMe", other.access, password=PASSWORD)  # wakes the erasure
    await becomes(world, "SELECT COUNT(*) FROM tombstone WHERE erase_time IS NOT NULL", [(1,)])
    id_of_ann = bytes.fromhex(ann.user_id.replace("-", ""))
    for table in ("session", "mail", "mail_token", "friend_count", "used_quota", "account", "user"):
        assert await world.sql(f"SELECT COUNT(*) FROM {table} WHERE user_id = %s", id_of_ann) == [(0,)]  # noqa: S608


async def export(world: World, person: Person) -> list[Any]:
    path = "/firewalker.user.v1.UserService/ExportMyData"
    method = public_descriptors().method(path)
    request = public_descriptors().message_class(method.input_type.full_name)()
    answer = public_descriptors().message_class(method.output_type.full_name)
    stream: Callable[..., AsyncIterator[Any]] = world.service.public.unary_stream(
        path, request_serializer=type(request).SerializeToString, response_deserializer=answer.FromString
    )
    metadata = [("authorization", f"Bearer {person.access}")]
    return [record async for record in stream(request, metadata=metadata, timeout=60)]


@pytest.mark.requirement("AUTH-50")
async def test_groups_of_a_deleted_owner_go_to_a_member_and_empty_ones_end(world: World) -> None:
    ann, bob = await world.sign_up("Ann"), await world.sign_up("Bob")
    shared = (await world.call("CreateGroup", ann.access, name="Walkers", join_policy=1)).group
    await world.call("CreateGroup", ann.access, name="Alone", join_policy=1)
    await world.call("JoinGroup", bob.access, group_id=shared.group_id)
    await world.call("DeleteMe", ann.access, password=PASSWORD)
    await becomes(world, "SELECT COUNT(*) FROM user_group", [(1,)])
    await becomes(world, "SELECT COUNT(*), SUM(role) FROM group_membership WHERE leave_time IS NULL", [(1, 1)])
    group = (await world.call("GetGroup", bob.access, group_id=shared.group_id)).group
    assert (group.owner_id, group.member_count) == (bob.user_id, 1)
    await until(lambda: world.step.of("group_deleted"))


@pytest.mark.requirement("PRIV-05")
async def test_an_export_has_the_records_of_all_services_and_no_secret(world: World) -> None:
    ann, bob = await world.sign_up("Ann", device_name="Pixel 8"), await world.sign_up("Bob")
    await befriend(world, ann, bob)
    token = await world.token(ann.email)
    records = await export(world, ann)
    kinds = [record.kind for record in records]
    assert {"profile", "account", "session", "friend", "mail", "step", "notification"} <= set(kinds)
    by_kind = {record.kind: dict(record.fields) for record in records}
    assert by_kind["profile"]["nickname"] == "Ann"
    assert by_kind["account"]["email"] == ann.email
    assert by_kind["session"]["device_name"] == "Pixel 8"
    assert (by_kind["friend"]["user_id"], by_kind["friend"]["nickname"]) == (bob.user_id, "Bob")
    assert (by_kind["profile"]["visibility"], by_kind["mail"]["kind"]) == ("FRIENDS", "VERIFY")
    text = repr(records)
    for secret in ("argon2", token[30:], bob.email, "secret", "key_id", ann.tokens.refresh_token[40:]):
        assert secret not in text


@pytest.mark.requirement("PRIV-01", "PRIV-05")
async def test_an_export_tells_of_requests_what_lists_do_and_of_blocks_ones_own(world: World) -> None:
    ann, declines, blocks, blocked = [await world.sign_up() for _ in range(4)]
    await world.call("SendFriendRequest", ann.access, user_id=declines.user_id)
    await world.call("DeclineFriendRequest", declines.access, user_id=ann.user_id)
    await world.call("BlockUser", blocks.access, user_id=ann.user_id)
    await world.call("SendFriendRequest", ann.access, user_id=blocks.user_id)
    await world.call("BlockUser", ann.access, user_id=blocked.user_id)

    async def told(person: Person) -> set[tuple[str, str]]:
        kinds = {"friend", "friend_request_sent", "friend_request_received", "block"}
        return {
            (record.kind, record.fields["user_id"]) for record in await export(world, person) if record.kind in kinds
        }

    sent = {("friend_request_sent", declines.user_id), ("friend_request_sent", blocks.user_id)}
    assert await told(ann) == {*sent, ("block", blocked.user_id)}
    requests = [dict(record.fields) for record in await export(world, ann) if record.kind == "friend_request_sent"]
    assert {frozenset(request) for request in requests} == {frozenset({"user_id", "nickname"})}
    assert await told(declines) == set()
    assert await told(blocks) == {("block", ann.user_id)}
    assert await told(blocked) == set()


async def leaves(world: World, person: Person) -> None:
    """As a deletion leaves it: the rest waits for the erasure."""
    for table in ("account", "user"):
        await world.sql(f"DELETE FROM {table} WHERE user_id = %s", UUID(person.user_id))  # noqa: S608 - named above


@pytest.mark.requirement("AUTH-50")
async def test_who_is_deleted_and_not_erased_yet_is_to_others_as_if_never_there(world: World) -> None:
    ann, asks, friend, *others = [await world.sign_up() for _ in range(5)]
    group = (await world.call("CreateGroup", ann.access, name="Walkers", join_policy=3)).group.group_id
    for person in (asks, friend):
        await world.call("JoinGroup", person.access, group_id=group)
    answer = {"group_id": group, "user_id": friend.user_id, "accept": True}
    await world.call("AnswerJoinRequest", ann.access, **answer)
    await world.call("SendFriendRequest", asks.access, user_id=ann.user_id)
    for other in (friend, *others):
        await befriend(world, other, ann)
        world.clock.advance(1)
    for person in (asks, friend):
        await leaves(world, person)
    answers = [
        await world.refusal("AcceptFriendRequest", ann.access, user_id=asks.user_id),
        await world.refusal("DeclineFriendRequest", ann.access, user_id=asks.user_id),
        await world.refusal("SetFriendVisibility", ann.access, user_id=friend.user_id, visibility=4),
        await world.refusal("AnswerJoinRequest", ann.access, group_id=group, user_id=asks.user_id, accept=True),
        await world.refusal("SetMemberRole", ann.access, group_id=group, user_id=friend.user_id, role=2),
    ]
    reasons = ["FRIEND_REQUEST_NOT_FOUND"] * 2 + ["FRIEND_NOT_FOUND", "JOIN_REQUEST_NOT_FOUND", "MEMBER_NOT_FOUND"]
    assert [answer.reason for answer in answers] == reasons
    # Nor does a list end before its end, though the first of a page is nobody any more.
    found, token = [], ""
    for _ in others:
        page = await world.call("ListFriends", ann.access, page_size=1, page_token=token)
        found += [row.user_id for row in page.friends]
        token = page.next_page_token
    assert (found, token) == ([other.user_id for other in others], "")


async def test_pictures_that_are_away_keep_nothing_else_from_being_erased(world: World) -> None:
    ann, bob = await world.sign_up("Ann"), await world.sign_up("Bob")
    await befriend(world, ann, bob)

    async def away(_: object) -> None:
        raise PicturesUnavailable

    (erasure,) = [part for part in world.service.app.parts if isinstance(part, Erasure)]
    farewell: Farewell = erasure._first.__self__  # type: ignore[union-attr]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(farewell._avatars, "erase", away)
        await world.call("DeleteMe", ann.access, password=PASSWORD)
        await becomes(world, "SELECT COUNT(*) FROM friendship", [(0,)])
        counted = "SELECT friends FROM friend_count WHERE user_id = %s"
        await becomes(world, counted, [(0,)], UUID(bob.user_id))
