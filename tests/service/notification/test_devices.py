"""Devices come, move, and go; nobody is pushed to on a phone that is somebody else's now."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import grpc
import pytest

from firewalker.kernel.faults import SessionRevoked
from firewalker.kernel.ids import SessionId, UserId, new_uuid7
from firewalker.notification.domain.device import Platform, Registration, Target
from firewalker.notification.store import devices as rows
from firewalker.notification.store.deliveries import Deliveries
from firewalker.notification.store.recipients import Recipients
from firewalker.notification.usecases.devices import Devices, NewDevice
from firewalker.runtime.mysql import Database
from tests.service.notification.conftest import Post, event, reason, violated

OLD, SESSION, NEW = (str(new_uuid7(1_000_000 * (number + 1))) for number in range(3))
"""Of three sign-ins, one after the other."""


async def owners(post: Post) -> dict[object, object]:
    return dict(await post.sql("SELECT installation_id, user_id FROM device"))  # type: ignore[arg-type]


async def test_a_device_is_registered_listed_and_unregistered(post: Post) -> None:
    me, stranger = new_uuid7(), new_uuid7()
    device = await post.register(me, app_version="1.2")
    assert (device.installation_id, device.app_version, device.locale) == ("phone", "1.2", "ko-KR")
    assert [d.installation_id for d in (await post.call("ListDevices", me)).devices] == ["phone"]
    assert list((await post.call("ListDevices", stranger)).devices) == []
    await post.call("UnregisterDevice", stranger, installation_id="phone")
    assert await owners(post) == {"phone": me.bytes}
    await post.call("UnregisterDevice", me, installation_id="phone")
    await post.call("UnregisterDevice", me, installation_id="phone")
    assert await owners(post) == {}


@pytest.mark.requirement("FCM-14")
async def test_a_token_moves_to_who_registers_it_last(post: Post) -> None:
    ann, bo = new_uuid7(), new_uuid7()
    await post.register(ann, "phone", token="shared")
    await post.register(bo, "phone", token="shared")
    assert await owners(post) == {"phone": bo.bytes}
    await post.register(ann, "reinstalled", token="shared")
    assert await owners(post) == {"reinstalled": ann.bytes}
    (again,) = (await post.call("ListDevices", ann)).devices
    first = again.register_time.ToDatetime()
    post.clock.advance(3600)
    (again,) = [await post.register(ann, "reinstalled", token="shared")]
    assert (again.register_time.ToDatetime(), again.last_seen_time.ToDatetime()) == (first, first + timedelta(hours=1))


@pytest.mark.requirement("FCM-14")
async def test_the_end_of_a_session_detaches_what_it_registered_and_nothing_newer(post: Post) -> None:
    me = new_uuid7()
    await post.register(me, "phone", claims={"sid": SESSION})
    await post.register(me, "tablet", claims={"sid": OLD})
    # Signed in on the same phone once more, without signing out; then the session before is ended from elsewhere.
    await post.register(me, "phone", claims={"sid": NEW})
    await post.tell(end_of(post, me, SESSION))
    assert set(await owners(post)) == {"phone", "tablet"}
    await post.tell(end_of(post, me, NEW))
    assert set(await owners(post)) == {"tablet"}
    # Signed in there again, and out before the app has registered: what an older session has registered goes.
    await post.tell(end_of(post, me, str(new_uuid7()), "tablet"))
    assert await owners(post) == {}


def end_of(post: Post, user: UUID, session: str, installation: str = "phone") -> Any:
    """The news that a session of *user*'s has just ended."""
    ended = {"user_id": str(user), "session_id": session, "installation_id": installation}
    return event(post.clock.now() + timedelta(seconds=5), session_ended=ended)


@pytest.mark.requirement("FCM-14")
async def test_who_registers_while_the_session_ends_leaves_nothing_behind(post: Post) -> None:
    phone = NewDevice("phone", Platform.ANDROID, Registration(Target.TOKEN, "t"), "", "ko-KR")
    async with Database(post.mysql_url, pool_size=2) as database:
        # Behind the door, where the end of the session is not known yet.
        devices = Devices(
            database, post.clock, devices=rows.Devices(), deliveries=Deliveries(), recipients=Recipients()
        )
        for _ in range(10):
            me, session = UserId(new_uuid7()), SessionId(new_uuid7())
            registering = devices.register(me, session, phone)
            await asyncio.gather(registering, post.tell(end_of(post, me, str(session))), return_exceptions=True)
            assert await owners(post) == {}
        with pytest.raises(SessionRevoked):
            await devices.register(me, session, phone)
        assert await devices.forget_ended() == 0
        post.clock.advance(timedelta(hours=2))
        assert await devices.forget_ended() == 10


@pytest.mark.requirement("FCM-16")
async def test_devices_that_nobody_opens_are_swept(post: Post) -> None:
    me = new_uuid7()
    await post.register(me, "old")
    post.clock.advance(timedelta(days=30))
    await post.register(me, "new")
    post.clock.advance(timedelta(days=31))
    (sweep,) = [part for part in post.service.app.parts if getattr(part, "_name", "") == "sweep devices"]
    assert await sweep._work() == 1  # type: ignore[attr-defined]
    assert set(await owners(post)) == {"new"}


async def test_the_least_recently_seen_of_too_many_gives_way(post: Post) -> None:
    me = new_uuid7()
    for number in range(21):
        post.clock.advance(1)
        await post.register(me, f"phone {number}")
    devices = (await post.call("ListDevices", me)).devices
    assert [d.installation_id for d in devices] == [f"phone {number}" for number in range(20, 0, -1)]


MALFORMED: list[dict[str, Any]] = [
    {"installation_id": ""},
    {"installation_id": "x" * 65},
    {"installation_id": "phone "},
    {"installation_id": " phone"},
    {"platform": 0},
    {"platform": 77},
    {"registration_token": "x" * 2049},
    {"registration_token": "토큰"},
    {"registration_token": 'a"token'},
    {"registration_token": ""},
    {"fid": "y" * 65},
    {"locale": "k" * 36},
    {"app_version": "1\n2"},
]


@pytest.mark.requirement("FCM-15")
async def test_a_malformed_registration_is_refused(post: Post) -> None:
    for wrong in MALFORMED:
        good = {"installation_id": "phone", "platform": 1} | ({} if "fid" in wrong else {"registration_token": "t"})
        assert await post.refused("RegisterDevice", new_uuid7(), **(good | wrong)) == "INVALID_REQUEST", wrong
    assert await owners(post) == {}


async def test_one_registration_is_needed(post: Post) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await post.register(new_uuid7(), "phone", fid=None)
    assert reason(caught.value) == "INVALID_REQUEST"
    assert violated(caught.value) == ["registration_token", "fid"]
    device = await post.register(new_uuid7(), "browser", fid="cAfE", platform=3)
    assert device.platform == device.WEB


@pytest.mark.requirement("AUTH-08")
@pytest.mark.parametrize("rpc", ["RegisterDevice", "UnregisterDevice", "ListDevices", "MarkRead", "GetPreferences"])
async def test_everything_needs_a_user(post: Post, rpc: str) -> None:
    service = "DeviceService" if "Device" in rpc else "NotificationService"
    call = post.service.public.unary_unary(f"/firewalker.notification.v1.{service}/{rpc}")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"")
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert reason(caught.value) == "ACCESS_TOKEN_INVALID"
