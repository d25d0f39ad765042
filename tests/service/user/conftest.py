"""The user service on real MySQL and Redis, called by grpcio; two recorders stand for the services that it tells."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any, ClassVar

import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2

from firewalker.gen.pb.firewalker.event import v1 as event_pb
from firewalker.local.secrets import Secrets, make_secrets
from firewalker.runtime.grpc.credentials import ServiceCredentials
from firewalker.runtime.grpc.edge import Edge
from firewalker.runtime.grpc.messages import public_descriptors
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.runtime.mysql.literals import fill
from firewalker.user.app import build
from firewalker.user.config import UserConfig
from tests.support.clock import FakeClock
from tests.support.databases import run_on
from tests.support.services import Service, serving

PASSWORD = "mist over the gate"

SERVICES = {
    method.name: service.name
    for file in ("auth", "user", "friend", "group")
    for service in public_descriptors().file(f"firewalker/user/v1/{file}.proto").services_by_name.values()
    for method in service.methods
}
"""The service of each RPC."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a client learns of a call that was refused."""

    status: str
    reason: str
    fields: Sequence[str] = ()
    retry_after_s: float | None = None
    body: bytes = b""
    """The whole `google.rpc.Status`, as it came."""


class RefusedError(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.status} {refusal.reason} {refusal.fields}")
        self.refusal = refusal


class Recorder(event_pb.EventSinkServiceBase):
    """Takes every event once and keeps it."""

    POLICY: ClassVar = {"Deliver": Rule(Caller.SERVICE)}

    def __init__(self) -> None:
        self.events: dict[str, event_pb.Event] = {}

    async def deliver(self, message: event_pb.DeliverRequest) -> event_pb.DeliverResponse:
        self.events.update((event.event_id, event) for event in message.events)
        return event_pb.DeliverResponse()

    def of(self, fact: str) -> list[Any]:
        facts = (getattr(event, fact) for event in self.events.values())
        return [found for found in facts if found is not None]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in."""

    user_id: str
    nickname: str
    email: str
    tokens: Any

    @property
    def access(self) -> str:
        token: str = self.tokens.access_token
        return token


@dataclass
class World:
    service: Service
    clock: FakeClock
    mysql_url: str
    step: Recorder
    notification: Recorder
    mail_folder: Path
    people: list[Person] = field(default_factory=list)

    def mails(self, to: str) -> list[str]:
        """Subjects and bodies of the mails to an address, the oldest first."""
        read = [
            message_from_bytes(path.read_bytes(), policy=default)
            for path in sorted(self.mail_folder.glob("*.eml"), key=_age)
        ]
        return [f"{mail['Subject']}\n{mail.get_content()}" for mail in read if mail["To"] == to]

    async def token(self, to: str, number: int = 1) -> str:
        """The token in the *number*th mail to an address that has one."""
        async with asyncio.timeout(60):
            while True:
                found: list[str] = [token for mail in self.mails(to) for token in _TOKEN.findall(mail)]
                if len(found) >= number:
                    return found[number - 1]
                await asyncio.sleep(0.01)  # files tell nobody that they are there

    async def call(self, rpc: str, access: str | None = None, headers: Any = None, **fields: Any) -> Any:
        """The answer of an RPC, called with more *headers*, a mapping; raises RefusedError."""
        path = f"/firewalker.user.v1.{SERVICES[rpc]}/{rpc}"
        descriptors = public_descriptors()
        method = descriptors.method(path)
        request = descriptors.message_class(method.input_type.full_name)(**fields)
        answer = descriptors.message_class(method.output_type.full_name)
        multicallable = self.service.public.unary_unary(
            path, request_serializer=type(request).SerializeToString, response_deserializer=answer.FromString
        )
        metadata = [*(headers or {}).items()]
        if access is not None:
            metadata.append(("authorization", f"Bearer {access}"))
        try:
            return await multicallable(request, metadata=metadata, timeout=60)
        except grpc.aio.AioRpcError as error:
            raise RefusedError(_refusal(error)) from None

    async def outcome(self, rpc: str, access: str | None = None, **fields: Any) -> str:
        """The reason that an RPC is refused for, or OK; called again while the server sheds load, as its clients do."""
        while True:
            try:
                await self.call(rpc, access, **fields)
            except RefusedError as error:
                if error.refusal.reason != "OVERLOADED":
                    return error.refusal.reason
                await asyncio.sleep(0.1)
            else:
                return "OK"

    async def refusal(self, rpc: str, access: str | None = None, **fields: Any) -> Refusal:
        """How the call is refused; fails if it is not."""
        with pytest.raises(RefusedError) as refused:
            await self.call(rpc, access, **fields)
        return refused.value.refusal

    async def sign_up(self, nickname: str | None = None, **fields: Any) -> Person:
        name = nickname or f"walker {_LETTERS[len(self.people) // 20]}{_LETTERS[len(self.people) % 20]}"
        email = f"user{len(self.people)}@example.org"
        answer = await self.call(
            "SignUp", **{"email": email, "password": PASSWORD, "nickname": name, "time_zone": "Asia/Seoul", **fields}
        )
        person = Person(answer.user.user_id, answer.user.nickname, answer.user.email, answer.tokens)
        self.people.append(person)
        return person

    async def sign_in(self, person: Person) -> Person:
        answer = await self.call("Login", email=person.email, password=PASSWORD)
        return replace(person, tokens=answer.tokens)

    async def sql(self, statement: str, *params: object) -> list[tuple[object, ...]]:
        return await run_on(self.mysql_url, fill(statement, params))


def _age(path: Path) -> int:
    return path.stat().st_mtime_ns


_TOKEN = re.compile(r"^fwm1_\S+", re.MULTILINE)
_LETTERS = "abcdefghjkmnopqrstuw"  # no two of them look alike


class Keeper(event_pb.PersonalDataServiceBase):
    """Another service's part of an export: one record, which tells whose it is."""

    POLICY: ClassVar = {"Export": Rule(Caller.SERVICE)}

    def __init__(self, kind: str) -> None:
        self._kind = kind

    async def export(self, message: event_pb.ExportRequest) -> AsyncIterator[event_pb.ExportResponse]:
        yield event_pb.ExportResponse(kind=self._kind, fields={"of": message.user_id})


