"""Asking the user service whether a session has ended. Only where nothing else tells: see `revocation/doubts.py`."""

from firewalker.gen.pb.firewalker.user import v1 as pb
from firewalker.kernel.ids import SessionId
from firewalker.runtime.grpc.channel import CallRefused, InternalChannel
from firewalker.runtime.grpc.faults import ServiceUnavailable


class RemoteSessionTruth:
    """The user service behind a channel."""

    def __init__(self, channel: InternalChannel) -> None:
        self._stub = pb.SessionCheckServiceStub(channel)

    async def has_ended(self, session_id: SessionId) -> bool:
        """Whether the session was ended on purpose, or never was.

        Raises:
            ServiceUnavailable, DeadlineExceeded: It cannot be told.
        """
        try:
            answer = await self._stub.check_session(pb.CheckSessionRequest(session_id=str(session_id)))
        except CallRefused as refused:
            raise ServiceUnavailable from refused
        return answer.ended
