"""Codes and links by which others ask for a friendship, and their QR pictures."""

from datetime import timedelta

import pytest

from tests.service.user.conftest import World
from tests.service.user.test_friends import REQUESTED, names, refused

GONE = ("NOT_FOUND", "INVITE_NOT_FOUND")


async def test_a_code_leads_to_who_made_it(world: World) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("Bora")
    invite = (await world.call("CreateInvite", anna.access)).invite
    assert invite.url == f"http://127.0.0.1:8080/?invite={invite.code}"
    assert invite.expire_time.ToDatetime(world.clock.now().tzinfo) - world.clock.now() <= timedelta(days=7)
    typed = "-".join(invite.code[start : start + 4].lower() for start in range(0, 16, 4))
    asked = (await world.call("SendFriendRequest", bora.access, invite_code=typed)).friendship
    assert (asked.nickname, asked.state) == ("Anna", REQUESTED)
    assert await names(world, "ListFriendRequests", anna) == ["Bora"]
    own = await refused(world, "SendFriendRequest", anna, invite_code=invite.code)
    assert own == ("INVALID_ARGUMENT", "CANNOT_BEFRIEND_SELF")


@pytest.mark.parametrize("end", ["revoked", "expired", "never made"])
async def test_a_code_that_is_not_good_leads_nowhere(world: World, end: str) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("Bora")
    code = (await world.call("CreateInvite", anna.access)).invite.code
    if end == "revoked":
        await world.call("RevokeInvite", bora.access, code=code)  # not hers: nothing happens
        await world.call("GetInviteQr", anna.access, code=code)
        for _ in range(2):
            await world.call("RevokeInvite", anna.access, code=code)
    elif end == "expired":
        world.clock.advance(timedelta(days=7))
        anna, bora = await world.sign_in(anna), await world.sign_in(bora)
    else:
        code = "A" * 16
    assert await refused(world, "SendFriendRequest", bora, invite_code=code) == GONE
    assert await refused(world, "GetInviteQr", anna, code=code) == GONE
    assert (await refused(world, "SendFriendRequest", bora, invite_code="x"))[1] == "INVALID_REQUEST"


async def test_twenty_codes_at_a_time(world: World) -> None:
    anna = await world.sign_up("Anna")
    codes = [(await world.call("CreateInvite", anna.access)).invite.code for _ in range(20)]
    assert len(set(codes)) == 20
    assert await refused(world, "CreateInvite", anna) == ("FAILED_PRECONDITION", "INVITE_LIMIT_REACHED")
    await world.call("RevokeInvite", anna.access, code=codes[0])
    await world.call("CreateInvite", anna.access)


async def test_a_link_is_a_picture_for_its_maker_alone(world: World) -> None:
    anna, bora = await world.sign_up("Anna"), await world.sign_up("Bora")
    code = (await world.call("CreateInvite", anna.access)).invite.code
    picture = (await world.call("GetInviteQr", anna.access, code=code)).picture
    assert picture.content_type == "image/png"
    assert picture.data.startswith(b"\x89PNG\r\n")
    assert await refused(world, "GetInviteQr", bora, code=code) == GONE