def _refusal(error: grpc.aio.AioRpcError) -> Refusal:
    trailers = dict(error.trailing_metadata() or ())
    body = trailers.get("grpc-status-details-bin", b"")
    status = status_pb2.Status.FromString(body)
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    retry_after = None
    for detail in status.details:
        if detail.Unpack(info):
            assert info.domain == "firewalker"
        detail.Unpack(bad)
        if detail.Unpack(retry):
            retry_after = retry.retry_delay.ToTimedelta().total_seconds()
    fields = sorted(violation.field for violation in bad.field_violations)
    return Refusal(error.code().name, info.reason, fields, retry_after, body)


def settings(secrets: Secrets, **more: Any) -> dict[str, Any]:
    # Storms in these tests are for what stands behind the edge, which would hold most of them off.
    wide = {"concurrency": 1_000, "concurrency_adaptive": False}
    more = {"mail_folder": secrets.folder / "mail", **more}
    return {"access_token_key_file": secrets.access_token_key, "refresh_key_file": secrets.refresh_key, **wide, **more}


@pytest.fixture
async def world(tmp_path: Path, mysql_url: str, redis_url: str) -> AsyncIterator[World]:
    async with open_world(tmp_path, mysql_url, redis_url) as made:
        yield made


@asynccontextmanager
async def open_world(tmp_path: Path, mysql_url: str, redis_url: str, **more: Any) -> AsyncIterator[World]:
    """The service and its listeners; *more* are settings of its configuration."""
    secrets = make_secrets(tmp_path)
    clock = FakeClock(datetime.now(UTC))
    async with AsyncExitStack() as stack:
        recorders = Recorder(), Recorder()
        edge = Edge(services=ServiceCredentials.from_file(secrets.allowed_services))
        others = zip(recorders, (Keeper("step"), Keeper("notification")), strict=True)
        sinks = [await stack.enter_async_context(GrpcServer(doors, edge, internal=True)) for doors in others]
        addresses = {
            "step_address": f"127.0.0.1:{sinks[0].port}",
            "notification_address": f"127.0.0.1:{sinks[1].port}",
        }
        service = await stack.enter_async_context(
            serving(
                "user",
                UserConfig,
                lambda config: build(config, clock),
                folder=tmp_path,
                mysql_url=mysql_url,
                redis_url=redis_url,
                settings=settings(secrets, **addresses, **more),
            )
        )
        yield World(service, clock, mysql_url, *recorders, mail_folder=tmp_path / "mail")
