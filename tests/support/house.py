"""A running service whose RPCs can be cancelled anywhere, and what is looked at afterwards (NET-23)."""

import asyncio
import dataclasses
import gc
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc.aio
import pytest
from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldOptions

from firewalker.kernel.faults import Draining
from firewalker.kernel.ids import new_uuid7
from firewalker.runtime.grpc.messages import internal_descriptors, message_class, public_descriptors
from firewalker.runtime.grpc.server import GrpcServer
from firewalker.runtime.mysql import Database
from tests.support.cancelling import cancelled_at
from tests.support.databases import run_on
from tests.support.services import Service

MOST_SUSPENSIONS = 200
TODAY = str(datetime.now(UTC).date())

Fields = dict[str, Any]
Metadata = list[tuple[str, str]] | None
_CUT_SHORT = "Internal error from Core"
"""What grpcio says of a stream that ended while it was still writing."""

_BUGS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)


@dataclass(frozen=True)
class Prepared:
    """One call to come."""

    fields: Fields
    metadata: Metadata = None
    marks: tuple[str, ...] = ()
    """Counts that the whole call changes, all of them or none."""
    more: tuple[Fields, ...] = ()
    """Further messages of a client stream; it is half-closed after them."""
    answers: int | None = None
    """After so many answers the client leaves an endless stream."""
    after_first: Callable[["House"], Awaitable[object]] | None = None
    """Done once the first answer is there: what an endless stream is to tell of."""
    partly: bool = False
    """Whether the marks may also change in part: a stream acknowledges one message after the other."""


Prepare = Callable[["House"], Awaitable[Prepared]]


@dataclass(frozen=True)
class House:
    """A running service, and what its tables look like from outside."""

    service: Service
    mysql_url: str
    databases: list[Database] = field(default_factory=lambda: [o for o in gc.get_objects() if isinstance(o, Database)])
    """Those of the service: its common pool and any of its rooms' own."""

    def server(self, path: str) -> GrpcServer:
        """The port that serves it."""
        (found,) = (s for s in self.service.app.servers if isinstance(s, GrpcServer) and path.encode() in s._methods)
        return found

    @property
    def between_services(self) -> list[str]:
        """What the internal port serves, but for what every port does."""
        internal = self.service.app.servers[1]
        assert isinstance(internal, GrpcServer)
        return [path.decode() for path in internal._methods if not path.startswith(b"/grpc.")]

    async def call(self, path: str, metadata: Metadata = None, **fields: Any) -> Any:
        """Call a unary method."""
        (answer,) = await self.talk(path, Prepared(fields, metadata))
        return answer

    async def talk(self, path: str, prepared: Prepared) -> list[Any]:
        """Make a call of any kind, as *prepared* says; its answers."""
        method = internal_descriptors().method(path)
        request = message_class(method.input_type.full_name)
        answer = message_class(method.output_type.full_name)
        codec = {"request_serializer": request.SerializeToString, "response_deserializer": answer.FromString}
        channel = self.service.internal if path in self.between_services else self.service.public
        options = {"metadata": prepared.metadata, "timeout": 15}
        if method.client_streaming:
            messages = iter([request(**fields) for fields in (prepared.fields, *prepared.more)])
            call = channel.stream_stream(path, **codec)(messages, **options)
        elif method.server_streaming:
            call = channel.unary_stream(path, **codec)(request(**prepared.fields), **options)
        else:
            return [await channel.unary_unary(path, **codec)(request(**prepared.fields), **options)]
        answers: list[Any] = []
        async for message in call:
            answers.append(message)
            if len(answers) == 1 and prepared.after_first is not None:
                await prepared.after_first(self)
            if len(answers) == prepared.answers:
                call.cancel()
                break
        return answers

    async def cancelled_call(
        self, number: int, path: str, prepared: Prepared, *, allowed: Sequence[grpc.StatusCode] = ()
    ) -> bool:
        """Call, and cancel what serves it at its suspension *number*; whether there was one.

        A call that is not cancelled may end with one of the *allowed* statuses; by default only with OK.
        """
        methods = self.server(path)._methods
        method = methods[path.encode()]
        cancelled = True

        async def serve(call: Any) -> None:
            nonlocal cancelled
            cancelled = False
            cancelled = await cancelled_at(method.serve(call), number)  # type: ignore[arg-type]
            if cancelled:
                raise Draining

        methods[path.encode()] = dataclasses.replace(method, serve=serve)
        try:
            await self.talk(path, prepared)
        except grpc.aio.AioRpcError as error:
            expected = (grpc.StatusCode.UNAVAILABLE,) if cancelled else allowed
            if cancelled and error.details() == _CUT_SHORT:
                return True
            assert error.code() in expected, (path, number, error.code(), error.details())  # noqa: PT017 - of the cancelled ones
        finally:
            methods[path.encode()] = method
        return cancelled

    async def quiet(self) -> None:
        """Return when nothing of the call is left; fail if something stays."""
        servers = [server for server in self.service.app.servers if isinstance(server, GrpcServer)]
        limit = asyncio.get_running_loop().time() + 20
        # Neither the pools nor MySQL tells anybody when they have come to rest.
        while busy := self._busy_with(servers) or await self._transactions():
            assert asyncio.get_running_loop().time() < limit, busy
            await asyncio.sleep(0.005 if isinstance(busy, str) else _TRX_KEPT_S)

    def _busy_with(self, servers: list[GrpcServer]) -> str:
        """What is under way in this process; empty for nothing."""
        calls = sum(server.open_calls for server in servers)
        pools = [f"{base.name} has {base.pool.lent} lent" for base in self.databases if _busy(base)]
        return f"{calls} calls; {', '.join(pools)}" if calls or pools else ""

    async def _transactions(self) -> int:
        """Open ones of this database: with them go all locks."""
        rows = await run_on(
            self.mysql_url,
            "SELECT COUNT(*) FROM information_schema.innodb_trx t "
            "JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id WHERE p.db = DATABASE()",
        )
        found = rows[0][0]
        assert isinstance(found, int)
        return found

    async def marks(self, statements: Sequence[str]) -> list[int]:
        """What each statement counts."""
        return [int(str((await run_on(self.mysql_url, statement))[0][0])) for statement in statements]


