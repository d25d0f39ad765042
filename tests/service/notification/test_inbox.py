"""The inbox on real servers: events come in on the internal port, users read on the public one."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from firewalker.kernel.ids import new_uuid7, new_uuid7_at
from firewalker.notification.app import build
from firewalker.notification.config import NotificationConfig
from firewalker.runtime.grpc.messages import message_class
from tests.support.services import Service, serving

START = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)

Deliver = message_class("firewalker.event.v1.DeliverRequest")
Delivered = message_class("firewalker.event.v1.DeliverResponse")
ListRequest = message_class("firewalker.notification.v1.ListNotificationsRequest")
ListResponse = message_class("firewalker.notification.v1.ListNotificationsResponse")
Event = message_class("firewalker.event.v1.Event")


@pytest.fixture
async def service(tmp_path: Path, mysql_url: str, redis_url: str) -> AsyncIterator[Service]:
    async with serving(
        "notification", NotificationConfig, build, folder=tmp_path, mysql_url=mysql_url, redis_url=redis_url
    ) as running:
        yield running


def request_event(addressee: UUID, number: int = 0, nickname: str = "지수") -> Any:
    at = START + timedelta(seconds=number)
    event = Event(event_id=str(new_uuid7_at(at)))
    event.create_time.FromDatetime(at)
    event.friend_requested.requester.user_id = str(new_uuid7())
    event.friend_requested.requester.nickname = nickname
    event.friend_requested.addressee_id = str(addressee)
    return event


async def deliver(service: Service, *events: Any, metadata: list[tuple[str, str]] | None = None) -> None:
    call = service.internal.unary_unary(
        "/firewalker.event.v1.EventSinkService/Deliver",
        request_serializer=Deliver.SerializeToString,
        response_deserializer=Delivered.FromString,
    )
    await call(Deliver(events=events), metadata=metadata if metadata is not None else service.as_service("user"))


async def read(service: Service, user: UUID, **fields: Any) -> Any:
    call = service.public.unary_unary(
        "/firewalker.notification.v1.NotificationService/ListNotifications",
        request_serializer=ListRequest.SerializeToString,
        response_deserializer=ListResponse.FromString,
    )
    return await call(ListRequest(**fields), metadata=service.as_user(user))


def reason(error: grpc.aio.AioRpcError) -> str:
    (packed,) = [v for k, v in error.trailing_metadata() or () if k == "grpc-status-details-bin"]
    for detail in status_pb2.Status.FromString(packed).details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    raise AssertionError("the status carries no ErrorInfo")


async def test_a_friend_request_lands_in_the_inbox_of_who_was_asked(service: Service) -> None:
    user = new_uuid7()
    event = request_event(user)
    await deliver(service, event)
    answer = await read(service, user)
    (notification,) = answer.notifications
    assert answer.unread_count == 1
    assert notification.notification_id == event.event_id
    assert notification.type == notification.FRIEND_REQUEST
    assert dict(notification.params)["nickname"] == "지수"
    assert notification.body == "지수 wants to be your friend."
    assert notification.create_time == event.create_time
    assert not notification.HasField("read_time")


async def test_an_acceptance_lands_in_the_inbox_of_who_had_asked(service: Service) -> None:
    asker, accepter = new_uuid7(), new_uuid7()
    event = Event(event_id=str(new_uuid7()))
    event.create_time.FromDatetime(START)
    event.friendship_accepted.accepter.user_id = str(accepter)
    event.friendship_accepted.accepter.nickname = "Mina"
    event.friendship_accepted.requester.user_id = str(asker)
    await deliver(service, event)
    (notification,) = (await read(service, asker)).notifications
    assert notification.type == notification.FRIEND_ACCEPTED
    assert notification.title == "New friend"
    assert (await read(service, accepter)).notifications == []


@pytest.mark.requirement("DLV-06")
async def test_an_event_delivered_again_is_one_notification(service: Service) -> None:
    user = new_uuid7()
    event = request_event(user)
    await deliver(service, event, event)
    await deliver(service, event)
    answer = await read(service, user)
    assert (len(answer.notifications), answer.unread_count) == (1, 1)


async def test_pages_go_from_the_newest_to_the_oldest_without_gap_or_repeat(service: Service) -> None:
    user = new_uuid7()
    events = [request_event(user, number) for number in range(7)]
    await deliver(service, *events[::2])
    await deliver(service, *events[1::2])
    seen, token = [], ""
    while True:
        page = await read(service, user, page_size=3, page_token=token)
        assert page.unread_count == 7
        seen += [n.notification_id for n in page.notifications]
        token = page.next_page_token
        if not token:
            break
    assert seen == [event.event_id for event in reversed(events)]


async def test_nobody_reads_the_inbox_of_another(service: Service) -> None:
    await deliver(service, request_event(new_uuid7()))
    assert (await read(service, new_uuid7())).notifications == []


async def test_a_page_token_of_another_user_is_refused(service: Service) -> None:
    user = new_uuid7()
    await deliver(service, *(request_event(user, number) for number in range(2)))
    token = (await read(service, user, page_size=1)).next_page_token
    for stranger, fields in ((new_uuid7(), {}), (user, {"unread_only": True})):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await read(service, stranger, page_size=1, page_token=token, **fields)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert reason(caught.value) == "PAGE_TOKEN_INVALID"


async def test_an_incomplete_event_is_refused_whole(service: Service) -> None:
    user = new_uuid7()
    broken = request_event(user)
    broken.friend_requested.ClearField("requester")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await deliver(service, request_event(user), broken)
    assert reason(caught.value) == "INVALID_REQUEST"
    assert (await read(service, user)).notifications == []


@pytest.mark.requirement("AUTH-08")
@pytest.mark.parametrize("metadata", [[], [("authorization", "Bearer wrong")]])
async def test_events_need_a_service_credential(service: Service, metadata: list[tuple[str, str]]) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await deliver(service, request_event(new_uuid7()), metadata=metadata)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert reason(caught.value) == "SERVICE_CREDENTIAL_INVALID"


async def test_the_public_port_does_not_take_events(service: Service) -> None:
    call = service.public.unary_unary(
        "/firewalker.event.v1.EventSinkService/Deliver",
        request_serializer=Deliver.SerializeToString,
        response_deserializer=Delivered.FromString,
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(Deliver(), metadata=service.as_service("user"))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_the_inbox_needs_a_user(service: Service) -> None:
    call = service.public.unary_unary(
        "/firewalker.notification.v1.NotificationService/ListNotifications",
        request_serializer=ListRequest.SerializeToString,
        response_deserializer=ListResponse.FromString,
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(ListRequest())
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
