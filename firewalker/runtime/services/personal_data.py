"""`PersonalDataService` of every service: the records of one person, for the export. Internal."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import ClassVar

from firewalker.gen.pb.firewalker.event import v1 as pb
from firewalker.kernel.faults import InvalidRequest, Violation
from firewalker.kernel.ids import UserId, parse_uuid
from firewalker.runtime.grpc.channel import CallRefused, InternalChannel
from firewalker.runtime.grpc.faults import ServiceUnavailable
from firewalker.runtime.grpc.policy import Caller, Rule
from firewalker.runtime.mysql import Database
from firewalker.runtime.personal_data import PersonalTable, Record, exported

EXPORT_S = 60.0
"""Longest time that one service may take for its part of an export."""


class PersonalDataDoor(pb.PersonalDataServiceBase):
    """Gives what the tables hold."""

    POLICY: ClassVar[Mapping[str, Rule]] = {"Export": Rule(Caller.SERVICE)}

    def __init__(self, database: Database, tables: Sequence[PersonalTable]) -> None:
        self._database = database
        self._tables = tables

    async def export(self, message: pb.ExportRequest) -> AsyncIterator[pb.ExportResponse]:
        """The records of one person."""
        user_id = parse_uuid(message.user_id)
        if user_id is None:
            raise InvalidRequest(violations=[Violation("user_id", "must be a UUID")])
        async for record in exported(self._database, self._tables, UserId(user_id)):
            yield pb.ExportResponse(kind=record.kind, fields=dict(record.fields))


class RemotePersonalData:
    """Another service's part of an export."""

    def __init__(self, channel: InternalChannel) -> None:
        self._stub = pb.PersonalDataServiceStub(channel)

    async def of(self, user: UserId) -> AsyncIterator[Record]:
        """The records of *user*.

        Raises:
            ServiceUnavailable, DeadlineExceeded: Not all of them.
        """
        try:
            async for answer in self._stub.export(pb.ExportRequest(user_id=str(user)), timeout=EXPORT_S):
                yield Record(answer.kind, answer.fields)
        except CallRefused as refused:
            raise ServiceUnavailable from refused
