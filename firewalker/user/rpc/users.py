"""`UserService`: profiles."""

from collections.abc import Mapping
from typing import ClassVar

from firewalker.gen.pb.firewalker.user import v1 as pb
from firewalker.kernel.principal import principal
from firewalker.runtime.grpc.policy import Caller, Priority, Rule
from firewalker.runtime.grpc.rates import READS
from firewalker.user.rpc import render
from firewalker.user.usecases.profiles import Profiles


class UserDoor(pb.UserServiceBase):
    """Profiles."""

    POLICY: ClassVar[Mapping[str, Rule]] = {"GetMe": Rule(Caller.USER, priority=Priority.READ, rate=READS)}

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles

    async def get_me(self, message: pb.GetMeRequest) -> pb.GetMeResponse:  # noqa: ARG002 - it has no fields
        """The caller's own profile."""
        return pb.GetMeResponse(user=render.own_user(await self._profiles.me(principal().user_id)))
