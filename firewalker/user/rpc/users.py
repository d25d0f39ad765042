"""`UserService`: profiles."""

from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

from firewalker.gen.pb.firewalker.user import v1 as pb
from firewalker.kernel.principal import principal
from firewalker.runtime.grpc.policy import Caller, Priority, Rule
from firewalker.runtime.grpc.rates import CHANGES, EXPORTS, READS
from firewalker.user.rpc import render
from firewalker.user.usecases.deletions import Deletions
from firewalker.user.usecases.exports import Exports
from firewalker.user.usecases.profiles import Profiles


class UserDoor(pb.UserServiceBase):
    """Profiles."""

    POLICY: ClassVar[Mapping[str, Rule]] = {
        "GetMe": Rule(Caller.USER, priority=Priority.READ, rate=READS),
        "DeleteMe": Rule(Caller.USER, deadline_s=10.0, rate=CHANGES, sensitive=True),
        "ExportMyData": Rule(Caller.USER, rate=EXPORTS, sensitive=True),
    }

    def __init__(self, profiles: Profiles, deletions: Deletions, exports: Exports) -> None:
        self._profiles = profiles
        self._deletions = deletions
        self._exports = exports

    async def get_me(self, message: pb.GetMeRequest) -> pb.GetMeResponse:  # noqa: ARG002 - it has no fields
        """The caller's own profile."""
        return pb.GetMeResponse(user=render.own_user(await self._profiles.me(principal().user_id)))

    async def delete_me(self, message: pb.DeleteMeRequest) -> pb.DeleteMeResponse:
        """Delete the caller's account for good."""
        await self._deletions.delete(principal().user_id, message.password)
        return pb.DeleteMeResponse()

    async def export_my_data(self, message: pb.ExportMyDataRequest) -> AsyncIterator[pb.ExportMyDataResponse]:  # noqa: ARG002 - it has no fields
        """Everything about the caller, record by record."""
        async for record in self._exports.of(principal().user_id):
            yield pb.ExportMyDataResponse(kind=record.kind, fields=dict(record.fields))