async def assert_survives(
    house: House,
    path: str,
    prepare: Prepare,
    *,
    allowed: Sequence[grpc.StatusCode] = (),
    rest: Callable[[], Awaitable[object]] | None = None,
) -> None:
    """Cancel later and later, each time a new call on new subjects, until one comes through.

    *rest* is waited for in front of each look: what a service needs to have come to rest besides its pools.
    """
    seen: list[list[int]] = []

    async def look() -> list[int]:
        await house.quiet()
        if rest is not None:
            await rest()
        return await house.marks(prepared.marks)

    for number in range(MOST_SUSPENSIONS):
        prepared = await prepare(house)
        before = await look()
        cancelled = await house.cancelled_call(number, path, prepared, allowed=allowed)
        after = await look()
        seen.append([now - then for now, then in zip(after, before, strict=True)])
        if not cancelled:
            break
    else:
        pytest.fail(f"not done after {MOST_SUSPENSIONS} suspensions")
    assert len(seen) > 1 or allowed  # what is refused at once never waits
    whole, nothing = seen[-1], [0] * len(seen[-1])
    if prepared.partly:
        assert all(0 <= now <= most for change in seen for now, most in zip(change, whole, strict=True)), seen
    else:
        assert all(change in (whole, nothing) for change in seen), seen
    assert not prepared.marks or whole != nothing


def rpcs(package: str) -> list[str]:
    """The paths of all public RPCs of a package."""
    return [
        f"/{service.full_name}/{method.name}"
        for name in public_descriptors().file_names
        for service in public_descriptors().file(name).services_by_name.values()
        if service.full_name.startswith(f"{package}.")
        for method in service.methods
    ]


def made_up(path: str) -> Fields:
    """A request with something plausible in each of its REQUIRED fields."""
    return _filled(internal_descriptors().method(path).input_type)


REFUSED = tuple(code for code in grpc.StatusCode if code not in _BUGS)
"""How a made-up request may end."""


_TRX_KEPT_S = 0.15
"""MySQL shows the same `innodb_trx` until it has not been asked for 0.1 s: who asks more often sees the past for ever."""


def _busy(database: Database) -> bool:
    pool = database.pool
    return bool(pool.lent or pool.waiting or pool.opening)


def _filled(message: Any) -> Fields:
    return {found.name: [value] if found.is_repeated else value for found, value in _required(message)}


def _required(message: Any) -> Iterator[tuple[FieldDescriptor, Any]]:
    for found in message.fields:
        options = FieldOptions.FromString(found.GetOptions().SerializeToString())
        if field_behavior_pb2.REQUIRED in options.Extensions[field_behavior_pb2.field_behavior]:
            yield found, _plausible(found)


def _plausible(found: FieldDescriptor) -> Any:
    if found.type == FieldDescriptor.TYPE_MESSAGE:
        return _filled(found.message_type)
    if found.type != FieldDescriptor.TYPE_STRING:
        return 1
    if found.name.endswith("date"):
        return TODAY
    return str(new_uuid7())
