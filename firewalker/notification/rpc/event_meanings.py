"""Reading the events of other services: what each means to somebody's inbox, and what makes two of them one."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from firewalker.gen.pb.firewalker.event import v1 as pb
from firewalker.kernel.days import parse_date, parse_zone
from firewalker.kernel.ids import EventId, NotificationId, SessionId, UserId, parse_uuid
from firewalker.notification.domain.facts import Apart, Closed, Erased, Fact, Happened, Left, Lives, Meaning, Withdrawn
from firewalker.notification.domain.notification import Notification, Type, key_of
from firewalker.runtime import tracing
from firewalker.runtime.services.batches import MalformedEvent

_PAIR_S: Final = 2 * 60 * 60
"""Somebody is told of being passed by the same walker once in 2 hours (contract)."""


def fact_of(event: pb.Event) -> Fact | None:
    """What *event* means here; None for nothing.

    Raises:
        MalformedEvent: Something is missing or cannot be read.
    """
    for name, read in _READERS.items():
        told = getattr(event, name)
        if told is not None:
            try:
                event_id = EventId(_uuid(event.event_id, "event_id"))
                return Fact(event_id, read(_Moment(event), told), tracing.understood(event.traceparent))
            except MalformedEvent as error:
                raise MalformedEvent(f"{name}.{error}") from None
    return None


class _Moment:
    """Makes notifications of one event: its id and time are theirs."""

    def __init__(self, event: pb.Event) -> None:
        self.id = NotificationId(_uuid(event.event_id, "event_id"))
        if event.create_time is None:
            raise MalformedEvent("create_time")
        self.at: datetime = event.create_time
        self.day = f"{self.at:%Y-%m-%d}"

    def told(
        self,
        kind: Type,
        receiver: UserId,
        params: Mapping[str, str],
        actor: UserId | None = None,
        key: Sequence[str] | None = None,
    ) -> Notification:
        """A notification to *receiver*; with a *key*, which the type begins, only the first with it counts."""
        dedupe_key = None if key is None else key_of(kind, *key)
        return Notification(self.id, receiver, kind, params, self.at, actor_id=actor, dedupe_key=dedupe_key)

    def about(
        self, type_: Type, receiver: UserId, other: pb.Profile | None, key: Sequence[str] | None = None, **params: str
    ) -> Notification:
        """A notification about *other*, whose id stands first in its *key*."""
        actor = _who(other)
        facts = {"user_id": str(actor), "nickname": other.nickname if other else "", **params}
        return self.told(type_, receiver, facts, actor, None if key is None else [str(actor), *key])


def _requested(moment: _Moment, told: pb.FriendRequested) -> list[Meaning]:
    asked = _user(told.addressee_id, "addressee_id")
    return [Happened([moment.about(Type.FRIEND_REQUEST, asked, told.requester, [moment.day])])]


def _accepted(moment: _Moment, told: pb.FriendshipAccepted) -> list[Meaning]:
    asker, accepter = _who(told.requester, "requester"), _who(told.accepter, "accepter")
    return [
        Withdrawn(accepter, asker, Type.FRIEND_REQUEST, in_inbox=True),
        Happened([moment.about(Type.FRIEND_ACCEPTED, asker, told.accepter, [moment.day])]),
    ]


def _withdrawn(_: _Moment, told: pb.FriendRequestWithdrawn) -> list[Meaning]:
    asker, asked = _user(told.requester_id, "requester_id"), _user(told.addressee_id, "addressee_id")
    return [Withdrawn(asked, asker, Type.FRIEND_REQUEST, in_inbox=False)]


def _ended(_: _Moment, told: pb.FriendshipEnded) -> list[Meaning]:
    return [Apart(_user(told.user_id, "user_id"), _user(told.friend_id, "friend_id"), hidden=False)]


def _blocked(_: _Moment, told: pb.UserBlocked) -> list[Meaning]:
    return [Apart(_user(told.blocker_id, "blocker_id"), _user(told.blocked_id, "blocked_id"), hidden=True)]


def _cheered(moment: _Moment, told: pb.CheerSent) -> list[Meaning]:
    receiver = _user(told.receiver_id, "receiver_id")
    return [Happened([moment.about(Type.CHEER, receiver, told.sender, kind=told.kind)])]


def _joined(moment: _Moment, told: pb.GroupMemberJoined) -> list[Meaning]:
    group = str(_uuid(told.group_id, "group_id"))
    facts = {"group_id": group, "group_name": told.group_name}
    return [
        Happened(
            [
                moment.about(Type.GROUP_JOINED, _user(user, "told_user_ids"), told.member, [group, moment.day], **facts)
                for user in dict.fromkeys(told.told_user_ids)
            ]
        )
    ]


def _join_closed(_: _Moment, told: pb.GroupJoinRequestClosed) -> list[Meaning]:
    users = [_user(user, "told_user_ids") for user in dict.fromkeys(told.told_user_ids)]
    asker, group = _user(told.requester_id, "requester_id"), str(_uuid(told.group_id, "group_id"))
    return [Closed(users, asker, group, in_inbox=told.accepted)]


def _join_requested(moment: _Moment, told: pb.GroupJoinRequested) -> list[Meaning]:
    group = str(_uuid(told.group_id, "group_id"))
    facts, key = {"group_id": group, "group_name": told.group_name}, [group, moment.day]
    return [
        Happened(
            [
                moment.about(Type.GROUP_JOIN_REQUEST, _user(user, "told_user_ids"), told.requester, key, **facts)
                for user in dict.fromkeys(told.told_user_ids)
            ]
        )
    ]


def _goal_reached(moment: _Moment, told: pb.GoalReached) -> list[Meaning]:
    walker, day = _who(told.walker, "walker"), _day(told.date)
    own = moment.told(Type.GOAL_REACHED, walker, {"date": day, "daily_steps": str(told.daily_steps)}, key=[day])
    friends = [
        moment.about(Type.FRIEND_GOAL_REACHED, _user(user, "told_user_ids"), told.walker, [day], date=day)
        for user in dict.fromkeys(told.told_user_ids)
    ]
    return [Happened([own, *friends])]


def _overtaken(moment: _Moment, told: pb.Overtaken) -> list[Meaning]:
    day, receiver = _day(told.date), _user(told.overtaken_id, "overtaken_id")
    key = [day, str(int(moment.at.timestamp()) // _PAIR_S)]
    return [Happened([moment.about(Type.OVERTAKEN, receiver, told.overtaker, key, date=day)])]


def _first(moment: _Moment, told: pb.FirstPlaceTaken) -> list[Meaning]:
    day = _day(told.date)
    return [Happened([moment.told(Type.TOOK_FIRST_PLACE, _user(told.user_id, "user_id"), {"date": day}, key=[day])])]


def _result(moment: _Moment, told: pb.DayResult) -> list[Meaning]:
    day = _day(told.date)
    facts = {"date": day, "steps": str(told.steps), "rank": str(told.rank), "ranked": str(told.ranked)}
    return [Happened([moment.told(Type.DAY_RESULT, _user(told.user_id, "user_id"), facts, key=[day])])]


def _security(moment: _Moment, told: pb.SecurityNoticed) -> list[Meaning]:
    facts = {"kind": pb.SecurityNoticedKind(told.kind).name or "", "device_name": told.device_name}
    if told.session_id:
        facts["session_id"] = str(_uuid(told.session_id, "session_id"))
    return [Happened([moment.told(Type.SECURITY, _user(told.user_id, "user_id"), facts)])]


def _signed_up(moment: _Moment, told: pb.UserSignedUp) -> list[Meaning]:
    return _lives(moment, _who(told.profile), told.time_zone)


def _moved(moment: _Moment, told: pb.TimeZoneChanged) -> list[Meaning]:
    # From now on, whatever date the days change with: quiet hours go by the clock on the wall.
    return _lives(moment, _user(told.user_id, "user_id"), told.time_zone)


def _lives(moment: _Moment, user: UserId, zone: str) -> list[Meaning]:
    # A zone that this machine's tables do not have yet is no reason to refuse the batch.
    return [Lives(user, zone, moment.at)] if parse_zone(zone) is not None else []


def _session_ended(moment: _Moment, told: pb.SessionEnded) -> list[Meaning]:
    session = SessionId(_uuid(told.session_id, "session_id"))
    return [Left(_user(told.user_id, "user_id"), session, told.installation_id, moment.at)]


def _deleted(_: _Moment, told: pb.UserDeleted) -> list[Meaning]:
    return [Erased(_user(told.user_id, "user_id"))]


_READERS: Final[Mapping[str, Callable[[_Moment, Any], list[Meaning]]]] = {
    "friend_requested": _requested,
    "friendship_accepted": _accepted,
    "friend_request_withdrawn": _withdrawn,
    "friendship_ended": _ended,
    "user_blocked": _blocked,
    "cheer_sent": _cheered,
    "group_member_joined": _joined,
    "group_join_requested": _join_requested,
    "group_join_request_closed": _join_closed,
    "goal_reached": _goal_reached,
    "overtaken": _overtaken,
    "first_place_taken": _first,
    "day_result": _result,
    "security_noticed": _security,
    "user_signed_up": _signed_up,
    "time_zone_changed": _moved,
    "session_ended": _session_ended,
    "user_deleted": _deleted,
}
"""By field of the event's oneof. Facts that are not here mean nothing to anybody's inbox."""


def _who(profile: pb.Profile | None, field: str = "profile") -> UserId:
    if profile is None:
        raise MalformedEvent(field)
    return _user(profile.user_id, f"{field}.user_id")


def _user(text: str, field: str) -> UserId:
    return UserId(_uuid(text, field))


def _uuid(text: str, field: str) -> UUID:
    if (found := parse_uuid(text)) is None:
        raise MalformedEvent(field)
    return found


def _day(text: str) -> str:
    if parse_date(text) is None:
        raise MalformedEvent("date")
    return text
