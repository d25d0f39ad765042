"""Devices come, move, and go; nobody is pushed to on a phone that is somebody else's now."""

from datetime import timedelta
from typing import Any

import grpc
import pytest

from firewalker.kernel.ids import new_uuid7
from tests.service.notification.conftest import Post, event, reason, violated

SESSION = str(new_uuid7())


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
    await post.register(me, "tablet", claims={"sid": str(new_uuid7())})
    ended = {"user_id": str(me), "session_id": SESSION, "installation_id": "phone"}
    logout = event(post.clock.now() - timedelta(seconds=5), session_ended=ended)
    # Signed in again on the same phone before the news of the logout got here.
    await post.register(me, "phone", claims={"sid": str(new_uuid7())})
    await post.tell(logout)
    assert set(await owners(post)) == {"phone", "tablet"}
    await post.tell(event(post.clock.now() + timedelta(seconds=5), session_ended=ended))
    assert set(await owners(post)) == {"tablet"}


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
    {"platform": 0},
    {"platform": 77},
    {"registration_token": "x" * 4097},
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
