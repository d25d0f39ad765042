"""`SessionCheckService`: what the other services ask when they hear nothing of ended sessions. Internal."""

from collections.abc import Mapping
from typing import ClassVar

from firewalker.gen.pb.firewalker.user import v1 as pb
from firewalker.kernel.ids import SessionId, parse_uuid
from firewalker.runtime.grpc.policy import Caller, Priority, Rule
from firewalker.user.rpc.fields import ID_RULE, Fields
from firewalker.user.usecases.ended_sessions import EndedSessions


class SessionCheckDoor(pb.SessionCheckServiceBase):
    """Sessions, as MySQL has them."""

    POLICY: ClassVar[Mapping[str, Rule]] = {"CheckSession": Rule(Caller.SERVICE, priority=Priority.SIGN_IN)}

    def __init__(self, ended: EndedSessions) -> None:
        self._ended = ended

    async def check_session(self, message: pb.CheckSessionRequest) -> pb.CheckSessionResponse:
        """Whether a session has ended."""
        fields = Fields()
        session_id = SessionId(fields.read("session_id", parse_uuid(message.session_id), ID_RULE))
        fields.ensure_valid()
        return pb.CheckSessionResponse(ended=await self._ended.has_ended(session_id))
