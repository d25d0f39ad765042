"""The notification service on real MySQL and Redis, called by grpcio, with doors in place of the services that it asks."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2

from firewalker.kernel.ids import new_uuid7
from firewalker.notification.app import build
from firewalker.notification.config import NotificationConfig
from firewalker.runtime.grpc.messages import internal_descriptors, message_class
from firewalker.runtime.mysql.literals import fill
from tests.support.clock import FakeClock
from tests.support.databases import run_on
from tests.support.services import Service, serving

PACKAGE = "firewalker.notification.v1"
Event = message_class("firewalker.event.v1.Event")


def reason(error: grpc.aio.AioRpcError) -> str:
    (packed,) = [v for k, v in error.trailing_metadata() or () if k == "grpc-status-details-bin"]
    for detail in status_pb2.Status.FromString(packed).details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    raise AssertionError("the status carries no ErrorInfo")


def event(at: datetime, **facts: Any) -> Any:
    """An event of that time; *facts* is the one field of the oneof, as the message's own keywords in a dictionary."""
    made = Event(event_id=str(new_uuid7(int(at.timestamp() * 1000))), **facts)
    made.create_time.FromDatetime(at)
    return made


def profile(user: UUID, nickname: str = "지수") -> dict[str, str]:
    return {"user_id": str(user), "nickname": nickname}


@dataclass
class Post:
    """The service, and short ways to tell it and to ask it."""

    service: Service
    clock: FakeClock
    mysql_url: str

    def as_user(self, user: UUID, **claims: Any) -> list[tuple[str, str]]:
        now = int(self.clock.now().timestamp())
        return self.service.as_user(user, **{"iat": now, "exp": now + 600, **claims})

    async def call(self, rpc: str, user: UUID, *, claims: dict[str, Any] | None = None, **fields: Any) -> Any:
        service = "DeviceService" if "Device" in rpc else "NotificationService"
        path = f"/{PACKAGE}.{service}/{rpc}"
        method = internal_descriptors().method(path)
        call = self.service.public.unary_unary(
            path,
            request_serializer=message_class(method.input_type.full_name).SerializeToString,
            response_deserializer=message_class(method.output_type.full_name).FromString,
        )
        request = message_class(method.input_type.full_name)(**fields)
        return await call(request, metadata=self.as_user(user, **(claims or {})), timeout=10)

    async def refused(self, rpc: str, user: UUID, **fields: Any) -> str:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.call(rpc, user, **fields)
        return reason(caught.value)

    async def tell(self, *events: Any) -> None:
        call = self.service.internal.unary_unary(
            "/firewalker.event.v1.EventSinkService/Deliver",
            request_serializer=message_class("firewalker.event.v1.DeliverRequest").SerializeToString,
            response_deserializer=message_class("firewalker.event.v1.DeliverResponse").FromString,
        )
        await call(
            message_class("firewalker.event.v1.DeliverRequest")(events=events), metadata=self.service.as_service("user")
        )

    def watch(self, user: UUID) -> Any:
        path = f"/{PACKAGE}.NotificationService/WatchNotifications"
        method = internal_descriptors().method(path)
        call = self.service.public.unary_stream(
            path,
            request_serializer=message_class(method.input_type.full_name).SerializeToString,
            response_deserializer=message_class(method.output_type.full_name).FromString,
        )
        return call(message_class(method.input_type.full_name)(), metadata=self.as_user(user))

    async def inbox(self, user: UUID) -> list[Any]:
        return list((await self.call("ListNotifications", user)).notifications)

    async def register(self, user: UUID, installation: str = "phone", token: str = "", **more: Any) -> Any:
        fields = {"installation_id": installation, "platform": 1, "locale": "ko-KR", **more}
        if "fid" not in fields:
            fields["registration_token"] = token or f"token-of-{installation}"
        return (await self.call("RegisterDevice", user, **fields)).device

    async def request_from(self, asker: UUID, asked: UUID, nickname: str = "지수", at: datetime | None = None) -> Any:
        asking = {"requester": profile(asker, nickname), "addressee_id": str(asked)}
        await self.tell(told := event(at or self.clock.now(), friend_requested=asking))
        return told

    async def sql(self, statement: str, *params: object) -> list[tuple[object, ...]]:
        return await run_on(self.mysql_url, fill(statement, params))


@pytest.fixture
async def post(tmp_path: Path, mysql_url: str, redis_url: str) -> AsyncIterator[Post]:
    clock = FakeClock(datetime.now(UTC))
    async with serving(
        "notification",
        NotificationConfig,
        lambda config: build(config, clock),
        folder=tmp_path,
        mysql_url=mysql_url,
        redis_url=redis_url,
    ) as running:
        yield Post(running, clock, mysql_url)
