"""Asking the user service who a newcomer is, of whom no event has told yet."""

from firewalker.gen.pb.firewalker.user import v1 as pb
from firewalker.kernel.ids import UserId
from firewalker.runtime.grpc.channel import CallRefused, InternalChannel
from firewalker.runtime.grpc.faults import ServiceUnavailable
from firewalker.step.domain.facts import BEFORE_EVENTS, WalkerNews


class RemoteIntroductions:
    """The user service behind a channel.

    Friends, and what is shown to whom, are left to the events: those of a newcomer's friendships come in order behind them.
    """

    def __init__(self, user: InternalChannel) -> None:
        self._graph = pb.SocialGraphServiceStub(user)

    async def __call__(self, user: UserId, /) -> WalkerNews | None:
        """Who *user* is; None if nobody is.

        Raises:
            ServiceUnavailable, DeadlineExceeded: It cannot be told.
        """
        try:
            me = (await self._graph.get_circle(pb.GetCircleRequest(user_id=str(user)))).me
        except CallRefused as refused:
            if refused.reason == "USER_NOT_FOUND":
                return None
            raise ServiceUnavailable from refused
        if me is None:
            raise ServiceUnavailable
        return WalkerNews(user, me.nickname, me.avatar_url, BEFORE_EVENTS, me.time_zone or None)
